//! Sweeps: what is shared, what is in the tables, what is refused, and what other verbs tell of them.

use std::collections::BTreeSet;
use std::fs;

use polars::prelude::*;
use serde_json::Value;

use crate::harness::{Results, Scene, TINY, listing, numbers, stages, texts};

/// Four seeds, two analyzers; `sweep` is appended.
fn scene(sweep: &str) -> Scene {
    Scene::with_spec(&format!("{TINY}\n{sweep}"))
}

const ANALYZERS: [&str; 6] =
    ["lrp.sequential_preset_a", "lrp.sequential_preset_a_flat", "lrp.epsilon", "lrp.z", "lrp.w_square", "lrp.flat"];

fn over_analyzers(analyzers: &[&str]) -> String {
    format!("[[sweep]]\ngrid = {{ \"explain.analyzer\" = {analyzers:?} }}\nzip = {{ \"model.seed\" = [0, 1, 2, 3] }}\n")
}

fn count(events: &[Value], event: &str, stage: &str) -> usize {
    stages(events, event).into_iter().filter(|name| name == stage).count()
}

#[test]
fn six_analyzers_and_four_seeds_train_four_times_and_one_more_analyzer_trains_never() {
    let scene = scene(&over_analyzers(&ANALYZERS[..5]));
    let results = scene.results("spec");
    let said = scene.run("plan spec.toml").succeeds().stdout;
    assert!(said.starts_with("20 runs: 1 simulate, 4 train, 20 explain, 20 evaluate, 20 render; 0 cached;"), "{said}");
    assert!(said.contains("each train serves 5 runs"), "{said}");
    scene.run("spec.toml").succeeds();
    let events = results.events();
    let begun = ["simulate", "train", "explain"].map(|stage| count(&events, "stage_started", stage));
    assert_eq!(begun, [1, 4, 20]);

    scene.write("spec.toml", format!("{TINY}\n{}", over_analyzers(&ANALYZERS)));
    scene.run("spec.toml").succeeds();
    let later = &results.events()[events.len()..];
    assert_eq!([count(later, "stage_started", "train"), count(later, "stage_started", "explain")], [0, 4]);
    assert_eq!(results.table("runs").height(), 24);
    let said = scene.run("plan spec.toml").succeeds().stdout;
    assert!(said.contains("77 cached; nothing to do"), "{said}");
}

#[test]
fn every_key_that_varies_is_a_column_and_run_ids_tie_the_tables() {
    let scene = scene(
        "
[[sweep]]
grid = { 'data.distribution' = ['uniform', 'biased'], 'data.target_bias' = [30, 55] }
when = { 'data.target_bias' = { 'data.distribution' = 'biased' } }
seeds = 2
[[sweep]]
list = [{ 'explain.epsilon' = 0.5 }]
",
    );
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let runs = results.table("runs");
    assert_eq!(runs.height(), 7);
    let ids: BTreeSet<String> = texts(&runs, "run_id").into_iter().collect();
    assert_eq!(ids.len(), 7);
    assert_eq!(texts(&runs, "data.distribution")[..3], ["uniform", "uniform", "biased"]);
    let bias = runs.column("data.target_bias").unwrap();
    assert_eq!((bias.dtype(), bias.null_count()), (&DataType::Float64, 3));
    assert_eq!(numbers(&runs, "model.seed"), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(numbers(&runs, "data.seed"), [126.0, 127.0, 126.0, 127.0, 126.0, 127.0, 126.0]);
    assert_eq!(runs.column("replicate").unwrap().null_count(), 1);
    for table in ["epochs", "predictions", "measurements", "signs"] {
        let tied: BTreeSet<String> = texts(&results.table(table), "run_id").into_iter().collect();
        assert_eq!(tied, ids, "{table}");
    }
    for id in &ids {
        assert!(results.path(&format!("models/{id}.safetensors")).exists());
        assert!(results.path(&format!("relevance/{id}.npy")).exists());
        assert_eq!(fs::read_dir(results.path(&format!("heatmaps/{id}"))).unwrap().count(), 2);
    }
    // The resolved spec is a spec that gives the same runs.
    let resolved = fs::read_to_string(results.path("spec.toml")).unwrap();
    let again = Scene::with_spec(&resolved);
    again.run("spec.toml --set experiment.output=results --dry-run").succeeds();
    for id in &ids {
        assert!(again.run("plan spec.toml").stdout.contains(id.as_str()));
    }
}

#[test]
fn tables_do_not_depend_on_how_many_workers_there_are() {
    let sweep = "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.epsilon', 'lrp.z'] }\nseeds = 2\n";
    let scene = scene(sweep);
    scene.run("spec.toml --jobs 1").succeeds();
    scene.run("spec.toml --jobs 2 --output other").succeeds();
    let other = Results { folder: scene.path("other/spec") };
    crate::harness::assert_same_tables(&scene.results("spec"), &other);
    // As many as were asked for: on one core there is room for one.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (results, asked) in [(scene.results("spec"), 1), (other, 2)] {
        assert_eq!(results.events()[0]["workers"], asked.min(cores));
        let logs = listing(&results.path("logs"));
        assert_eq!(logs.iter().filter(|log| log.starts_with("worker-")).count(), asked.min(cores), "{logs:?}");
    }
}

