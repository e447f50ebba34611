//! Who works on a store: everyone who does holds its lock together with others, and whoever removes results holds it alone.
//! Of all who work on it, one at a time makes the result of a key.

use std::fs::{File, TryLockError};
use std::io;

use super::Store;
use super::hold::{Hold, OWNER, is_unsupported};
use crate::disk::Folder;
use crate::key::Key;

/// The file whose lock everyone who works on a store holds.
const LOCK: &str = "lock";

const CLAIMS: &str = "claims";

/// The right to make the result of a key, until dropped. The system takes it back when the process ends.
#[derive(Debug)]
pub struct Claim {
    _key: KeyLock,
    /// As long as there is a claim, nothing is removed from the store.
    _in_use: InUse,
}

/// Holds the lock of a store together with others who work on it.
#[derive(Debug)]
pub struct InUse {
    _lock: File,
}

/// Holds the lock of a store alone: nobody works on it.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

/// The locked file of a key, which is removed with the claim.
#[derive(Debug)]
pub(super) struct KeyLock {
    folder: Folder,
    name: String,
    _hold: Hold,
}

impl Store {
    /// Claims a key; `None` while another process has it, or results are being removed.
    pub fn claim(&self, key: &Key) -> io::Result<Option<Claim>> {
        let Some(in_use) = self.work()? else { return Ok(None) };
        Ok(self.lock_key(key)?.map(|key| Claim { _key: key, _in_use: in_use }))
    }

    /// Makes the store, and says that it is being worked on; `None` while results are being removed from it.
    pub fn work(&self) -> io::Result<Option<InUse>> {
        self.folder().make()?;
        let file = self.folder().lock_file(LOCK)?;
        Ok(held(file.try_lock_shared())?.then_some(InUse { _lock: file }))
    }

    /// Keeps everyone from working on the store; `None` where someone does.
    pub fn alone(&self) -> io::Result<Option<Alone>> {
        let file = self.folder().lock_file(LOCK)?;
        if !held(file.try_lock())? {
            return Ok(None);
        }
        // Programs of earlier versions hold no lock but those of the keys that they make.
        for item in self.folder().folder(CLAIMS).list()? {
            if let Some(key) = Key::parse(&item.name)
                && self.lock_key(&key)?.is_none()
            {
                return Ok(None);
            }
        }
        Ok(Some(Alone { _lock: file }))
    }

    /// Removes the files of claims that nobody holds.
    pub(super) fn remove_abandoned_claims(&self) {
        for item in self.folder().folder(CLAIMS).list().unwrap_or_default() {
            if let Some(key) = Key::parse(item.name.strip_suffix(OWNER).unwrap_or(&item.name)) {
                // Whoever can take a claim is the one that gives it back, and its file goes with it.
                let _ = self.lock_key(&key);
            }
        }
    }

    /// Locks the file of a key; `None` while another process has it.
    pub(super) fn lock_key(&self, key: &Key) -> io::Result<Option<KeyLock>> {
        let folder = self.folder().folder(CLAIMS);
        folder.make()?;
        loop {
            let file = folder.lock_file(key.as_str())?;
            let Some(hold) = Hold::take(&folder, key.as_str(), file)? else { return Ok(None) };
            // The claim before may have removed its file between the two steps: then this lock is of no worth.
            if folder.is_at(key.as_str(), hold.file()) {
                return Ok(Some(KeyLock { folder, name: key.to_string(), _hold: hold }));
            }
        }
    }
}

/// Whether a lock was got.
fn held(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // The claims of keys stand for it: see `hold`. Only `clean` cannot see those who have none.
        Err(TryLockError::Error(error)) if is_unsupported(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Removed while still locked; an empty file that stays is only untidy.
        let _ = self.folder.remove_file(&self.name);
    }
}

#[cfg(test)]
mod tests {
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
    fn nothing_is_removed_while_someone_works_and_nobody_works_while_something_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = (Store::new(folder.path()), Key::of(&json!(1)));
        let workers = [store.work().unwrap(), store.work().unwrap()];
        assert!(workers.iter().all(Option::is_some) && store.alone().unwrap().is_none());
        drop(workers);
        let claim = store.claim(&key).unwrap();
        assert!(claim.is_some() && store.alone().unwrap().is_none());
        drop(claim);
        let earlier_version = store.lock_key(&key).unwrap();
        assert!(earlier_version.is_some() && store.alone().unwrap().is_none());
        drop(earlier_version);
        let alone = store.alone().unwrap();
        assert!(alone.is_some() && store.work().unwrap().is_none() && store.claim(&key).unwrap().is_none());
        drop(alone);
        assert!(store.work().unwrap().is_some());
    }
}
