//! What is asked for, as people type it and however much it is: answered once, before anything is written.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use polars::prelude::DataType;

use crate::harness::{Ended, Scene, TINY, assert_same_tables, texts};

/// Runs with options that may contain spaces, in a home folder of the scene.
fn run(scene: &Scene, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let home = scene.path("home");
    fs::create_dir_all(&home).expect("a home folder");
    Ended::of(scene.command("xdlreg-run").args(arguments).env("HOME", &home).envs(environment.iter().copied()))
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let scene = Scene::with_spec(TINY);
    assert!(Command::new("mkfifo").arg(scene.path("fifo.toml")).status().expect("mkfifo runs").success());
    symlink("/dev/zero", scene.path("link.toml")).expect("a link");
    scene.write("extending.toml", "extends = \"fifo.toml\"\n");
    for spec in ["/dev/zero", "/dev/stdin", "fifo.toml", "link.toml", "extending.toml"] {
        for verb in [&[spec][..], &["plan", spec]] {
            let ended = run(&scene, verb, &[]).exits(2).complains(&["help:"]);
            assert!(ended.stderr.contains("not a file"), "{spec}: {}", ended.stderr);
        }
    }
    assert!(!scene.path("results").exists());
}

#[test]
fn requests_beyond_memory_are_refused_at_their_key_with_both_amounts() {
    let scene = Scene::with_spec(TINY);
    scene.write("sweep.toml", format!("{TINY}[[sweep]]\ngrid = {{ 'data.n_samples' = [100, 10000000000000] }}\n"));
    let before = scene.listing(".");
    for (arguments, key) in [
        ("spec.toml --set data.n_samples=10000000000000", "data.n_samples"),
        ("spec.toml --set data.n_samples=9223372036854775807", "data.n_samples"),
        ("spec.toml --set train.batch_size=1000000000000", "train.batch_size"),
        ("spec.toml --set train.epochs=1000000000000", "train.epochs"),
        ("spec.toml --set evaluate.steps=1000000000000", "evaluate.steps"),
        ("plan spec.toml --set data.n_samples=10000000000000", "data.n_samples"),
        ("sweep.toml", "n_samples = 10000000000000"),
        ("simulate --n 4000000000 --age 30 --age 40 --out set.npz", "--n 8000000000"),
    ] {
        let ended = scene.run(arguments).exits(2);
        ended.complains(&[key, "of memory", "are available", "help:"]);
    }
    assert_eq!(scene.listing("."), before);
}

#[test]
fn a_batch_larger_than_the_training_set_is_all_of_it() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml --set train.batch_size=80 --output whole").succeeds();
    scene.run("spec.toml --set train.batch_size=100000 --output more").succeeds();
    let results = ["whole", "more"].map(|output| crate::harness::Results { folder: scene.path(output).join("spec") });
    let predictions = results.each_ref().map(|results| results.table("predictions").drop("run_id").expect("a column"));
    assert_eq!(predictions[0], predictions[1]);
}

#[test]
fn a_tilde_is_expanded_wherever_a_path_is_given() {
    let scene =
        Scene::with_spec(TINY).file("child.toml", "extends = \"~/base.toml\"\n[experiment]\nname = \"child\"\n");
    scene.write("home/base.toml", TINY);
    run(&scene, &["plan", "child.toml"], &[]).succeeds();
    run(&scene, &["spec.toml", "--quiet", "--set", "experiment.output=~/set"], &[]).succeeds();
    run(&scene, &["plan", "spec.toml", "--output=~/set"], &[]).succeeds();
    run(&scene, &["simulate", "--n", "1", "--out=~/set.npz"], &[]).succeeds();
    run(&scene, &["plan", "~/base.toml"], &[]).succeeds();
    assert!(scene.path("home/set/spec/report.html").is_file() && scene.path("home/set.npz").is_file());
    let other = run(&scene, &["plan", "spec.toml", "--output=~somebody/x"], &[]).exits(2);
    other.complains(&["~somebody is not expanded"]);
    let ended =
        Ended::of(scene.command("xdlreg-run").args(["plan", "spec.toml", "--output", "~/x"]).env_remove("HOME"));
    ended.exits(2).complains(&["HOME is not set"]);
    assert!(!scene.path("~").exists());
}

