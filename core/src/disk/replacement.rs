//! A file that is written beside the one that it takes the place of.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::folder::Folder;
use super::operation;
use super::operation::Operation;

/// A new file under a temporary name. Readers see the old file until [`Replacement::commit`], then the new one, whole.
/// One that is dropped before leaves nothing.
#[derive(Debug)]
pub struct Replacement {
    folder: Folder,
    /// Beside each other.
    temporary: String,
    name: String,
    /// `None` after it was committed.
    file: Option<File>,
    path: PathBuf,
}

impl Replacement {
    pub(super) fn new(folder: Folder, temporary: String, name: String, file: File) -> Self {
        let path = folder.path().join(&temporary);
        Self { folder, temporary, name, file: Some(file), path }
    }

    /// Puts the file in its place, where it also is after a loss of power.
    pub fn commit(mut self) -> io::Result<()> {
        let file = self.file.take().expect("it is committed once");
        let done = operation::perform(Operation::SyncFile, &self.path, || file.sync_all())
            .and_then(|()| self.folder.rename(&self.temporary, &self.name));
        if done.is_err() {
            self.discard();
        }
        done
    }

    fn discard(&self) {
        // A leftover is only untidy, and goes at the next start.
        let _ = self.folder.remove_file(&self.temporary);
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_ref().expect("it is not committed");
        operation::write(Operation::Write, &self.path, file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.discard();
        }
    }
}
