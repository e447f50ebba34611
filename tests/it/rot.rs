//! Every file of a store and a results folder, damaged in every way: the next run tells and mends it, and no table ever
//! holds a wrong number.

use std::fs::{self, File};
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use rand::RngExt;

use crate::harness::{Results, Scene, assert_no_leftovers, assert_same_tables, listing};
use crate::soak::{Budget, QUICK, Random};
use crate::tree;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// One bit of the content.
    Flip,
    /// The end is missing.
    Truncate,
    /// All of the content is missing.
    Empty,
    Delete,
    /// The content of another file of the same kind.
    Swap,
    /// Something is appended.
    Append,
}

const DAMAGES: [Damage; 6] =
    [Damage::Flip, Damage::Truncate, Damage::Empty, Damage::Delete, Damage::Swap, Damage::Append];

fn intact() -> &'static Scene {
    static INTACT: OnceLock<Scene> = OnceLock::new();
    INTACT.get_or_init(|| {
        let scene = Scene::with_spec(&format!(
            "{}\n[[sweep]]\nseeds = 2\n",
            QUICK.replace("[train]", "[train]\ncheckpoint_every = 1")
        ));
        scene.run("spec.toml").succeeds();
        scene
    })
}

/// Every file with every damage, with and without its time restored.
fn cases() -> Vec<(String, Damage, bool)> {
    let files = tree::files(&intact().path("results"));
    let each = |file: &String| DAMAGES.map(|damage| [false, true].map(|restored| (file.clone(), damage, restored)));
    files.iter().flat_map(each).flatten().collect()
}

/// Damages a file in place, so that all its hard links are; whether it then differs from before.
fn damage(scene: &Scene, file: &str, damage: Damage, restored: bool, random: &mut Random) -> bool {
    let path = scene.path("results").join(file);
    let before = fs::read(&path).expect("an intact file");
    let changed = fs::metadata(&path).and_then(|about| about.modified()).expect("a time");
    let after = match damage {
        Damage::Delete => {
            fs::remove_file(&path).expect("the file is removed");
            return true;
        }
        Damage::Flip if before.is_empty() => return false,
        Damage::Flip => {
            let mut after = before.clone();
            after[random.random_range(0..before.len())] ^= 1 << random.random_range(0..8);
            after
        }
        Damage::Truncate if before.is_empty() => return false,
        Damage::Truncate => before[..random.random_range(0..before.len())].to_vec(),
        Damage::Empty => Vec::new(),
        Damage::Append => [&before[..], b"\0more"].concat(),
        Damage::Swap => match sibling(file) {
            Some(other) => fs::read(scene.path("results").join(other)).expect("a sibling"),
            None => return false,
        },
    };
    fs::write(&path, &after).expect("the file is damaged");
    if restored {
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(changed))
            .expect("its time is restored");
    } else {
        // Clocks of file systems are coarse.
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        File::options().write(true).open(&path).and_then(|file| file.set_modified(later)).expect("its time is changed");
    }
    after != before
}

/// Another file of the same kind: of the same name in another entry, or of the same ending.
fn sibling(file: &str) -> Option<String> {
    let files = tree::files(&intact().path("results"));
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let ending = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let others = || files.iter().filter(|other| *other != file);
    let stage = |path: &str| path.split('/').take(2).collect::<Vec<_>>().join("/");
    let alike = others().find(|other| name(other) == name(file) && stage(other) == stage(file));
    alike.or_else(|| others().find(|other| ending(other) == ending(file))).cloned()
}

/// Files that a run appends to or that tell of the run itself: damage to them is survived, and not undone.
fn is_log(file: &str) -> bool {
    file.ends_with("events.jsonl")
        || file.contains("/logs/")
        || file.ends_with("provenance.json")
        || file.ends_with(".lock")
        // What it holds is nothing to anyone.
        || file == ".store/lock"
}

/// What a run of the same spec leaves in the same way every time.
fn lasting(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let folder = scene.path("results");
    let fleeting = |file: &str| {
        is_log(file)
            || file.ends_with("manifest.json")
            || file.ends_with("plan.json")
            || file.ends_with("report.html")
            // Its checksums are those of the report, which shows how long stages took.
            || file.ends_with(".report.json")
            || file.ends_with("runs.parquet")
            || file.ends_with("epochs.parquet")
            || file.ends_with("epochs.json")
            || file.contains("tensorboard")
            || file.contains("time")
    };
    let files = tree::files(&folder).into_iter().filter(|file| !fleeting(file));
    files.map(|file| (file.clone(), fs::read(folder.join(&file)).expect("a file"))).collect()
}

