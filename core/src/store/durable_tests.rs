//! What the store and its files are believed, by other routes than those that wrote them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use serde_json::json;

use super::planes::{ImageFile, read_planes};
use super::{Check, Lookup, Store, arrays};
use crate::key::Key;
use crate::raster::{Planes, RasterStack};
use crate::stage_name::StageName;

const FILE: &str = "inner/data.txt";

/// Publishes an entry that took so many seconds, and returns its key and folder.
fn stored(store: &Store, stage: StageName, number: u32, seconds: f64) -> (Key, PathBuf) {
    let inputs = json!({ "n": number });
    let key = Key::of(&inputs);
    let draft = store.draft(stage, &key).unwrap();
    fs::write(draft.file(FILE).unwrap(), format!("hello {number}")).unwrap();
    draft.publish(inputs, seconds, 7).unwrap();
    let folder = store.root().join(stage.name()).join(key.as_str());
    (key, folder)
}

fn set_times(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Size and time of a file tell nothing of its content: verification reads it.
#[test]
fn verification_sees_a_change_behind_restored_timestamps() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let (key, entry) = stored(&store, StageName::Train, 1, 1.0);
    let file = entry.join(FILE);
    let look = |check| store.lookup(StageName::Train, &key, check);
    assert!(matches!(look(Check::Contents), Lookup::Hit(_)) && store.require(StageName::Train, &key).is_ok());
    let changed = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "hellO 1").unwrap();
    set_times(&file, changed);
    let Lookup::Corrupt(reason) = look(Check::Contents) else { panic!("its content is another one") };
    assert!(reason.contains(FILE), "{reason}");
    assert!(store.require(StageName::Train, &key).is_err());
    // The content counts, not when it was written.
    fs::write(&file, "hello 1").unwrap();
    set_times(&file, SystemTime::UNIX_EPOCH);
    assert!([Check::Contents, Check::Times].into_iter().all(|check| matches!(look(check), Lookup::Hit(_))));
}

#[test]
fn an_entry_is_that_of_its_own_key_and_stage_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let (_, entry) = stored(&store, StageName::Train, 1, 1.0);
    let other = Key::of(&json!({ "n": 2 }));
    for (stage, key) in [(StageName::Train, &other), (StageName::Explain, &other)] {
        let target = folder.path().join(stage.name()).join(key.as_str());
        fs::create_dir_all(target.join("inner")).unwrap();
        for name in ["manifest.json", FILE] {
            fs::copy(entry.join(name), target.join(name)).unwrap();
        }
        for check in [Check::Contents, Check::Times] {
            assert!(!matches!(store.lookup(stage, key, check), Lookup::Hit(_)), "{stage}");
        }
        assert!(store.require(stage, key).is_err(), "{stage}");
    }
}

#[test]
fn the_typical_time_is_the_median_of_a_stage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    for (number, seconds) in [4.0, 1.0, 100.0, 2.0, 3.0].into_iter().enumerate() {
        stored(&store, StageName::Train, number as u32, seconds);
    }
    stored(&store, StageName::Explain, 9, 8.0);
    let typical = store.typical_seconds(StageName::ALL);
    assert_eq!(typical.into_iter().collect::<Vec<_>>(), [(StageName::Train, 3.0), (StageName::Explain, 8.0)]);
}

/// A claim's file goes with it, and whoever had opened the file before holds a lock that is worth nothing.
#[test]
fn a_claim_is_never_held_twice_however_it_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, key) = (Store::new(folder.path()), Key::of(&json!(1)));
    let (holders, claimed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..400 {
                    let Some(_claim) = store.claim(&key).unwrap() else {
                        std::thread::yield_now();
                        continue;
                    };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two hold the same claim");
                    claimed.fetch_add(1, Ordering::SeqCst);
                    // Long enough that another holder would be seen.
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(claimed.into_inner() > 0);
}

/// Larger than what is read at a time, which must not hide that the end is missing.
#[test]
fn an_array_that_is_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole.npy"), folder.path().join("cut.npy"));
    let values: Vec<f32> = (0..50_000).map(|k| k as f32).collect();
    arrays::write_vector(&values, &whole).unwrap();
    let bytes = fs::read(&whole).unwrap();
    let chunk = 1 << 16;
    for length in [129, chunk, 128 + chunk, 128 + chunk + 4, 128 + 2 * chunk + 1000, bytes.len() - 4, bytes.len() - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        let error = arrays::read_vector(&cut).expect_err("values are missing").to_string();
        assert!(error.contains("cut.npy"), "{error}");
    }
    let stack = RasterStack::new(100, 100, (0..80_000).map(|k| k as f32).collect());
    arrays::write_stack(&stack, &whole).unwrap();
    let bytes = fs::read(&whole).unwrap();
    for planes in 1..8 {
        fs::write(&cut, &bytes[..128 + 40_000 * planes + 20_000]).unwrap();
        assert!(arrays::read_stack(&cut).is_err(), "after {planes} planes");
        // Not even planes that are there are read from a file that is shorter than it claims to be.
        assert!(read_planes(&cut, planes..planes + 1).is_err() && read_planes(&cut, planes - 1..planes).is_err());
        let mut seen = 0;
        let visited = ImageFile::open(&cut).and_then(|file| {
            file.visit(3, &mut |pixels| {
                seen += pixels.len();
                std::ops::ControlFlow::Continue(())
            })
        });
        assert!(visited.is_err() && seen <= 10_000 * planes, "{seen} pixels after {planes} planes");
    }
}
