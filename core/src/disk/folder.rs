//! A folder whose contents are not trusted.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fsync, linkat, mkdirat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::handle::{kind_of, open_file, open_folder, open_root};
use super::item::{Item, Kind};
use super::name::{is_temporary, stays_inside, temporary};
use super::operation;
use super::operation::{Operation, perform};
use super::remove::remove_all;
use super::replacement::Replacement;

/// The largest file that [`Folder::read`] reads, in bytes.
const LARGEST_READ: u64 = 1 << 30;

/// A folder by its place: opened anew for every operation, component by component, so that neither it nor what is in it
/// can be a link. Only the folder that it was begun from ([`Folder::at`]) may be reached through links.
///
/// Names are those of files or folders in it, or below it with / between them; others are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
    /// Below the root, with / between names; empty for the root itself.
    inside: String,
}

impl Folder {
    /// A folder that a user named. It need not be there yet.
    pub fn at(path: &Path) -> Self {
        Self { root: path.to_owned(), inside: String::new() }
    }

    /// A folder in this one. It need not be there yet.
    pub fn folder(&self, name: &str) -> Self {
        let gap = if self.inside.is_empty() { "" } else { "/" };
        Self { root: self.root.clone(), inside: format!("{}{gap}{name}", self.inside) }
    }

    pub fn path(&self) -> PathBuf {
        if self.inside.is_empty() { self.root.clone() } else { self.root.join(&self.inside) }
    }

