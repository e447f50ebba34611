//! What is finished is not done again, however the first attempt ended.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Results, Scene, TINY, assert_no_leftovers, assert_same_tables, stages};

/// Long enough to be stopped in the middle.
const LONG: &str = "epochs = 30";

fn long_spec() -> String {
    TINY.replace("epochs = 1", LONG)
}

/// The events since there were `before` of them.
fn since(results: &Results, before: usize) -> Vec<Value> {
    results.events().split_off(before)
}

#[track_caller]
fn signal(process: u32, name: &str) {
    assert!(crate::harness::signal(process, name), "process {process} is gone");
}

#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<u32> {
    crate::harness::children(process).expect("this system tells children")
}

/// Waits until some epochs are trained, and far from all.
fn wait_for_training(results: &Results) {
    results.wait_for(|event| event["event"] == "epoch_finished" && event["epoch"] == 3);
}

/// Starts again after an interruption, and asserts that the outcome is that of an undisturbed run.
fn assert_it_goes_on(scene: &Scene) {
    let results = scene.results("spec");
    let before = results.events().len();
    scene.run("spec.toml").succeeds();
    let events = since(&results, before);
    assert_eq!(stages(&events, "stage_cached"), ["simulate"]);
    let goes_on = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        let epoch = message.strip_prefix("training goes on after epoch ").and_then(|epoch| epoch.parse::<u32>().ok());
        event["event"] == "note" && epoch.is_some_and(|epoch| (3..30).contains(&epoch))
    };
    assert!(events.iter().any(goes_on), "{events:#?}");
    scene.run("spec.toml --output undisturbed").succeeds();
    assert_same_tables(&results, &Results { folder: scene.path("undisturbed/spec") });
    assert_no_leftovers(&scene.path("results"));
}

#[test]
fn a_second_start_does_nothing_anew() {
    let scene = Scene::with_spec(TINY);
    let results = scene.results("spec");
    let first = scene.run("spec.toml").succeeds();
    let before = results.events().len();
    let (tables, pictures) = (results.bytes("runs.parquet"), scene.listing("results/spec/heatmaps"));
    let second = scene.run("spec.toml").succeeds();
    let events = since(&results, before);
    assert_eq!(stages(&events, "stage_cached").len(), 5);
    assert_eq!(stages(&events, "stage_started"), [""; 0]);
    assert_eq!((events[0]["cached"].as_u64(), second.stdout), (Some(5), first.stdout));
    assert!(results.bytes("runs.parquet") == tables);
    assert_eq!(scene.listing("results/spec/heatmaps"), pictures);
}

#[test]
fn ctrl_c_ends_at_once_and_the_next_start_goes_on() {
    let scene = Scene::with_spec(&long_spec());
    let results = scene.results("spec");
    let mut running = scene.start("spec.toml");
    wait_for_training(&results);
    signal(running.id(), "INT");
    let asked = Instant::now();
    assert_eq!(running.wait().expect("it ends").code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(3));

    assert_eq!(results.events().last().expect("events")["event"], "interrupted");
    assert_no_leftovers(&scene.path("results/spec"));
    let status = crate::harness::texts(&results.table("runs"), "status");
    assert_eq!((status, results.table("samples").height()), (vec!["pending".to_owned()], 100));
    assert_it_goes_on(&scene);
}

#[cfg(target_os = "linux")]
#[test]
fn an_experiment_that_was_killed_goes_on() {
    let scene = Scene::with_spec(&long_spec());
    let results = scene.results("spec");
    let mut running = scene.start("spec.toml");
    wait_for_training(&results);
    let workers = children(running.id());
    assert_eq!(workers.len(), 1);
    signal(running.id(), "KILL");
    workers.iter().for_each(|&worker| signal(worker, "KILL"));
    assert_eq!(running.wait().expect("it ends").code(), None);
    assert_it_goes_on(&scene);
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_ends_with_its_runner() {
    let scene = Scene::with_spec(&long_spec());
    let results = scene.results("spec");
    let mut running = scene.start("spec.toml");
    wait_for_training(&results);
    let worker = children(running.id())[0];
    signal(running.id(), "KILL");
    running.wait().expect("it ends");
    // Process 1 may leave its remains listed, as a zombie.
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    let killed = Instant::now();
    while lives() {
        assert!(killed.elapsed() < Duration::from_secs(30), "the worker works for nobody");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_it_goes_on(&scene);
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_was_killed_is_replaced() {
    let scene = Scene::with_spec(&long_spec());
    let results = scene.results("spec");
    let mut running = scene.start("spec.toml");
    wait_for_training(&results);
    signal(children(running.id())[0], "KILL");
    assert_eq!(running.wait().expect("it ends").code(), Some(0));
    let events = results.events();
    assert_eq!(stages(&events, "stage_retried"), ["train"]);
    let retried = events.iter().find(|event| event["event"] == "stage_retried").expect("it was tried again");
    assert!(retried["reason"].as_str().expect("a reason").contains("signal 9"), "{retried}");
    scene.run("spec.toml --output undisturbed").succeeds();
    assert_same_tables(&results, &Results { folder: scene.path("undisturbed/spec") });
}

#[test]
fn a_damaged_result_is_told_and_made_again() {
    let scene = Scene::with_spec(TINY);
    let results = scene.results("spec");
    scene.run("spec.toml").succeeds();
    let model = scene.listing("results/.store/train").into_iter().find(|name| name.ends_with("/model.safetensors"));
    let model = scene.path("results/.store/train").join(model.expect("the trained model"));
    let published = format!("models/{}.safetensors", results.run_id());
    let intact = fs::read(&model).expect("the trained model");
    let mut damaged = intact.clone();
    *damaged.last_mut().expect("some bytes") ^= 1;
    fs::write(&model, damaged).expect("the model is damaged");

    let before = results.events().len();
    scene.run("spec.toml").succeeds().complains(&["the stored result of train", "model.safetensors has changed"]);
    let events = since(&results, before);
    assert_eq!(stages(&events, "stage_started"), ["train"]);
    assert!(fs::read(&model).expect("the model is back") == intact);
    assert!(results.bytes(&published) == intact);
}

#[test]
fn other_pictures_need_no_other_training() {
    let scene = Scene::with_spec(TINY);
    let results = scene.results("spec");
    scene.run("spec.toml").succeeds();
    let before = results.events().len();
    scene.run("spec.toml --set heatmaps.count=2").succeeds();
    assert_eq!(stages(&since(&results, before), "stage_started"), ["render"]);
    assert_eq!(scene.listing(&format!("results/spec/heatmaps/{}", results.run_id())).len(), 4);
}