#[test]
fn a_bad_sweep_is_refused_before_anything_starts() {
    for (sweep, part) in [
        ("[[sweep]]\ngrid = { 'train.epocs' = [1] }\n", "did you mean `epochs`?"),
        ("[[sweep]]\ngrid = { 'train.epochs' = [1, 0] }\n", "in the cell train.epochs = 0"),
        ("[[sweep]]\nseeds = 0\n", "leaves no cell"),
        ("[[sweep]]\nseeds = 1000000000000\n", "1000000000000 cells"),
    ] {
        let scene = scene(sweep);
        for verb in ["", "plan "] {
            scene.run(&format!("{verb}spec.toml")).exits(2).complains(&[part, "spec.toml:", "help:"]);
        }
        assert_eq!(scene.listing("."), ["spec.toml"]);
    }
}

#[test]
fn the_shipped_sweep_is_planned_with_what_it_shares() {
    let scene = Scene::new().file("spec.toml", fs::read(crate::harness::repository("configs/sweep.toml")).unwrap());
    let said = scene.run("plan spec.toml --set run.device=cpu").succeeds().stdout;
    assert!(said.starts_with("24 runs: 12 simulate, 12 train, 24 explain, 24 evaluate, 24 render;"), "{said}");
}

#[test]
fn ten_thousand_cells_are_planned() {
    let values = |n: usize| (1..=n).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
    let scene = scene(&format!(
        "[[sweep]]\ngrid = {{ 'train.epochs' = [{}], 'model.dense_units' = [{}] }}\n",
        values(100),
        values(100)
    ));
    let said = scene.run("plan spec.toml").succeeds().stdout;
    assert!(said.starts_with("10000 runs: 1 simulate, 10000 train,"), "{said}");
}

/// Asserts that two runs are shown side by side in the order in which they are named, with what the tables tell of each.
#[track_caller]
fn assert_compared(scene: &Scene, ids: [&String; 2]) {
    let compared = scene.run(&format!("compare results/spec {} {}", ids[0], ids[1])).succeeds().stdout;
    let cells = |name: &str| -> Vec<&str> {
        let mut lines = compared.lines().filter(|line| line.split_whitespace().next() == Some(name));
        let line = lines.next().unwrap_or_else(|| panic!("there is no {name}:\n{compared}"));
        assert_eq!(lines.next(), None, "{name} is told once");
        line.split_whitespace().skip(1).map(|cell| cell.trim_matches('"')).collect()
    };
    let heading: Vec<&str> = compared.lines().next().expect("a heading").split_whitespace().collect();
    assert_eq!(heading, ids);
    let runs = scene.results("spec").table("runs");
    let rows = ids.map(|id| texts(&runs, "run_id").iter().position(|known| known == id).expect("a row of the run"));
    assert_eq!(cells("explain.analyzer"), rows.map(|row| texts(&runs, "explain.analyzer")[row].clone()));
    for score in ["relevance_slope", "gini_index", "test_mae"] {
        let expected = rows.map(|row| numbers(&runs, score)[row]);
        assert!(score == "test_mae" || expected[0] != expected[1], "{score} tells the runs apart");
        for (cell, expected) in cells(score).into_iter().zip(expected) {
            let shown: f64 = cell.replace('\u{2212}', "-").parse().unwrap_or_else(|_| panic!("{score}: {cell}"));
            assert!((shown - expected).abs() <= 6e-4 * (1.0 + expected.abs()), "{score}: {shown} for {expected}");
        }
    }
    assert!(!compared.contains("train.epochs"), "only settings that differ are told:\n{compared}");
}

