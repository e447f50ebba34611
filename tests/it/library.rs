//! Experiments from a Rust program.

use std::process::Command;

use xdlreg::{RunSimulation, run_simulation};

use crate::harness::{Ended, Results, Scene, programs};

#[test]
fn run_simulation_returns_what_the_tables_say() {
    let scene = Scene::new();
    // The seed is that of `TINY`, whose run is sure to be done.
    let arguments = RunSimulation {
        path: scene.path("out"),
        n_samples: 100,
        epochs: 1,
        plot_n_heatmaps: 1,
        seed: 126,
        ..Default::default()
    };
    let outcome = run_simulation(&arguments).expect("a simulation");
    assert_eq!((outcome.done, outcome.failed, outcome.runs.len()), (1, 0, 1));
    let results = Results { folder: outcome.folder };
    assert_eq!(outcome.runs[0].run_id, results.run_id());
    assert_eq!(outcome.runs[0].score("test_mae"), Some(results.score("test_mae")));
    assert_eq!(outcome.runs[0].score("no_such_score"), None);
    let spec: toml::Table = String::from_utf8(results.bytes("spec.toml")).expect("text").parse().expect("TOML");
    let seeds = ["data", "model"].map(|section| spec[section]["seed"].as_integer());
    assert_eq!(seeds, [Some(126); 2], "one seed for the data and the network");
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    let scene = Scene::new();
    let arguments = RunSimulation { path: scene.path("out"), n_samples: 99, ..Default::default() };
    let error = run_simulation(&arguments).expect_err("too few pumpkins");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("data.n_samples"), "{error}");
    assert_eq!(scene.listing("."), [""; 0]);
}

#[test]
fn the_example_runs() {
    let scene = Scene::new();
    let program = programs().join("examples").join("run_simulation");
    assert!(program.exists(), "`cargo build --release --examples` builds it, and so does `cargo test --release`");
    let ended = Ended::of(scene.prepare(Command::new(program)).args(["out", "100", "1"])).succeeds();
    let results = Results { folder: scene.path("out/100_human_uniform_1-epochs") };
    assert!(ended.stdout.contains(&format!("test MAE {:.2} years", results.score("test_mae"))), "{}", ended.stdout);
    assert!(ended.stdout.contains("out/100_human_uniform_1-epochs"), "{}", ended.stdout);
}