#[test]
fn text_with_control_characters_reaches_every_output() {
    let scene = Scene::with_spec(TINY);
    let text = "two seeds\nfirst = \"try\"\u{1b}[31m\u{7}\t# end";
    let set = format!("experiment.description={text}");
    run(&scene, &["spec.toml", "--quiet", "--set", &set], &[]).succeeds();
    let results = scene.results("spec");
    let spec: toml::Table = String::from_utf8(results.bytes("spec.toml")).unwrap().parse().expect("a spec");
    assert_eq!(spec["experiment"]["description"].as_str(), Some(text));
    assert!(results.path("report.html").is_file());
    scene.run("report results/spec").succeeds();
    scene.run("plan results/spec/spec.toml").succeeds();
}

#[test]
fn a_report_that_cannot_be_written_is_not_a_success() {
    let scene = Scene::with_spec(TINY).file("results/spec/report.html/in-the-way", "a folder stands in its place");
    let ended = scene.run("spec.toml").exits(1);
    ended.complains(&["report could not be written", "help:"]);
    assert_eq!(texts(&scene.results("spec").table("runs"), "status").len(), 1);
}

#[test]
fn whole_composites_and_elements_have_columns_that_can_be_read() {
    let conv = |gamma: &str| {
        format!("{{ layer = 'conv', rule = 'gamma', gamma = {gamma} }}, {{ layer = 'any', rule = 'epsilon' }}")
    };
    let scene = Scene::with_spec(&format!(
        "{TINY}[explain]\nanalyzer = 'lrp'\ncomposite = [{}]\n[[sweep]]\ngrid = {{ 'explain.composite.0.gamma' = [0.1, 1] }}\n\
         [[sweep]]\nlist = [{{ 'explain.composite' = [{}] }}, {{ 'explain.composite' = [{}] }}]\n",
        conv("0.5"),
        conv("0.1"),
        conv("2.0")
    ));
    scene.run("spec.toml").succeeds();
    let runs = scene.results("spec").table("runs");
    let composites = texts(&runs, "explain.composite");
    assert_eq!(composites[0], "conv: gamma(gamma=0.1); any: epsilon");
    assert_eq!(composites.len(), 3, "the run with gamma 0.1 is one");
    assert_eq!(runs.column("explain.composite.0.gamma").expect("a column").dtype(), &DataType::Float64);
}

#[test]
fn seeds_of_64_bits_are_exact_in_tables_and_reports() {
    let seed = (1_i64 << 53) + 1;
    let scene = Scene::with_spec(&format!("{TINY}[[sweep]]\ngrid = {{ 'data.seed' = [{seed}, {}] }}\n", i64::MAX));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let runs = results.table("runs");
    let seeds: Vec<i64> = runs.column("data.seed").unwrap().i64().expect("signed").iter().flatten().collect();
    assert_eq!(seeds, [seed, i64::MAX]);
    let report = String::from_utf8(results.bytes("report.html")).unwrap();
    for seed in seeds {
        assert!(report.contains(&format!("\"{seed}\"")), "{seed} is not in the report");
    }
    let ids = texts(&runs, "run_id");
    let compared = scene.run(&format!("compare results/spec {} {}", ids[0], ids[1])).succeeds();
    assert!(compared.stdout.contains(&seed.to_string()) && compared.stdout.contains(&i64::MAX.to_string()));
    scene.write("again.toml", results.bytes("spec.toml"));
    scene.run("again.toml --output again").succeeds();
    assert_same_tables(&crate::harness::Results { folder: scene.path("again/spec") }, &results);
}