#[test]
fn other_verbs_tell_of_a_sweep() {
    let scene = scene("[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.epsilon', 'lrp.flat'] }\n");
    scene.run("spec.toml").succeeds();
    let ids = texts(&scene.results("spec").table("runs"), "run_id");
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(status.contains("spec: finished") && status.contains("2 runs: 2 done, 0 failed"), "{status}");
    assert!(status.contains("8 of 8 stages done"), "{status}");

    let logs = scene.run(&format!("logs results/spec {}", &ids[0][..6])).succeeds().stdout;
    for part in ["train: started by worker", "train: epoch 1 of 1", "explain: done in", "run done"] {
        assert!(logs.contains(part), "{logs}");
    }
    assert_compared(&scene, [&ids[0], &ids[1]]);
    assert_compared(&scene, [&ids[1], &ids[0]]);

    let why = scene.run(&format!("why results/spec {}", ids[0])).succeeds().stdout;
    assert!(why.contains("train.epochs = 1") && why.matches("cached: made").count() == 5, "{why}");
    for arguments in ["logs results/spec nowhere", "status results", "why results/spec ''"] {
        scene.run(arguments).exits(2).complains(&["help:"]);
    }
}

#[test]
fn why_names_what_differs_from_the_nearest_cached_result() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    // A plan whose training was removed from the store, beside one that differs in a single setting and one that differs
    // in several.
    scene.run("spec.toml --set train.learning_rate=0.01 --set train.epochs=2 --set model.seed=5").succeeds();
    scene.run("spec.toml --set train.learning_rate=0.001 --set experiment.name=other").succeeds();
    let run_id = scene.results("other").run_id();
    let key = texts(&scene.results("other").table("runs"), "train_key").remove(0);
    fs::remove_dir_all(scene.path(&format!("results/.store/train/{key}"))).unwrap();
    let why = scene.run(&format!("why results/other {run_id}")).succeeds().stdout;
    assert!(why.contains("not cached") && why.contains("train.learning_rate: 0.0005 there, 0.001 here"), "{why}");
    assert!(!why.contains("train.epochs:"), "only what differs is named: {why}");
}

#[test]
fn clean_removes_what_it_is_told_and_results_stay() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    scene.run("spec.toml --set train.epochs=2").succeeds();
    let entries = || scene.listing("results/.store/train").iter().filter(|name| !name.contains('/')).count();
    assert_eq!(entries(), 2);
    let said = scene.run("clean results --orphans --dry-run").succeeds().stdout;
    assert!(said.contains("would remove 4 of") && entries() == 2, "{said}");
    scene.run("clean results --older-than 1h").succeeds();
    assert_eq!(entries(), 2);
    scene.run("clean results --orphans").succeeds();
    assert_eq!(entries(), 1);
    let heatmaps = scene.listing("results/spec/heatmaps");
    scene.run("clean results/spec --max-size 0B").succeeds();
    assert_eq!((entries(), scene.listing("results/spec/heatmaps")), (0, heatmaps));
    scene.run("clean results --max-size much").exits(2);
    scene.run("spec.toml --set train.epochs=2").succeeds();
}
