//! Opening without following links: folders component by component, and regular files.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// Of a file: opening neither follows a link nor waits for the other end of a FIFO.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens the folder that a user named; links on the way are the user's own.
pub fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Ok(openat(CWD, path, FOLDER, Mode::empty())?)
}

/// Opens a folder in another one. `path` is how it is called in errors.
pub fn open_folder(parent: impl AsFd, name: &str, path: &Path) -> io::Result<OwnedFd> {
    match openat(&parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(folder) => Ok(folder),
        Err(error) => Err(match kind_of(&parent, name) {
            Some(kind) if kind != FileType::Directory => refused(path, kind, "folder"),
            _ => error.into(),
        }),
    }
}

/// Opens a regular file with the flags of an access, such as `OFlags::RDONLY`.
pub fn open_file(parent: impl AsFd, name: &str, access: OFlags, path: &Path) -> io::Result<File> {
    // Asked before, because opening a device may already have an effect.
    let known = kind_of(&parent, name);
    if let Some(kind) = known.filter(|kind| *kind != FileType::RegularFile) {
        return Err(refused(path, kind, "regular file"));
    }
    let file = openat(&parent, name, access | FILE, Mode::from_raw_mode(0o666))?;
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(refused(path, kind, "regular file"));
    }
    Ok(file.into())
}

/// What a name stands for, if it stands for anything.
pub fn kind_of(parent: impl AsFd, name: &str) -> Option<FileType> {
    let about = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(about.st_mode))
}

/// Something lies where only a file or a folder may lie.
fn refused(path: &Path, kind: FileType, expected: &str) -> io::Error {
    let kind = match kind {
        FileType::Symlink => "a link, and links are not followed here",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Directory => "a folder",
        FileType::RegularFile => "a file",
        _ => "something unknown",
    };
    let message = format!("{} is {kind}; remove it, a {expected} belongs there", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}
