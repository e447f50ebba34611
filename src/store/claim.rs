//! Claims: of all processes that work on a store, one at a time makes the result of a key.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

use super::{Key, Store};

/// The right to make the result of a key, until dropped. The system takes it back when the process ends.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// Locked.
    _file: File,
}

impl Store {
    /// Claims a key; `None` while another process has it.
    pub fn claim(&self, key: &Key) -> io::Result<Option<Claim>> {
        let folder = self.root().join("claims");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(key.as_str());
        loop {
            let file = File::options().create(true).append(true).open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
                // The claim before may have removed its file between the two steps: then this lock is of no worth.
                Ok(()) if is_at(&file, &path) => return Ok(Some(Claim { path, _file: file })),
                Ok(()) => {}
            }
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |about: io::Result<std::fs::Metadata>| about.ok().map(|about| (about.dev(), about.ino()));
    let own = identity(file.metadata());
    own.is_some() && own == identity(std::fs::metadata(path))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &std::path::Path) -> bool {
    path.exists()
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while still locked; an empty file that stays is only untidy.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_excludes_all_others_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = (Store::new(folder.path()), Key::of(&json!(1)));
        let claim = store.claim(&key).unwrap();
        assert!(claim.is_some() && store.claim(&key).unwrap().is_none());
        assert!(store.claim(&Key::of(&json!(2))).unwrap().is_some());
        drop(claim);
        assert!(store.claim(&key).unwrap().is_some());
    }

    #[test]
    fn two_never_hold_the_same_claim() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = (Store::new(folder.path()), Key::of(&json!(1)));
        let (holders, claimed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Some(_claim) = store.claim(&key).unwrap() {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            claimed.fetch_add(1, Ordering::SeqCst);
                            holders.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert!(claimed.into_inner() > 0);
    }
}
