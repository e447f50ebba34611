//! Two executions of one spec give the same results, wherever and with however many threads they run.

#[cfg(target_os = "linux")]
use std::process::Command;

use crate::harness::{Ended, Results, Scene, TINY, assert_same_tables, require_program};

/// 88 training images: with a batch size of 5 the last batch is short.
fn spec() -> String {
    TINY.replace("n_samples = 100", "n_samples = 110").replace("epochs = 1", "epochs = 2\nbatch_size = 5")
}

#[track_caller]
fn assert_same_files(one: &Results, other: &Results) {
    let id = one.run_id();
    for name in [format!("models/{id}.safetensors"), format!("relevance/{id}.npy")] {
        assert!(one.bytes(&name) == other.bytes(&name), "{name} differs");
    }
    let pictures = crate::harness::listing(&one.path(&format!("heatmaps/{id}")));
    assert_eq!(pictures.len(), 2);
    for name in pictures {
        let name = format!("heatmaps/{id}/{name}");
        assert!(one.bytes(&name) == other.bytes(&name), "{name} differs");
    }
}

#[test]
fn two_folders_hold_the_same_results() {
    let scene = Scene::with_spec(&spec());
    scene.run("spec.toml").succeeds();
    scene.run("spec.toml --output elsewhere/deep").succeeds();
    let (one, other) = (scene.results("spec"), Results { folder: scene.path("elsewhere/deep/spec") });
    assert_same_tables(&one, &other);
    assert_same_files(&one, &other);
}

#[cfg(target_os = "linux")]
#[test]
fn one_core_and_all_cores_give_the_same_results() {
    require_program("taskset");
    let scene = Scene::with_spec(&spec());
    scene.run("spec.toml").succeeds();
    let status = std::fs::read_to_string("/proc/self/status").expect("this system tells about processes");
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list of cores");
    let core = allowed.trim().split(['-', ',']).next().expect("a first core");
    let program = crate::harness::programs().join("xdlreg-run");
    let mut pinned = scene.prepare(Command::new("taskset"));
    Ended::of(pinned.args(["-c", core]).arg(program).args(["spec.toml", "--output", "pinned"])).succeeds();
    let (one, other) = (scene.results("spec"), Results { folder: scene.path("pinned/spec") });
    assert_same_tables(&one, &other);
    assert_same_files(&one, &other);
}

#[test]
fn another_seed_gives_other_results() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    scene.run("spec.toml --output other --set model.seed=1").succeeds();
    let (one, other) = (scene.results("spec"), Results { folder: scene.path("other/spec") });
    assert_eq!(one.bytes("samples.parquet"), other.bytes("samples.parquet"));
    assert_ne!(one.bytes("predictions.parquet"), other.bytes("predictions.parquet"));
    assert_ne!(one.run_id(), other.run_id());
}

#[test]
fn simulated_sets_do_not_depend_on_threads() {
    let scene = Scene::new();
    let set = |threads: &str, seed: &str| {
        let mut command = scene.command("xdlreg-run");
        let arguments = ["simulate", "--n", "40", "--out", "set.npz", "--seed", seed];
        Ended::of(command.args(arguments).env("RAYON_NUM_THREADS", threads)).succeeds();
        std::fs::read(scene.path("set.npz")).expect("the set")
    };
    let one = set("1", "7");
    assert!(one == set("2", "7"));
    assert!(one != set("2", "8"));
}
