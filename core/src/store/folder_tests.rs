use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::*;

const STAGE: StageName = StageName::Simulate;
const DATA: &str = "inner/data.txt";

fn stored(store: &Store) -> Key {
    let inputs = json!({"n": 1});
    let key = Key::of(&inputs);
    let draft = store.draft(STAGE, &key).unwrap();
    draft.write(DATA, b"hello").unwrap();
    draft.publish(inputs, 1.5, 7).unwrap();
    key
}

/// A store with an entry.
fn scene() -> (tempfile::TempDir, Store, Key) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("store"));
    let key = stored(&store);
    (folder, store, key)
}

#[track_caller]
fn assert_corrupt(store: &Store, key: &Key, check: Check, part: &str) {
    match store.lookup(STAGE, key, check) {
        Lookup::Corrupt(reason) => assert!(reason.contains(part), "{reason}"),
        found => panic!("{found:?}"),
    }
}

#[test]
fn an_entry_is_absent_until_published_and_then_verified() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let key = Key::of(&json!({"n": 1}));
    let miss = || matches!(store.lookup(STAGE, &key, Check::Contents), Lookup::Miss);
    assert!(miss());
    drop(store.draft(STAGE, &key).unwrap());
    assert!(miss());
    assert_eq!(stored(&store), key);
    let Lookup::Hit(entry) = store.lookup(STAGE, &key, Check::Contents) else { panic!("it was published") };
    assert_eq!(fs::read_to_string(entry.file(DATA)).unwrap(), "hello");
    assert!(matches!(store.lookup(StageName::Train, &key, Check::Contents), Lookup::Miss));
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0, "no draft is left");
}

#[test]
fn changed_contents_are_noticed_whatever_the_times_say() {
    let (_folder, store, key) = scene();
    let path = store.entry(STAGE, &key).path_of(DATA);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "hellO").unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(time).unwrap();
    assert_corrupt(&store, &key, Check::Contents, "data.txt has changed");
    assert!(matches!(store.lookup(STAGE, &key, Check::Times), Lookup::Hit(_)), "times are trusted where asked for");
    file.set_modified(time + Duration::from_secs(2)).unwrap();
    assert_corrupt(&store, &key, Check::Times, "data.txt has changed");
    fs::write(&path, "hello, there").unwrap();
    file.set_modified(time).unwrap();
    assert_corrupt(&store, &key, Check::Times, "data.txt has changed");
    fs::remove_file(&path).unwrap();
    assert_corrupt(&store, &key, Check::Times, "data.txt cannot be read");
    store.discard(STAGE, &key).unwrap();
    assert!(matches!(store.lookup(STAGE, &key, Check::Contents), Lookup::Miss));
}

#[test]
fn times_before_1970_are_times_like_others() {
    let (_folder, store, key) = scene();
    let entry = store.entry(STAGE, &key);
    let at = |seconds| {
        let file = fs::File::options().write(true).open(entry.path_of(DATA)).unwrap();
        file.set_modified(UNIX_EPOCH - Duration::from_secs(seconds)).unwrap();
    };
    at(100);
    let record = super::super::entry::FileRecord::of(entry.open(DATA).unwrap()).unwrap();
    assert_eq!(record.changed_ns, -100_000_000_000);
    let mut manifest = Manifest::read(&entry, STAGE, &key).unwrap();
    manifest.files.insert(DATA.into(), record);
    entry.write(MANIFEST, &manifest.to_bytes().unwrap()).unwrap();
    fs::write(entry.path_of(DATA), "hellO").unwrap();
    at(200);
    assert_corrupt(&store, &key, Check::Times, "has changed");
}

#[test]
fn whatever_byte_of_a_manifest_changes_is_noticed() {
    let (_folder, store, key) = scene();
    let entry = store.entry(STAGE, &key);
    let intact = entry.read(MANIFEST).unwrap();
    for place in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[place] ^= 1;
        entry.write(MANIFEST, &damaged).unwrap();
        assert_corrupt(&store, &key, Check::Contents, "manifest");
        entry.write(MANIFEST, &intact[..place]).unwrap();
        assert_corrupt(&store, &key, Check::Contents, "manifest");
    }
}

