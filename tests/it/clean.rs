//! `clean` removes what it was told to, and counts as in use whatever it cannot read.

use std::fs;
use std::io::Write;

use crate::harness::{Results, Scene, TINY, listing, signal};

const CRITERIA: [&str; 3] = ["--orphans", "--older-than 0s", "--max-size 0"];

fn long_spec() -> String {
    format!("{}\n[[sweep]]\nseeds = 3\n", TINY.replace("epochs = 1", "epochs = 400"))
}

/// The files of finished results.
fn stored(scene: &Scene) -> Vec<String> {
    let unfinished = ["claims", "tmp", "scratch", "lock"];
    let files = listing(&scene.path("results/.store")).into_iter();
    files.filter(|name| !unfinished.iter().any(|folder| name.starts_with(folder))).collect()
}

/// Asserts that whatever the criterion, nothing is removed, and that `parts` are said.
#[track_caller]
fn assert_refused(scene: &Scene, code: i32, parts: &[&str]) {
    let before = stored(scene);
    for criterion in CRITERIA {
        scene.run(&format!("clean results {criterion}")).exits(code).complains(parts);
        // Who is at work may have made more.
        let after = stored(scene);
        assert!(before.iter().all(|name| after.contains(name)), "{criterion}: {before:?}, then {after:?}");
    }
}

#[test]
fn without_a_criterion_it_says_which_there_are() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    let before = stored(&scene);
    for arguments in ["clean results", "clean results --dry-run"] {
        scene.run(arguments).exits(2).complains(&["--orphans", "--older-than", "--max-size"]);
    }
    assert_eq!(stored(&scene), before);
}

#[test]
fn a_damaged_plan_or_one_that_is_gone_protects_every_result() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    scene.run("spec.toml --set experiment.name=other").succeeds();
    let path = scene.path("results/spec/plan.json");
    let intact = fs::read(&path).unwrap();
    for (place, bit) in [(40, 0), (intact.len() / 2, 3), (intact.len() - 10, 1)] {
        let mut damaged = intact.clone();
        damaged[place] ^= 1 << bit;
        fs::write(&path, damaged).unwrap();
        assert_refused(&scene, 1, &["nothing was removed", "results/spec", "plan.json is damaged"]);
    }
    for cut in [0, 1, intact.len() / 2, intact.len() - 1] {
        fs::write(&path, &intact[..cut]).unwrap();
        assert_refused(&scene, 1, &["nothing was removed", "plan.json is damaged"]);
    }
    fs::remove_file(&path).unwrap();
    assert_refused(&scene, 1, &["nothing was removed", "results/spec"]);
    fs::create_dir(&path).unwrap();
    assert_refused(&scene, 1, &["nothing was removed", "plan.json is a folder"]);
    fs::remove_dir(&path).unwrap();
    // Running it again repairs it.
    scene.run("spec.toml").succeeds();
    let said = scene.run("clean results --orphans").succeeds().stdout;
    assert!(said.contains("removed 0 of"), "{said}");
}

#[cfg(unix)]
#[test]
fn folders_that_may_be_experiments_out_of_reach_protect_every_result() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    fs::create_dir(scene.path("results/notes")).unwrap();
    fs::write(scene.path("results/readme.txt"), "of no concern").unwrap();
    scene.run("clean results --orphans").succeeds();
    std::os::unix::fs::symlink("/nowhere/at/all", scene.path("results/elsewhere")).unwrap();
    assert_refused(&scene, 1, &["nothing was removed", "results/elsewhere"]);
}

#[test]
fn a_damaged_journal_hides_no_runner() {
    let scene = Scene::with_spec(&long_spec());
    let results = scene.results("spec");
    let mut running = scene.start("spec.toml");
    results.wait_for(|event| event["event"] == "epoch_finished");
    let mut journal = fs::File::options().append(true).open(results.path("events.jsonl")).unwrap();
    journal.write_all(b"\xff\xfe{\n").unwrap();
    assert_refused(&scene, 2, &["spec is running"]);
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(status.contains("running for") && status.contains("one line of events.jsonl is damaged"), "{status}");
    signal(running.id(), "KILL");
    running.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn one_that_joined_is_noticed_when_the_first_runner_is_gone() {
    let scene = Scene::with_spec(&long_spec());
    let results: Results = scene.results("spec");
    let mut first = scene.start("spec.toml --jobs 1");
    results.wait_for(|event| event["event"] == "epoch_finished");
    let mut second = scene.start("spec.toml --jobs 1 --join");
    results.wait_for(|event| {
        event["event"] == "stage_started" && event["log"].as_str().is_some_and(|log| log.starts_with("joined-"))
    });
    signal(first.id(), "KILL");
    first.wait().unwrap();
    assert_refused(&scene, 2, &["another xdlreg-run is working with", ".store"]);
    let workers = crate::harness::children(second.id()).expect("this system tells children");
    signal(second.id(), "KILL");
    for worker in workers {
        signal(worker, "KILL");
    }
    second.wait().unwrap();
}

#[test]
fn results_of_other_times_are_older_only_where_that_is_known() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    // Manifests of an earlier version have no checksum; these were made under clocks that were wrong.
    let manifests = || stored(&scene).into_iter().filter(|name| name.ends_with("manifest.json")).collect::<Vec<_>>();
    for (time, left) in
        [("2999-01-01T00:00:00Z", 5), ("1951-01-01T00:00:00Z", 5), ("no time", 5), ("1970-01-02T00:00:00Z", 0)]
    {
        for name in manifests() {
            let path = scene.path("results/.store").join(name);
            let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            manifest.as_object_mut().unwrap().remove("blake3");
            manifest["created_at"] = time.into();
            fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
        }
        scene.run("clean results --older-than 1d").succeeds();
        assert_eq!(manifests().len(), left, "{time}");
    }
}

/// What an interrupted training has reached belongs to the experiments that would go on with it.
#[test]
fn unfinished_work_stays_as_long_as_a_plan_needs_it() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml --set evaluate.scores=[] --set heatmaps.count=0").succeeds();
    let key = crate::harness::texts(&scene.results("spec").table("runs"), "train_key").remove(0);
    let states = [key.clone(), "0123456789abcdef".repeat(2)]
        .map(|key| format!("results/.store/scratch/{key}/state.safetensors"));
    states.iter().for_each(|state| scene.write(state, "what was reached"));
    // With its result, what was reached would be of no more use.
    fs::remove_dir_all(scene.path(&format!("results/.store/train/{key}"))).expect("the result of the training");
    // A message about a file is one line, whatever the file is called.
    scene.write("results/.store/train/two\nlines", "");
    let said = scene.run("clean results --orphans").succeeds();
    assert!(scene.path(&states[0]).exists(), "the experiment would go on from there");
    assert!(!scene.path(&states[1]).exists(), "no experiment knows of it");
    let kept: Vec<&str> = said.stderr.lines().collect();
    assert!(kept.len() == 1 && kept[0].starts_with("kept ") && kept[0].contains("two\\nlines"), "{}", said.stderr);
}
