//! Every column of the tables against the stored file that it comes from.

use std::fs;
use std::path::PathBuf;

use polars::prelude::*;
use serde_json::Value;

use crate::harness::{Results, Scene, TINY, numbers, read_npy, texts};
use crate::simulate_render::{array, integers};

const STAGES: [&str; 5] = ["simulate", "train", "explain", "evaluate", "render"];

/// A run of several epochs, in which no two losses are equal.
fn finished(growth_mode: &str) -> (Scene, Results) {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 3"));
    scene.run(&format!("spec.toml --set data.growth_mode={growth_mode} --set evaluate.scores=[]")).succeeds();
    let results = scene.results("spec");
    (scene, results)
}

/// The entry of a stage of the only run, as its table names it.
fn entry(scene: &Scene, results: &Results, stage: &str) -> PathBuf {
    let key = texts(&results.table("runs"), &format!("{stage}_key")).remove(0);
    scene.path("results/.store").join(stage).join(key)
}

fn json(path: PathBuf) -> Value {
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// A column of lists of whole numbers.
fn lists(table: &DataFrame, column: &str) -> Vec<Vec<i32>> {
    let lists = table.column(column).expect("a column").list().expect("lists");
    let list = |row| lists.get_as_series(row).expect("no gap").cast(&DataType::Int32).expect("whole numbers");
    (0..lists.len()).map(|row| list(row).i32().expect("whole numbers").iter().flatten().collect()).collect()
}

#[test]
fn epochs_and_predictions_are_those_of_the_training() {
    let (scene, results) = finished("human");
    let train = entry(&scene, &results, "train");
    let history = json(train.join("epochs.json"));
    let epochs = results.table("epochs");
    for column in ["epoch", "train_loss", "train_mae", "val_loss", "val_mae", "epoch_seconds"] {
        let stored: Vec<f64> = (0..3).map(|row| history[row][column].as_f64().expect("a number")).collect();
        assert_eq!(numbers(&epochs, column), stored, "{column}");
    }
    assert!(numbers(&epochs, "val_mae") != numbers(&epochs, "train_mae"));
    let predictions = results.table("predictions");
    let (_, stored) = read_npy(&train.join("predictions.npy"));
    assert!(numbers(&predictions, "prediction").into_iter().eq(stored.into_iter().map(f64::from)));
    assert!(numbers(&predictions, "sample").into_iter().eq((0..100).map(f64::from)));
    let (_, ages) = array(&entry(&scene, &results, "simulate").join("set.npz"), "age");
    assert!(numbers(&predictions, "target").into_iter().eq(ages.into_iter().map(f64::from)));
}

#[test]
fn a_run_tells_what_its_stages_cost_and_where_they_are() {
    let (scene, results) = finished("human");
    let manifests = STAGES.map(|stage| json(entry(&scene, &results, stage).join("manifest.json")));
    let of = |key: &str| manifests.iter().map(|manifest| manifest[key].as_f64().expect("a number")).collect::<Vec<_>>();
    let (seconds, memory) = (of("seconds"), of("peak_memory_bytes"));
    assert!(seconds.iter().chain(&memory).all(|&cost| cost > 0.0));
    assert!((results.score("total_seconds") - seconds.iter().sum::<f64>()).abs() < 1e-9);
    assert_eq!(results.score("train_seconds"), seconds[1]);
    assert_eq!(results.score("peak_memory_bytes"), memory.iter().copied().fold(0.0, f64::max));
    for (stage, manifest) in STAGES.iter().zip(&manifests) {
        assert_eq!(&manifest["stage"], stage);
    }
}

#[test]
fn samples_are_those_of_the_simulated_set() {
    for growth_mode in ["human", "no_growth"] {
        let (scene, results) = finished(growth_mode);
        let set = entry(&scene, &results, "simulate").join("set.npz");
        let samples = results.table("samples");
        for column in ["age", "height", "width"] {
            let stored = array(&set, column).1.into_iter().map(f64::from);
            assert!(numbers(&samples, column).into_iter().eq(stored), "{column} of {growth_mode}");
        }
        for (sign, kind) in [("lesion", "n_lesions"), ("atrophy", "n_atrophies")] {
            let counts: Vec<f64> = integers(&set, kind).into_iter().map(f64::from).collect();
            assert_eq!(numbers(&samples, kind), counts);
            let owners = integers(&set, &format!("{sign}_sample"));
            for (axis, column) in [("row", "rows"), ("col", "cols")] {
                let places = integers(&set, &format!("{sign}_{axis}"));
                let of_sample = |sample: i32| {
                    places.iter().zip(&owners).filter(move |(_, owner)| **owner == sample).map(|(place, _)| *place)
                };
                let found = lists(&samples, &format!("{sign}_{column}"));
                for (sample, found) in (0..).zip(found) {
                    assert_eq!(found, of_sample(sample).collect::<Vec<_>>(), "{sign}_{column} of sample {sample}");
                }
            }
        }
        let tumours = integers(&set, "tumour");
        for (corner, column) in ["tumour_row0", "tumour_row1", "tumour_col0", "tumour_col1"].into_iter().enumerate() {
            let column = samples.column(column).expect("a column").cast(&DataType::Int32).expect("whole numbers");
            let stored = tumours.iter().skip(corner).step_by(4).map(|&at| (at >= 0).then_some(at));
            assert!(column.i32().expect("whole numbers").iter().eq(stored), "{} of {growth_mode}", column.name());
        }
        assert_eq!(tumours.iter().all(|&at| at >= 0), growth_mode == "no_growth");
    }
}