#[test]
fn entries_of_earlier_versions_without_a_checksum_are_valid() {
    let (_folder, store, key) = scene();
    let entry = store.entry(STAGE, &key);
    let manifest = Manifest::read(&entry, STAGE, &key).unwrap();
    entry.write(MANIFEST, &serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    assert!(matches!(store.lookup(STAGE, &key, Check::Contents), Lookup::Hit(_)));
}

#[test]
fn names_in_a_manifest_cannot_lead_out_of_the_entry() {
    let (folder, store, key) = scene();
    fs::write(folder.path().join("secret"), "hello").unwrap();
    let entry = store.entry(STAGE, &key);
    let manifest = serde_json::to_value(Manifest::read(&entry, STAGE, &key).unwrap()).unwrap();
    let absolute = folder.path().join("secret").to_string_lossy().into_owned();
    for name in ["../../../secret", &absolute, "inner/../../../../secret", "", ".", "manifest.json"] {
        let mut hostile = manifest.clone();
        hostile["files"][name] = hostile["files"][DATA].clone();
        entry.write(MANIFEST, &serde_json::to_vec(&hostile).unwrap()).unwrap();
        assert_corrupt(&store, &key, Check::Contents, "cannot be a file of a result");
    }
    for hostile_key in ["../../../victim", "/abs/victim", "", &"0".repeat(32)] {
        let mut hostile = manifest.clone();
        hostile["key"] = Value::from(hostile_key);
        entry.write(MANIFEST, &serde_json::to_vec(&hostile).unwrap()).unwrap();
        assert_corrupt(&store, &key, Check::Contents, "manifest");
        let found: Vec<Found> = store.survey(STAGE).unwrap().collect();
        assert!(matches!(&found[..], [Found::Unknown { .. }]), "{found:?}");
    }
}

#[test]
fn links_in_a_store_are_not_followed() {
    let (folder, store, key) = scene();
    let outside = folder.path().join("outside");
    fs::rename(store.root().join("simulate"), &outside).unwrap();
    symlink(&outside, store.root().join("simulate")).unwrap();
    assert!(store.survey(STAGE).is_err() && store.discard(STAGE, &key).is_err());
    assert_corrupt(&store, &key, Check::Contents, "a link");

    fs::remove_file(store.root().join("simulate")).unwrap();
    fs::create_dir(store.root().join("simulate")).unwrap();
    symlink(outside.join(key.as_str()), store.root().join("simulate").join(key.as_str())).unwrap();
    assert_corrupt(&store, &key, Check::Contents, "a link");
    assert!(
        matches!(&store.survey(STAGE).unwrap().collect::<Vec<_>>()[..], [Found::Unknown { reason, .. }] if reason == "it is a link")
    );
    // It is made again in the place of the link.
    assert_eq!(stored(&store), key);
    assert!(matches!(store.lookup(STAGE, &key, Check::Contents), Lookup::Hit(_)));

    for name in ["tmp", "scratch", "claims"] {
        let _ = fs::remove_dir_all(store.root().join(name));
        symlink(&outside, store.root().join(name)).unwrap();
    }
    assert!(store.draft(STAGE, &key).is_err() && store.claim(&key).is_err());
    assert!(store.scratch_keys().is_err() && store.remove_scratch(&key).is_err());
    store.remove_abandoned();
    assert!(outside.join(key.as_str()).join(MANIFEST).is_file(), "what links point to stays");
}

#[test]
fn a_store_that_is_a_link_is_refused() {
    let (folder, store, key) = scene();
    let linked = Store::new(folder.path().join("linked"));
    symlink(store.root(), linked.root()).unwrap();
    assert!(linked.exists().is_err() && linked.work().is_err() && linked.discard(STAGE, &key).is_err());
    assert!(store.exists().unwrap() && !Store::new(folder.path().join("none")).exists().unwrap());
}

/// A worker may die between publishing a result and removing what it continued from.
#[test]
fn unfinished_work_is_abandoned_once_its_result_is_complete() {
    let (_folder, store, finished) = scene();
    let unfinished = Key::of(&json!("its result is not there"));
    for key in [&finished, &unfinished] {
        store.scratch(key).make().unwrap();
        fs::write(store.scratch(key).path().join("state"), b"epoch 3").unwrap();
    }
    let claim = store.claim(&finished).unwrap().expect("nobody else wants it");
    Store::new(store.root().to_owned()).remove_abandoned();
    assert_eq!(store.scratch_keys().unwrap().len(), 2, "somebody may be continuing from it");
    drop(claim);
    store.remove_abandoned();
    assert_eq!(store.scratch_keys().unwrap(), [unfinished]);
}

/// Whoever starts an experiment removes what others left, and others may be at work in the same store.
#[test]
fn only_drafts_and_claims_that_nobody_works_on_are_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("store"));
    let [mine, left] = [1, 2].map(|n| Key::of(&json!({ "n": n })));
    let claim = store.claim(&mine).unwrap().expect("nobody else wants it");
    let draft = store.draft(STAGE, &mine).unwrap();
    draft.write(DATA, b"half").unwrap();
    // As a process that was killed leaves it.
    fs::create_dir_all(store.root().join(format!("tmp/simulate-{left}"))).unwrap();
    fs::create_dir_all(store.root().join("tmp/a user's own")).unwrap();
    let early = Key::of(&json!("it died before it had a draft"));
    fs::write(store.root().join("claims").join(early.as_str()), b"").unwrap();
    let claims = || fs::read_dir(store.root().join("claims")).unwrap().count();
    let drafts = || -> Vec<String> {
        let names = fs::read_dir(store.root().join("tmp")).unwrap();
        let mut names: Vec<String> = names.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    Store::new(store.root().to_owned()).remove_abandoned();
    let living = &drafts()[1];
    assert_eq!(drafts().len(), 2, "{:?}", drafts());
    assert!(living.starts_with("simulate-") && living.ends_with(&format!("-{mine}")), "{living}");
    assert_eq!(claims(), 1, "that of a living worker");
    draft.write("more.txt", b"it goes on").unwrap();
    std::mem::forget(draft);
    drop(claim);
    store.remove_abandoned();
    assert_eq!((drafts(), claims()), (vec!["a user's own".to_owned()], 0));
}
