//! The original's console command, and the variants of its network.

use crate::harness::{Ended, Results, Scene, TINY, numbers, read_npy, read_safetensors, texts};

#[test]
fn the_flags_of_the_original_work() {
    let scene = Scene::new();
    let flags = "--path P --n_samples 100 --uniform False --target_bias 55 --growth_mode human --epochs 1 \
                 --plot_n_heatmaps 1";
    let ended = Ended::of(scene.command("xdlreg").args(flags.split_whitespace())).succeeds();
    let folder = "P/100_human_non-uniform-55_1-epochs";
    assert!(ended.stdout.contains(&format!("heatmaps: {folder}/heatmaps/")), "{}", ended.stdout);
    let results = Results { folder: scene.path(folder) };
    // One epoch on so few images may end below the mean.
    assert!(["done", "invalid"].contains(&texts(&results.table("runs"), "status")[0].as_str()));
    assert_eq!(scene.listing(&format!("{folder}/heatmaps/{}", results.run_id())).len(), 2);
    // A fifth of the ages gathers around 55: within two deviations of 4 years lie more than uniform ages would.
    let ages = numbers(&results.table("samples"), "age");
    assert_eq!(ages.len(), 100);
    assert!(ages.iter().filter(|age| (**age - 55.0).abs() <= 8.0).count() > 30, "{ages:?}");
}

#[test]
fn truth_values_are_read_in_all_spellings_of_the_original() {
    let scene = Scene::new();
    let uniform = |value: &str| {
        // Refused for its 99 images, once the flags are understood.
        let flags = ["--n_samples", "99", "--uniform", value];
        Ended::of(scene.command("xdlreg").args(flags)).exits(2).stderr
    };
    for value in ["t", "f", "y", "n", "yes", "no", "1", "0", "true", "false", "True", "FALSE", "Y"] {
        let said = uniform(value);
        assert!(said.contains("n_samples") && !said.contains("truth value"), "{value}: {said}");
    }
    for value in ["maybe", "2", "tr", ""] {
        assert!(uniform(value).contains("truth value"), "{value}");
    }
}

#[test]
fn mistakes_are_told_to_programs_as_json() {
    let scene = Scene::with_spec("[train]\nepochs = 0\n");
    let told = |program: &str, arguments: &[&str]| -> serde_json::Value {
        let mut command = scene.command(program);
        let ended = Ended::of(command.env("XDLREG_MESSAGE_FORMAT", "json").args(arguments)).exits(2);
        serde_json::from_str(&ended.stderr).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr))
    };
    let mistake = told("xdlreg-run", &["spec.toml"]);
    assert_eq!((mistake["file"].as_str(), mistake["line"].as_u64()), (Some("spec.toml"), Some(2)));
    assert_eq!((mistake["column"].as_u64(), mistake["exit_code"].as_u64()), (Some(10), Some(2)));
    assert!(mistake["message"].as_str().is_some_and(|message| message.contains("epochs")), "{mistake}");
    let elsewhere = told("xdlreg", &["--n_samples", "99"]);
    assert!(elsewhere["message"].is_string() && elsewhere["file"].is_null(), "{elsewhere}");
}

#[test]
fn the_help_lists_the_flags_of_the_original() {
    let help = Ended::of(Scene::new().command("xdlreg").arg("--help")).succeeds().stdout;
    for flag in ["path", "n_samples", "uniform", "target_bias", "growth_mode", "epochs", "plot_n_heatmaps"] {
        assert!(help.contains(&format!("--{flag} ")), "--{flag}:\n{help}");
    }
}

#[test]
fn mistakes_are_refused() {
    let scene = Scene::new();
    for flags in ["--n_samples 99", "--epochs 0", "--uniform perhaps", "--uniform False --target_bias 90"] {
        let ended = Ended::of(scene.command("xdlreg").args(flags.split_whitespace())).exits(2);
        assert!(!ended.stderr.is_empty());
    }
    assert_eq!(scene.listing("."), [""; 0]);
}

#[test]
fn a_network_with_batch_norm_is_trained_and_explained() {
    let scene = Scene::with_spec(&format!("{TINY}\n[model]\nbatch_norm = true\n"));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let id = results.run_id();
    let model = read_safetensors(&results.path(&format!("models/{id}.safetensors")));
    let channels = [1, 16, 16, 32, 64, 32];
    for (index, count) in channels.into_iter().enumerate() {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            assert_eq!(model[&format!("bn{}.{part}", index + 1)].0, [count], "bn{}.{part}", index + 1);
        }
    }
    assert!(results.score("test_mae").is_finite());
    let (shape, maps) = read_npy(&results.path(&format!("relevance/{id}.npy")));
    assert!(shape == [10, 98, 98] && maps.iter().all(|value| value.is_finite()));
}

#[test]
fn young_and_old_can_be_told_apart() {
    let scene = Scene::with_spec(&format!("{TINY}\n[model]\ntask = \"classification\"\n"));
    let ended = scene.run("spec.toml").succeeds();
    assert!(ended.stdout.contains("test_accuracy"), "{}", ended.stdout);
    let results = scene.results("spec");
    let runs = results.table("runs");
    assert!(runs.column("test_mae").is_err());
    let predictions = results.table("predictions");
    let (ages, old) = (numbers(&predictions, "target"), numbers(&predictions, "prediction"));
    assert!(old.iter().all(|probability| (0.0..=1.0).contains(probability)));
    // Old is who is beyond the middle between the youngest and the oldest.
    let (youngest, oldest) = (ages.iter().copied().fold(f64::MAX, f64::min), ages.iter().copied().fold(0.0, f64::max));
    let right = (90..100).filter(|&i| (ages[i] > (youngest + oldest) / 2.0) == (old[i] > 0.5)).count();
    assert!((results.score("test_accuracy") - right as f64 / 10.0).abs() < 1e-12);
    let model = read_safetensors(&results.path(&format!("models/{}.safetensors", results.run_id())));
    assert_eq!(model["output.weight"].0, [2, 64]);
    assert!(!model.contains_key("output.bias"));
}
