//! Networks that differ by their seeds alone: what they say together, and how far they agree.

use std::fs;

use polars::prelude::*;

use crate::harness::{Results, Scene, TINY, numbers, read_npy, texts};

const PIXELS: usize = 98 * 98;

fn spec(sweep: &str) -> String {
    // All six networks beat the mean of these images.
    let spec = format!("{TINY}\n[evaluate]\nscores = []\n").replace("seed = 126", "seed = 0");
    format!("{}\n[[sweep]]\n{sweep}\n", spec.replace("epochs = 1", "epochs = 4").replace("= 100", "= 120"))
}

const SEEDS: &str = "grid = { 'explain.analyzer' = ['lrp.epsilon', 'lrp.flat'], 'model.seed' = [0, 1, 2] }";

/// The members of the ensemble in `row` of its table.
fn members(table: &DataFrame, row: usize) -> Vec<String> {
    let lists = table.column("run_ids").expect("runs").list().expect("lists").clone();
    let list = lists.get_as_series(row).expect("a list");
    list.str().expect("texts").iter().map(|id| id.expect("no gap").to_owned()).collect()
}

/// The predictions of a run for the test set.
fn tested(results: &Results, run_id: &str) -> Vec<f64> {
    let table = results.table("predictions");
    let rows = texts(&table, "run_id").into_iter().zip(texts(&table, "split")).zip(numbers(&table, "prediction"));
    rows.filter(|((id, split), _)| id == run_id && split == "test").map(|(_, prediction)| prediction).collect()
}

#[test]
fn ensembles_have_maps_and_tables_that_follow_from_their_members() {
    let scene = Scene::with_spec(&spec(SEEDS));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let (runs, table, images) = (results.table("runs"), results.table("ensembles"), results.table("ensemble_samples"));
    assert_eq!(texts(&runs, "status"), ["done"; 6]);
    assert_eq!(texts(&table, "explain.analyzer"), ["lrp.epsilon", "lrp.flat"]);
    assert!(table.column("model.seed").is_err(), "a seed is no setting of an ensemble");
    assert_eq!((numbers(&table, "members"), numbers(&table, "images")), (vec![3.0; 2], vec![12.0; 2]));
    assert_eq!(numbers(&images, "sample"), (0..24).map(|row| f64::from(108 + row % 12)).collect::<Vec<_>>());

    let ages = numbers(&results.table("samples"), "age");
    assert_eq!(numbers(&images, "target"), [&ages[108..], &ages[108..]].concat());

    for (row, id) in texts(&table, "ensemble_id").iter().enumerate() {
        let members = members(&table, row);
        assert_eq!(members, texts(&runs, "run_id")[3 * row..3 * row + 3]);
        let maps: Vec<Vec<f32>> =
            members.iter().map(|member| read_npy(&results.path(&format!("relevance/{member}.npy"))).1).collect();
        let predictions: Vec<Vec<f64>> = members.iter().map(|member| tested(&results, member)).collect();
        let of = |what: &str| read_npy(&results.path(&format!("relevance/ensembles/{id}.{what}.npy")));
        let ((shape, means), (_, deviations)) = (of("mean"), of("sd"));
        assert_eq!(shape, [12, 98, 98]);
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / 3.0;
            (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt())
        };
        for pixel in 0..means.len() {
            let values: Vec<f64> = maps.iter().map(|map| f64::from(map[pixel])).collect();
            let (mean, deviation) = moments(&values);
            let off = (f64::from(means[pixel]) - mean).abs().max((f64::from(deviations[pixel]) - deviation).abs());
            assert!(off <= 1e-6 * (1.0 + deviation), "pixel {pixel} is off by {off}");
        }
        let (mut spread, mut relative) = (Vec::new(), Vec::new());
        for image in 0..12 {
            let values: Vec<f64> = predictions.iter().map(|member| member[image]).collect();
            let (mean, deviation) = moments(&values);
            assert!((numbers(&images, "mean_prediction")[12 * row + image] - mean).abs() < 1e-4);
            spread.push(deviation);
            let of_image = image * PIXELS..(image + 1) * PIXELS;
            let size: f64 = maps.iter().flat_map(|map| &map[of_image.clone()]).map(|&r| f64::from(r.abs())).sum();
            relative.push(3.0 * deviations[of_image].iter().copied().map(f64::from).sum::<f64>() / size);
        }
        for (name, expected) in [("ensemble_prediction_sd", spread), ("ensemble_relative_sd", relative)] {
            let found = &numbers(&images, name)[12 * row..12 * row + 12];
            let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4 * b.abs();
            assert!(found.iter().zip(&expected).all(close), "{name}: {found:?} for {expected:?}");
            let mean = expected.iter().sum::<f64>() / 12.0;
            assert!((numbers(&table, name)[row] - mean).abs() < 1e-4 * mean, "{name}");
        }
    }
    let correlations = numbers(&table, "ensemble_spearman");
    assert!(correlations.iter().all(|r| (-0.5..1.0).contains(r)), "{correlations:?}");
}

#[test]
fn ensembles_are_made_once_and_grow_and_go_with_their_runs() {
    let scene = Scene::with_spec(&spec(SEEDS));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let files = || scene.listing("results/spec/relevance/ensembles");
    let table = || [results.bytes("ensembles.parquet"), results.bytes("ensemble_samples.parquet")];
    let (names, before) = (files(), table());
    assert_eq!(names.len(), 4);
    let changed = |name: &str| {
        let path = results.path(&format!("relevance/ensembles/{name}"));
        fs::metadata(path).expect("a file").modified().expect("a time")
    };
    let times: Vec<_> = names.iter().map(|name| changed(name)).collect();
    scene.run("spec.toml").succeeds();
    assert_eq!(names.iter().map(|name| changed(name)).collect::<Vec<_>>(), times, "they were made again");
    assert!(table() == before, "the tables differ");

    // One more member makes other maps under the same names.
    scene.write("spec.toml", spec(&SEEDS.replace("[0, 1, 2]", "[0, 1, 2, 3]")));
    scene.run("spec.toml").succeeds();
    assert_eq!((numbers(&results.table("ensembles"), "members"), files()), (vec![4.0; 2], names.clone()));
    assert!(names.iter().zip(&times).all(|(name, time)| changed(name) != *time), "they are those of three members");

    // The same from scratch, and by other workers.
    scene.run("spec.toml --output other --jobs 2").succeeds();
    let other = Results { folder: scene.path("other/spec") };
    for name in names.iter().map(|name| format!("relevance/ensembles/{name}")) {
        assert!(results.bytes(&name) == other.bytes(&name), "{name} differs");
    }
    assert!(table() == [other.bytes("ensembles.parquet"), other.bytes("ensemble_samples.parquet")]);

    // Replicates whose data differ explain different images.
    scene.write("spec.toml", spec("seeds = 2"));
    scene.run("spec.toml").succeeds();
    assert_eq!(files(), [""; 0]);
    assert!(!results.path("ensembles.parquet").exists() && !results.path("ensemble_samples.parquet").exists());
    scene.run("report results/spec").succeeds();
}
