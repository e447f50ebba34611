//! The one way to the files of a store or a results folder.
//!
//! Such a folder may have been copied from anywhere, so all that lies in it is data. Names are checked before they become
//! paths, links are never followed, and only regular files are read or written: a FIFO cannot block a command, and nothing
//! outside the folder can be reached. What is above the folder is the user's own, and may contain links.
//!
//! - [`Folder`] names a place and opens it anew for every operation, component by component.
//! - [`Folder::replace`] and [`Folder::begin`] change a file in the order that survives a loss of power: write, fsync of the
//!   file, rename, fsync of the folder.
//! - [`open`], [`append`] and [`create`] are for files that other code names by their paths.
//!
//! Every change of the disk passes through the module `operation`, where tests can end the process at any of them
//! (`XDLREG_CRASH_AT`) and have their order recorded (`XDLREG_TRACE_DISK`).

mod folder;
mod handle;
mod item;
mod name;
mod operation;
mod remove;
mod replacement;

use std::fs::File;
use std::io;
use std::path::Path;

pub use folder::{Appender, Folder};
pub use item::{Item, Kind};
pub use name::{is_plain, is_relative, is_temporary, plain, temporary};
pub use replacement::Replacement;

/// Opens a file for reading. Unlike folders on the way to it, the file itself must not be a link.
///
/// # Errors
/// Fails for whatever is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let (folder, name) = split(path)?;
    folder.open(&name)
}

/// Reads a file, as [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (folder, name) = split(path)?;
    folder.read(&name)
}

/// Reads a file of the user's own, which may be a link: data sets are often folders of links into a store of their own.
///
/// # Errors
/// Fails for whatever is not a regular file in the end.
pub fn read_linked(path: &Path) -> io::Result<Vec<u8>> {
    read(&path.canonicalize()?)
}

/// Opens a file for appending, as [`open`]; it is created where there is none.
pub fn append(path: &Path) -> io::Result<Appender> {
    let (folder, name) = split(path)?;
    folder.append(&name)
}

/// Creates an empty file, in place of a regular file that is there.
pub fn create(path: &Path) -> io::Result<File> {
    let (folder, name) = split(path)?;
    folder.create(&name)
}

/// The folder of a file, and the file's name.
fn split(path: &Path) -> io::Result<(Folder, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))?;
    Ok((Folder::at(path.parent().unwrap_or(Path::new(""))), name.to_owned()))
}
