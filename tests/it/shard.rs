//! Parts of an experiment that are carried out apart from each other.

use std::collections::HashMap;
use std::fs;

use crate::harness::{Results, Scene, TINY, assert_same_tables};

/// Four trainings, each explained twice.
fn scene() -> Scene {
    Scene::with_spec(&format!(
        "{TINY}\n[[sweep]]\ngrid = {{ 'explain.analyzer' = ['lrp.z', 'gradient'] }}\nseeds = 4\n"
    ))
}

#[test]
fn parts_at_the_same_time_on_one_store_make_what_one_runner_makes() {
    let scene = scene();
    let mut parts: Vec<_> = (1..=3).map(|part| scene.start(&format!("spec.toml --jobs 1 --shard {part}/3"))).collect();
    assert!(parts.iter_mut().all(|part| part.wait().expect("it ends").success()));
    let results = scene.results("spec");
    assert!(results.path("plan.json").is_file() && !results.path("runs.parquet").exists(), "parts write no tables");
    let mut begun: HashMap<String, usize> = HashMap::new();
    for part in 1..=3 {
        let journal =
            fs::read_to_string(results.path(&format!("logs/shard-{part}-of-3/events.jsonl"))).expect("a journal");
        for line in journal.lines().filter(|line| line.contains("\"stage_started\"")) {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            *begun.entry(event["key"].as_str().expect("a key").to_owned()).or_default() += 1;
        }
    }
    assert!(begun.values().all(|times| *times == 1), "a stage was begun twice: {begun:?}");
    let collected = scene.run("spec.toml").exits(0);
    assert_eq!(
        fs::read_to_string(results.path("events.jsonl")).expect("a journal").matches("stage_started").count(),
        0
    );
    assert!(collected.stdout.contains("report:"), "{collected:?}");
    scene.run("spec.toml --output alone").succeeds();
    assert_same_tables(&results, &Results { folder: scene.path("alone/spec") });
}

#[test]
fn a_part_does_its_own_runs_alone_and_says_how_to_go_on() {
    let scene = scene();
    let part = scene.run("spec.toml --shard 1/4").succeeds();
    assert!(part.stdout.contains("part 1 of 4: 2 of 8 runs; 2 done, 0 failed"), "{part:?}");
    assert!(part.stdout.contains("the same command without --shard"), "{part:?}");
    let plan = scene.run("plan spec.toml").succeeds().stdout;
    assert!(plan.contains("8 cached"), "two explanations of one training: {plan}");
    let again = scene.run("spec.toml --shard 1/4").succeeds();
    assert!(again.stdout.contains("2 done, 0 failed"), "{again:?}");
    assert!(scene.listing("results/.store/claims").is_empty());
}

#[test]
fn a_part_that_fails_is_told_and_its_exit_code_is_1() {
    let scene = Scene::with_spec(&format!("{TINY}\n[[sweep]]\ngrid = {{ 'train.learning_rate' = [1e-4, 1e30] }}\n"));
    scene.run("spec.toml --shard 1/2").succeeds();
    let failed = scene.run("spec.toml --shard 2/2").exits(1);
    assert!(
        failed.stdout.contains("train: training diverged") && failed.stdout.contains("0 done, 1 failed or invalid")
    );
}

#[test]
fn parts_that_do_not_exist_are_refused() {
    let scene = scene();
    for part in ["0/3", "4/3", "1/0", "one"] {
        scene.run(&format!("spec.toml --shard {part}")).exits(2).complains(&["--shard"]);
    }
    scene.run("spec.toml --shard 1/2 --join").exits(2).complains(&["cannot be used with"]);
    assert_eq!(scene.listing("."), ["spec.toml"]);
}

/// For `make test-slurm`, which names two results folders.
#[test]
#[ignore = "needs two results folders in SAME_TABLES"]
fn tables_of_two_folders_are_the_same() {
    let folders = std::env::var("SAME_TABLES").expect("two results folders");
    let (one, other) = folders.split_once(':').expect("two results folders");
    assert_same_tables(&Results { folder: one.into() }, &Results { folder: other.into() });
}
