//! Output files of the verbs that work without a spec.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};

/// Writes a file through `write` so that it appears complete or not at all.
pub fn publish(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(disk::temporary(&name));
    // Asked first, so that no long work is done for nothing.
    let touched = std::fs::write(&temporary, "").map_err(|error| unwritable(path, &error));
    let written = touched
        .and_then(|()| write(&temporary))
        .and_then(|()| std::fs::rename(&temporary, path).map_err(|error| unwritable(path, &error)));
    if written.is_err() {
        // A file that was begun is removed; that none was begun is no trouble.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Gives a temporary file of [`publish`] other contents.
pub fn fill(temporary: &Path, contents: &[u8]) -> std::io::Result<()> {
    std::fs::write(temporary, contents)
}

/// An output that cannot be written.
pub fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("cannot write {}: {error}", path.display()), "choose a place that you may write")
}

/// The path from the root, for another process.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
