//! A spec is merged from layers: defaults < extends < file < environment < `--set`.

use crate::harness::{Ended, Results, Scene, TINY};

/// The value of a key and its origin in a resolved spec.
fn resolved(results: &Results, key: &str) -> (toml::Value, String) {
    let (section, key) = key.split_once('.').expect("a dotted key");
    let text = String::from_utf8(results.bytes("spec.toml")).expect("text");
    let tree: toml::Table = toml::from_str(&text).expect("TOML");
    let of_section = text.lines().skip_while(|line| *line != format!("[{section}]"));
    let line = of_section.skip(1).find(|line| line.starts_with(&format!("{key} = "))).expect("a line for the key");
    let (_, origin) = line.split_once("  # ").expect("every value has an origin");
    (tree[section][key].clone(), origin.to_owned())
}

#[test]
fn stronger_layers_win_and_every_origin_is_told() {
    let scene = Scene::new()
        .file("bases/base.toml", format!("{TINY}\n[model]\nseed = 1\ndropout = 0.1\nbatch_norm = false\n"))
        .file(
            "spec.toml",
            "extends = \"bases/base.toml\"\n[model]\nseed = 2\ndropout = 0.2\n[train]\nbatch_size = 8\nkeep = \"best\"\n",
        );
    let mut command = scene.command("xdlreg-run");
    command.args(["spec.toml", "--set", "train.batch_size=16"]);
    command.env("XDLREG_TRAIN__BATCH_SIZE", "12").env("XDLREG_MODEL__SEED", "3");
    Ended::of(&mut command).succeeds();

    let results = scene.results("spec");
    let expect = |key: &str, value: toml::Value, origin: &str| {
        assert_eq!(resolved(&results, key), (value, origin.to_owned()), "{key}");
    };
    expect("train.batch_size", 16.into(), "command line --set train.batch_size=16");
    expect("model.seed", 3.into(), "environment XDLREG_MODEL__SEED");
    expect("model.dropout", 0.2.into(), "spec.toml");
    expect("train.keep", "best".into(), "spec.toml");
    expect("data.n_samples", 100.into(), "bases/base.toml");
    expect("train.learning_rate", 5e-4.into(), "default");
}

#[test]
fn a_resolved_spec_is_a_spec_of_the_same_run() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml --set train.learning_rate=1e-3 --set explain.epsilon=0.25").succeeds();
    let first = scene.results("spec");
    scene.write("again.toml", first.bytes("spec.toml"));
    scene.run("again.toml --output again").succeeds();
    let again = Results { folder: scene.path("again/spec") };
    assert_eq!(again.run_id(), first.run_id());
    assert_eq!(again.bytes("measurements.parquet"), first.bytes("measurements.parquet"));
}

#[test]
fn values_need_no_quotes_on_the_command_line() {
    let scene = Scene::with_spec(TINY);
    scene.run("plan spec.toml --set data.growth_mode=eternal --set data.seed=7").succeeds();
    let keys = |set: &str| scene.run(&format!("plan spec.toml --set {set}")).succeeds().stdout;
    assert_eq!(keys("data.growth_mode=eternal"), keys("data.growth_mode=\"eternal\""));
    assert_ne!(keys("data.growth_mode=eternal"), keys("data.growth_mode=human"));
}
