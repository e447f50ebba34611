//! Removing a folder with all that is in it, through handles: a link is removed, and what it points to stays.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::operation::{Operation, perform};

/// Removes whatever is called `name`; that there is nothing is no error. `path` names it in a trace.
pub fn remove_all(parent: impl AsFd, name: &CStr, path: &Path) -> io::Result<()> {
    let parent = parent.as_fd();
    match perform(Operation::Remove, path, || Ok(unlinkat(parent, name, AtFlags::empty())?)) {
        Ok(()) => return Ok(()),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => return Ok(()),
            // What Linux and others say of a folder.
            Some(Errno::ISDIR | Errno::PERM) => {}
            _ => return Err(error),
        },
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(parent, name, flags, Mode::empty())?;
    for inner in names(&folder)? {
        remove_all(&folder, &inner, &path.join(&*inner.to_string_lossy()))?;
    }
    perform(Operation::Remove, path, || Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?))
}

/// The names in a folder.
fn names(folder: impl AsFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for item in Dir::read_from(folder)? {
        let item = item?;
        if item.file_name() != c"." && item.file_name() != c".." {
            names.push(item.file_name().to_owned());
        }
    }
    Ok(names)
}