    /// The path of a file in it, for display.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Opens a regular file.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let (parent, last) = self.parent_of(name)?;
        open_file(&parent, last, OFlags::RDONLY, &self.path_of(name))
    }

    /// Reads a file whole. Refuses one of more than 1 GiB: what is read whole is far smaller, and a huge or sparse file in
    /// its place must not take the memory.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.check_size(name)?;
        let mut contents = Vec::new();
        // The file may grow meanwhile.
        file.take(LARGEST_READ + 1).read_to_end(&mut contents)?;
        if contents.len() as u64 <= LARGEST_READ { Ok(contents) } else { Err(self.too_large(name)) }
    }

    /// Opens a file that is small enough to be read as a whole.
    pub fn check_size(&self, name: &str) -> io::Result<File> {
        let file = self.open(name)?;
        if file.metadata()?.len() <= LARGEST_READ { Ok(file) } else { Err(self.too_large(name)) }
    }

    fn too_large(&self, name: &str) -> io::Error {
        let message = format!("{} is larger than 1 GiB", self.path_of(name).display());
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    }

    /// The path of a regular file that is there, for code that opens it by its path.
    pub fn file(&self, name: &str) -> io::Result<PathBuf> {
        self.open(name).map(|_| self.path_of(name))
    }

    /// What `name` stands for; nothing where there is nothing, or no way to it.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        let (parent, last) = self.parent_of(name).ok()?;
        kind_of(&parent, last).map(Kind::from)
    }

    /// Whether the folder itself is there. A link in its place is an error.
    pub fn exists(&self) -> io::Result<bool> {
        match self.handle() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Everything in it, sorted by name; nothing where it does not exist.
    pub fn list(&self) -> io::Result<Vec<Item>> {
        match self.list_existing() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            items => items,
        }
    }

    /// Everything in it, sorted by name.
    pub fn list_existing(&self) -> io::Result<Vec<Item>> {
        let folder = self.handle()?;
        let mut items = Vec::new();
        for item in Dir::read_from(&folder)? {
            let item = item?;
            let name = item.file_name();
            if name != c"." && name != c".." {
                let about = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let kind = FileType::from_raw_mode(about.st_mode).into();
                items.push(Item { name: name.to_string_lossy().into_owned(), kind });
            }
        }
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(items)
    }

    /// Makes the folder, and those above it.
    pub fn make(&self) -> io::Result<()> {
        self.make_noting(&mut Vec::new())
    }

    /// Makes the folder, and those above it, and tries to write a file in it. Where that fails, the folders that this call
    /// made are removed again; those of others stay.
    pub fn make_writable(&self) -> io::Result<()> {
        let mut made = Vec::new();
        let tried = self.make_noting(&mut made).and_then(|()| self.begin("writable").map(drop));
        if tried.is_err() {
            // What another process put something into meanwhile stays.
            made.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
        }
        tried
    }

    /// Makes the folder, and those above it. Notes which of them this call made.
    fn make_noting(&self, made: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut path = self.root.clone();
        make_root(&path, made)?;
        let mut folder = open_root(&path)?;
        for name in self.components()? {
            path.push(name);
            match perform(Operation::MakeFolder, &path, || Ok(mkdirat(&folder, name, Mode::from_raw_mode(0o777))?)) {
                Ok(()) => {
                    made.push(path.clone());
                    sync(&folder, path.parent().unwrap_or(&path))?;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            folder = open_folder(&folder, name, &path)?;
        }
        Ok(())
    }

    /// Creates an empty file, in place of a regular file that is there. It is not complete before [`Folder::sync_file`].
    pub fn create(&self, name: &str) -> io::Result<File> {
        let (parent, last) = self.parent_of(name)?;
        let (path, access) = (self.path_of(name), OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC);
        perform(Operation::Create, &path, || open_file(&parent, last, access, &path))
    }

    /// Writes a file that nobody reads yet: after a loss of power it may be anything, before [`Folder::sync_file`].
    pub fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        operation::write(Operation::Write, &self.path_of(name), &self.create(name)?, contents)
    }

    /// Sees to it that a file's contents are on the disk.
    pub fn sync_file(&self, name: &str, file: &File) -> io::Result<()> {
        perform(Operation::SyncFile, &self.path_of(name), || file.sync_all())
    }

    /// Sees to it that the folder's names are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        sync(&self.handle()?, &self.path())
    }

    /// Opens a file to add lines to it. A file that has another name elsewhere is refused, since it would change there too.
    pub fn append(&self, name: &str) -> io::Result<Appender> {
        let file = self.open_alone(name, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)?;
        Ok(Appender { path: self.path_of(name), file })
    }

    /// Opens a file whose lock stands for something, as [`Folder::append`].
    pub fn lock_file(&self, name: &str) -> io::Result<File> {
        self.open_alone(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Creates a file that nobody else has: of several processes, on several machines as well, one succeeds.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there is something of that name.
    pub fn create_new(&self, name: &str, contents: &[u8]) -> io::Result<File> {
        let (parent, last) = self.parent_of(name)?;
        let (path, access) = (self.path_of(name), OFlags::RDWR | OFlags::CREATE | OFlags::EXCL);
        let file = perform(Operation::Create, &path, || open_file(&parent, last, access, &path))?;
        operation::write(Operation::Write, &path, &file, contents)?;
        Ok(file)
    }

    fn open_alone(&self, name: &str, access: OFlags) -> io::Result<File> {
        let (parent, last) = self.parent_of(name)?;
        let path = self.path_of(name);
        let file = open_file(&parent, last, access, &path)?;
        if file.metadata()?.nlink() > 1 {
            let message = format!("{} is a hard link to another file; remove it", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(file)
    }

    /// Whether `name` stands for this very file.
    pub fn is_at(&self, name: &str, file: &File) -> bool {
        let named =
            self.parent_of(name).and_then(|(parent, last)| Ok(statat(&parent, last, AtFlags::SYMLINK_NOFOLLOW)?));
        let Ok(own) = rustix::fs::fstat(file) else { return false };
        named.is_ok_and(|named| (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino))
    }

    /// Begins a file that takes the place of another once it is complete.
    pub fn begin(&self, name: &str) -> io::Result<Replacement> {
        let (folder, last) = match name.rsplit_once('/') {
            Some((folder, last)) => (self.folder(folder), last),
            None => (self.clone(), name),
        };
        let temporary = temporary(last);
        let (parent, _) = folder.parent_of(&temporary)?;
        let (path, access) = (folder.path_of(&temporary), OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL);
        let file = perform(Operation::Create, &path, || open_file(&parent, &temporary, access, &path))?;
        Ok(Replacement::new(folder, temporary, last.to_owned(), file))
    }

    /// Writes a file so that readers see the old one or the new one, never a part, also after a loss of power.
    pub fn replace(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        let mut file = self.begin(name)?;
        io::Write::write_all(&mut file, contents)?;
        file.commit()
    }

    /// Moves a file or a folder inside this folder, in place of a file or an empty folder that is there.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((source, old), (target, new)) = (self.parent_of(from)?, self.parent_of(to)?);
        let (path, goal) = (self.path_of(from), self.path_of(to));
        operation::rename(&path, &goal, || Ok(renameat(&source, old, &target, new)?))?;
        sync(&target, goal.parent().unwrap_or(&goal))
    }

    /// Gives a regular file of another folder a name here, too; where the file system cannot do so, it is copied. There
    /// must be nothing of that name.
    pub fn link(&self, name: &str, source: &Folder, source_name: &str) -> io::Result<()> {
        let original = source.open(source_name)?;
        let ((from, old), (parent, last)) = (source.parent_of(source_name)?, self.parent_of(name)?);
        let path = self.path_of(name);
        let linked = perform(Operation::Link, &path, || Ok(linkat(&from, old, &parent, last, AtFlags::empty())?));
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => self.copy(name, original),
            linked => linked,
        }
    }

    fn copy(&self, name: &str, mut original: File) -> io::Result<()> {
        let mut copy = self.create(name)?;
        io::copy(&mut original, &mut copy)?;
        // So that it is known again as the same.
        copy.set_modified(original.metadata()?.modified()?)?;
        self.sync_file(name, &copy)
    }

    /// Removes a name that is not a folder's; a link is removed itself. That there is none is no error.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        let removed = self.parent_of(name).and_then(|(parent, last)| {
            perform(Operation::Remove, &self.path_of(name), || Ok(unlinkat(&parent, last, AtFlags::empty())?))
        });
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes whatever is called `name`, with all that is in it; links are removed themselves. That there is nothing is
    /// no error.
    pub fn remove_all(&self, name: &str) -> io::Result<()> {
        match self.parent_of(name) {
            Ok((parent, last)) => remove_all(&parent, &CString::new(last)?, &self.path_of(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what processes that were killed had begun to write: here, and in all folders below where it is `deep`.
    pub fn remove_temporary(&self, deep: bool) {
        for item in self.list().unwrap_or_default() {
            if is_temporary(&item.name) {
                // What cannot be removed is only untidy.
                let _ = self.remove_all(&item.name);
            } else if deep && item.kind == Kind::Folder {
                self.folder(&item.name).remove_temporary(true);
            }
        }
    }

    fn components(&self) -> io::Result<impl Iterator<Item = &str>> {
        if !self.inside.is_empty() {
            check(&self.inside)?;
        }
        Ok(self.inside.split('/').filter(|name| !name.is_empty()))
    }

    fn handle(&self) -> io::Result<OwnedFd> {
        let mut path = self.root.clone();
        let mut folder = open_root(&path)?;
        for name in self.components()? {
            path.push(name);
            folder = open_folder(&folder, name, &path)?;
        }
        Ok(folder)
    }

    /// Opens the folder that a name is in. Returns it with the last part of the name.
    fn parent_of<'a>(&self, name: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        check(name)?;
        match name.rsplit_once('/') {
            Some((folder, last)) => Ok((self.folder(folder).handle()?, last)),
            None => Ok((self.handle()?, name)),
        }
    }
}

/// A file that lines are added to.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    file: File,
}

impl Appender {
    /// Adds bytes in one call where the system takes them whole, so that what others add stays apart.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        operation::write(Operation::Append, &self.path, &self.file, bytes)
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn into_file(self) -> File {
        self.file
    }
}

fn check(name: &str) -> io::Result<()> {
    if stays_inside(name) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not the name of a file in a folder")))
}

fn sync(folder: impl AsFd, path: &Path) -> io::Result<()> {
    let synced = perform(Operation::SyncFolder, path, || Ok(fsync(folder)?));
    match synced {
        // Some file systems cannot do so for folders.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        synced => synced,
    }
}

/// Makes the folder that a user named, and those above it.
fn make_root(path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        match perform(Operation::MakeFolder, folder, || std::fs::create_dir(folder)) {
            Ok(()) => made.push(folder.to_owned()),
            // Another process made it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let parent = folder.parent().unwrap_or(folder);
        sync(open_root(parent)?, parent)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
