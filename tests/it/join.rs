//! Two runners at one experiment.

use std::collections::HashSet;

use crate::harness::{Results, Scene, TINY, assert_same_tables, texts};

#[test]
fn a_second_runner_is_refused_or_helps_without_doing_anything_twice() {
    let spec = TINY.replace("epochs = 1", "epochs = 15");
    let scene =
        Scene::with_spec(&format!("{spec}\n[[sweep]]\ngrid = {{ 'explain.analyzer' = ['lrp.z'] }}\nseeds = 4\n"));
    let results = scene.results("spec");
    let mut first = scene.start("spec.toml --jobs 1");
    results.wait_for(|event| event["event"] == "epoch_finished");
    scene.run("spec.toml").exits(2).complains(&["another xdlreg-run is working on", "--join"]);
    let status = texts(&results.table("runs"), "status");
    assert!(status.contains(&"pending".to_owned()), "tables can be opened meanwhile");
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(status.contains("running for") && status.contains("worker 0: train"), "{status}");
    let joined = scene.run("spec.toml --jobs 1 --join").succeeds();
    assert!(first.wait().expect("it ends").success());
    assert!(joined.stdout.contains("4 done, 0 failed") || joined.stdout.contains("invalid"), "{}", joined.stdout);

    let events = results.events();
    let begun: Vec<String> = events
        .iter()
        .filter(|event| event["event"] == "stage_started")
        .map(|event| event["key"].as_str().expect("a key").to_owned())
        .collect();
    let distinct: HashSet<&String> = begun.iter().collect();
    assert_eq!((begun.len(), distinct.len()), (20, 20), "a stage was begun twice");
    let helped = events.iter().any(|event| event["log"].as_str().is_some_and(|log| log.starts_with("joined-")));
    assert!(helped, "the second runner did nothing");
    scene.run("spec.toml --output alone").succeeds();
    assert_same_tables(&results, &Results { folder: scene.path("alone/spec") });
}

#[test]
fn cancel_stops_a_runner_from_another_terminal() {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 500"));
    let results = scene.results("spec");
    let mut runner = scene.start("spec.toml");
    results.wait_for(|event| event["event"] == "epoch_finished");
    scene.run("clean results --max-size 0B").exits(2).complains(&["spec is running"]);
    scene.run("cancel results/spec").succeeds();
    assert_eq!(runner.wait().expect("it ends").code(), Some(130));
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(
        status.contains("stopped; run the same command again to go on") && status.contains("1 pending"),
        "{status}"
    );
    let said = scene.run("cancel results/spec").succeeds().stdout;
    assert!(said.contains("nothing is running"), "{said}");
    scene.run("spec.toml --set train.epochs=1").succeeds();
}
