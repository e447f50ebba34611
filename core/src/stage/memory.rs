//! What a worker remembers from stage to stage.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::data::Dataset;
use crate::key::Key;
use crate::stage_name::StageName;
use crate::store::{Entry, Store};

/// The data set that was read last: stages that follow each other mostly work on the same one, and reading and verifying
/// it takes as long as many of them do.
#[derive(Debug, Default)]
pub struct Memory {
    dataset: Mutex<Option<(Key, Arc<Dataset>)>>,
}

impl Memory {
    pub(super) fn remembered(&self, key: &Key) -> Option<Arc<Dataset>> {
        let remembered = lock(&self.dataset);
        remembered.as_ref().filter(|(known, _)| known == key).map(|(_, dataset)| Arc::clone(dataset))
    }

    /// The data set `key`, read by `read` unless it is remembered.
    pub(super) fn dataset<E>(&self, key: &Key, read: impl FnOnce() -> Result<Dataset, E>) -> Result<Arc<Dataset>, E> {
        if let Some(dataset) = self.remembered(key) {
            return Ok(dataset);
        }
        let mut remembered = lock(&self.dataset);
        // Two at a time would take twice the memory.
        *remembered = None;
        let dataset = Arc::new(read()?);
        *remembered = Some((key.clone(), Arc::clone(&dataset)));
        Ok(dataset)
    }
}

/// The entries of a store that one stage reads, each verified once.
#[derive(Debug, Default)]
pub struct Verified {
    entries: Mutex<HashMap<Key, Entry>>,
}

impl Verified {
    pub(super) fn require(&self, store: &Store, stage: StageName, key: &Key) -> io::Result<Entry> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(key) {
            return Ok(entry.clone());
        }
        let entry = store.require(stage, key)?;
        entries.insert(key.clone(), entry.clone());
        Ok(entry)
    }
}

/// What a thread that panicked left is whole: values are put in at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::silent;
    use crate::sim::{GrowthMode, simulate_ages};

    #[test]
    fn the_last_data_set_is_read_once() {
        let memory = Memory::default();
        let (one, other) = (Key::of(&serde_json::json!(1)), Key::of(&serde_json::json!(2)));
        let get = |key: &Key, age: u32| {
            let mut read = false;
            let dataset = memory.dataset::<()>(key, || {
                read = true;
                Ok(simulate_ages(&[age], GrowthMode::Human, 0, &silent).expect("a pumpkin").into())
            });
            (dataset.expect("it can be read").targets[0], read)
        };
        assert_eq!(get(&one, 30), (30.0, true));
        assert_eq!(get(&one, 31), (30.0, false));
        assert_eq!(get(&other, 40), (40.0, true));
        assert_eq!(get(&one, 32), (32.0, true), "one data set is remembered");
        assert_eq!(memory.dataset(&other, || Err("unreadable")).unwrap_err(), "unreadable");
        assert_eq!(get(&other, 50), (50.0, true), "an error is not remembered");
    }
}
