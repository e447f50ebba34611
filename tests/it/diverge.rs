//! A training that leads nowhere fails its run, and what was finished before is kept.

use crate::harness::{Scene, TINY, stages, texts};

#[test]
fn a_training_that_diverges_is_told_and_recorded() {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 3\nlearning_rate = 1e6"));
    let ended = scene.run("spec.toml").exits(1);
    let results = scene.results("spec");
    let runs = results.table("runs");
    assert_eq!(texts(&runs, "status"), ["invalid"]);
    let reason = texts(&runs, "reason").remove(0);
    assert!(reason.starts_with("train: "), "{reason}");
    ended.complains(&[reason.trim_start_matches("train: ")]);

    let events = results.events();
    assert_eq!(stages(&events, "stage_finished"), ["simulate"]);
    assert_eq!(stages(&events, "stage_invalid"), ["train"]);
    assert_eq!(results.table("samples").height(), 100);
    assert_eq!(results.table("predictions").height(), 0);
    assert_eq!(scene.listing("results/.store/simulate").iter().filter(|name| name.ends_with("set.npz")).count(), 1);
    assert_eq!(scene.listing("results/.store/train"), [""; 0]);
}