fn round(file: &str, kind: Damage, restored: bool, random: &mut Random) -> bool {
    let scene = Scene::new();
    for name in ["spec.toml", "results"] {
        tree::copy(&intact().path(name), &scene.path(name));
    }
    if !damage(&scene, file, kind, restored, random) {
        return false;
    }
    let what = format!("{file}: {kind:?}, time restored: {restored}");
    // Looking is possible meanwhile, whatever it finds.
    for verb in ["status", "report"] {
        let looked = scene.run(&format!("{verb} results/spec"));
        assert!(matches!(looked.code, Some(0..=2)) && !looked.stderr.contains("panicked"), "{what}\n{looked:?}");
    }
    let ended = scene.run("spec.toml");
    assert_eq!(ended.code, Some(0), "{what}\n{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}\n{}", ended.stderr);
    // What is stored is told by its name; what is published is made from it again without ado.
    let name = file.rsplit('/').next().unwrap_or_default();
    let stored = file.starts_with(".store/") && !is_log(file) && kind != Damage::Delete;
    let told = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!stored || told.contains(name) || told.contains("manifest"), "{what}\nit was not told:\n{}", ended.stderr);
    let (one, other) = (intact().results("spec"), Results { folder: scene.path("results/spec") });
    assert_same_tables(&one, &other);
    assert_no_leftovers(&scene.path("results"));
    let (before, after) = (lasting(intact()), lasting(&scene));
    let differs: Vec<&str> =
        before.iter().filter(|file| !after.contains(file)).map(|(file, _)| file.as_str()).collect();
    assert!(differs.is_empty(), "{what}\nnot mended: {differs:?}\n{}", ended.stderr);
    // And it stays mended.
    let again = scene.run("spec.toml --verify").succeeds();
    assert!(!again.stderr.contains("has changed") && !again.stderr.contains("damaged"), "{what}\n{}", again.stderr);
    true
}

#[test]
fn damaged_files_are_told_and_mended() {
    let cases = cases();
    Budget::small("damage", 8).each(|number, random| {
        let (file, damage, restored) = &cases[case_of(number, cases.len())];
        round(file, *damage, *restored, random);
    });
}

/// Spreads the rounds over all cases.
fn case_of(number: u64, cases: usize) -> usize {
    // A large prime, so that neighbours are far apart and every case comes once.
    ((u128::from(number) * 2_147_483_647) % cases as u128) as usize
}

#[test]
#[ignore = "part of make soak"]
fn soak_damage() {
    let cases = cases();
    let budget = Budget::soak("damage", cases.len() as u64);
    let mut damaged = 0;
    budget.each(|number, random| {
        let (file, damage, restored) = &cases[case_of(number, cases.len())];
        damaged += u32::from(round(file, *damage, *restored, random));
    });
    budget
        .tell(&format!("{damaged} damages of {} files, each run and verified again", cases.len() / DAMAGES.len() / 2));
}

/// Files of the right kind in the wrong place: the report looks maps up by the pixels of the images.
#[test]
fn maps_and_data_sets_that_do_not_belong_together_are_reported() {
    let scene = Scene::new();
    tree::copy(&intact().path("results"), &scene.path("results"));
    let results = scene.results("spec");
    let files = |folder| listing(&results.path(folder)).into_iter().map(move |name| format!("{folder}/{name}"));
    let maps = results.path(&files("relevance").find(|name| name.ends_with(".npy")).expect("maps"));
    let kept = fs::read(&maps).expect("maps");
    replace(&maps, &results.bytes(&files("ledger").next().expect("a ledger")));
    scene.run("report results/spec").exits(1).complains(&["relevance/", "it has maps of", "98 x 98 pixels"]);
    replace(&maps, &kept);
    scene.run("simulate --n 3 --out other.npz").succeeds();
    let other = fs::read(scene.path("other.npz")).expect("a data set");
    files("datasets").for_each(|name| replace(&results.path(&name), &other));
    let ended = scene.run("report results/spec").exits(1);
    assert!(ended.stderr.contains("datasets/") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// Files of a results folder are links to those of the store, which stay as they are.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).expect("a file");
    fs::write(path, bytes).expect("a new file");
}
