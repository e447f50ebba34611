//! One task of a frozen plan at a time, without a runner.

use std::fs;

use serde_json::Value;
use xdlreg::format::FORMAT;

use crate::harness::{Ended, Scene, TINY, programs};

const STAGES: [&str; 5] = ["simulate", "train", "explain", "evaluate", "render"];

/// An experiment that is finished in `results`, and its plan alone in `other`.
fn scene() -> Scene {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    scene.write("other/spec/plan.json", scene.results("spec").bytes("plan.json"));
    scene
}

fn task(scene: &Scene, arguments: &str) -> Ended {
    let mut command = scene.prepare(std::process::Command::new(programs().join("xdlreg-worker")));
    Ended::of(command.arg("task").args(arguments.split_whitespace()))
}

/// The checksums of the files of a stage's only entry that do not record time.
fn contents(scene: &Scene, results: &str, stage: &str) -> Vec<(String, Value)> {
    let folder = scene.path(results).join(".store").join(stage);
    let entry = fs::read_dir(&folder).expect("the stage's folder").next().expect("an entry").expect("an item").path();
    let manifest = fs::read(entry.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["format"], FORMAT);
    let files = manifest["files"].as_object().expect("files").iter();
    let timeless = files.filter(|(name, _)| *name != "epochs.json" && !name.starts_with("tensorboard"));
    timeless.map(|(name, file)| (name.clone(), file["blake3"].clone())).collect()
}

#[test]
fn tasks_one_by_one_make_what_a_runner_makes() {
    let scene = scene();
    task(&scene, "other/spec/plan.json 1").exits(2).complains(&["task 1 (train) needs the result of simulate"]);
    assert!(!scene.path("other/.store/train").exists());
    for (index, stage) in STAGES.into_iter().enumerate() {
        let done = task(&scene, &format!("other/spec/plan.json {index} --events events-{index}.jsonl")).succeeds();
        assert!(done.stderr.contains(&format!("{stage} ")) && done.stderr.contains(": done in "), "{done:?}");
        assert!(!contents(&scene, "other", stage).is_empty());
        assert_eq!(contents(&scene, "other", stage), contents(&scene, "results", stage), "{stage}");
        let events = fs::read_to_string(scene.path(&format!("events-{index}.jsonl"))).expect("the events");
        let replies: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let names: Vec<&str> = replies.iter().filter_map(|reply| reply["reply"].as_str()).collect();
        assert_eq!((names[..2].to_vec(), names.last()), (vec!["ready", "started"], Some(&"done")), "{stage}");
        assert!(stage != "train" || names.contains(&"progress"), "{names:?}");
    }
    task(&scene, "other/spec/plan.json 4").succeeds().complains(&["the result is in the store already"]);
    let cached = scene.run("spec.toml --output other").succeeds();
    assert!(cached.stdout.contains("1 done"), "{cached:?}");
    let stages = scene.path("other/spec/events.jsonl");
    let started = fs::read_to_string(stages).expect("the journal").matches("\"stage_started\"").count();
    assert_eq!(started, 0, "a runner finds everything done");
}

#[test]
fn a_task_that_cannot_begin_says_why() {
    let scene = scene();
    let plan = scene.results("spec").bytes("plan.json");
    task(&scene, "other/spec/plan.json 5").exits(2).complains(&["has tasks 0 to 4, not 5"]);
    task(&scene, "other/spec/spec.toml 0").exits(2).complains(&["is not a plan: its name must be plan.json"]);
    task(&scene, "nowhere/plan.json 0").exits(2).complains(&["cannot read nowhere/plan.json"]);
    task(&scene, "other/spec/plan.json 0 --events no/such/folder/events.jsonl")
        .exits(2)
        .complains(&["cannot write no/such/folder/events.jsonl"]);
    scene.write("other/spec/plan.json", &plan[..plan.len() / 2]);
    task(&scene, "other/spec/plan.json 0").exits(2).complains(&["plan.json is damaged"]);
    // A plan of a later version, whose checksum is right, and of which nothing else is understood.
    scene.write("other/spec/plan.json", br#"{"format":3,"steps":[]}"#);
    task(&scene, "other/spec/plan.json 0").exits(2).complains(&["it has format 3", "use the version that wrote it"]);
    assert!(!scene.path("other/.store").exists());
}

#[test]
fn a_task_goes_to_the_store_that_is_named() {
    let scene = scene();
    task(&scene, "other/spec/plan.json 0 --store elsewhere").succeeds();
    assert!(scene.path("elsewhere/simulate").is_dir() && !scene.path("other/.store").exists());
}
