//! `xdlreg-run SPEC`: an experiment from its spec to its results folder.

use polars::prelude::*;

use crate::harness::{Scene, TINY, numbers, read_npy, read_safetensors, stages, texts};

fn schema(table: &DataFrame) -> Vec<(String, String)> {
    let fields = table.schema().iter().map(|(name, kind)| (name.to_string(), kind.to_string())).collect::<Vec<_>>();
    fields.into_iter().map(|(name, kind)| (name, kind.replace("[i64]", ""))).collect()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{found} is not {expected}");
}

/// A finished experiment of two epochs.
fn finished() -> Scene {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 2"));
    let ended = scene.run("spec.toml").succeeds();
    let last: Vec<&str> = ended.stdout.lines().rev().take(3).collect();
    assert_eq!(
        last,
        ["report:   results/spec/report.html", "heatmaps: results/spec/heatmaps/", "tables:   results/spec/*.parquet"]
    );
    scene
}

#[test]
fn a_results_folder_holds_all_that_is_promised() {
    let scene = finished();
    let results = scene.results("spec");
    let id = results.run_id();
    let files = scene.listing("results/spec");
    let expected = [
        "spec.toml".into(),
        "runs.parquet".into(),
        "epochs.parquet".into(),
        "predictions.parquet".into(),
        "measurements.parquet".into(),
        "signs.parquet".into(),
        "samples.parquet".into(),
        "events.jsonl".into(),
        "provenance.json".into(),
        "logs/xdlreg-run.log".into(),
        "logs/worker-0.log".into(),
        format!("models/{id}.safetensors"),
        format!("relevance/{id}.npy"),
        format!("tensorboard/{id}/train"),
        format!("tensorboard/{id}/validation"),
        "figures/01_age_distribution.svg".into(),
        "figures/10_heatmaps_by_age.png".into(),
        "report.html".into(),
    ];
    for name in expected {
        assert!(files.contains(&name), "{name} is missing: {files:#?}");
    }

    let predictions = results.table("predictions");
    let (age, prediction) = (numbers(&predictions, "target")[90], numbers(&predictions, "prediction")[90]);
    let picture = format!("LRP_S90_age-{age}_pred-{prediction:.1}");
    let pictures = scene.listing(&format!("results/spec/heatmaps/{id}"));
    assert_eq!(pictures, [format!("{picture}.png"), format!("{picture}_pointer.png")]);
    for name in &pictures {
        let picture = image::open(results.path(&format!("heatmaps/{id}/{name}"))).expect("a PNG").to_rgb8();
        assert!(picture.width() > 98 && picture.height() > 98);
    }
    assert!(files.iter().all(|name| !name.ends_with(".tmp")), "{files:#?}");

    let provenance: serde_json::Value = serde_json::from_slice(&results.bytes("provenance.json")).expect("JSON");
    assert_eq!((&provenance["compute"], &provenance["libtorch_version"]), (&"cpu".into(), &"2.11.0".into()));
    assert_eq!(provenance["command_line"][1], "spec.toml");
}

#[test]
fn tables_have_the_promised_columns() {
    let scene = finished();
    let results = scene.results("spec");
    let columns = |name: &str| {
        let fields = schema(&results.table(name));
        fields.into_iter().map(|(name, kind)| format!("{name} {kind}")).collect::<Vec<_>>()
    };
    assert_eq!(
        columns("epochs"),
        [
            "run_id str",
            "epoch i64",
            "train_loss f64",
            "train_mae f64",
            "val_loss f64",
            "val_mae f64",
            "epoch_seconds f64"
        ]
    );
    assert_eq!(
        columns("predictions"),
        [
            "run_id str",
            "split str",
            "sample i64",
            "target_name str",
            "target f32",
            "prediction f32",
            "gap f32",
            "gap_cole f32",
            "gap_beheshti f32",
            "gap_de_lange f32"
        ]
    );
    assert_eq!(
        columns("measurements"),
        ["run_id str", "sample i64", "metric str", "sign str", "value f64", "unit str", "note str"]
    );
    let samples = columns("samples");
    for column in ["simulate_key str", "sample i64", "name str", "target f32", "age i64", "height f32", "width f32"] {
        assert!(samples.iter().any(|known| known == column), "{column}: {samples:?}");
    }
    for column in ["lesion_rows", "lesion_cols", "atrophy_rows", "atrophy_cols"] {
        assert!(samples.contains(&format!("{column} list")), "{column}: {samples:?}");
    }
    let runs = columns("runs");
    for column in ["run_id str", "status str", "reason str", "test_mae f64", "test_r2 f64", "output_bias f64"] {
        assert!(runs.iter().any(|known| known == column), "{column}: {runs:?}");
    }
    for column in ["simulate_key str", "train_key str", "explain_key str", "evaluate_key str", "render_key str"] {
        assert!(runs.iter().any(|known| known == column), "{column}: {runs:?}");
    }
    for column in ["train_seconds f64", "total_seconds f64", "peak_memory_bytes i64"] {
        assert!(runs.iter().any(|known| known == column), "{column}: {runs:?}");
    }
}

/// Damage to a table is noticed by what reads it, and the experiment writes the table anew.
#[test]
fn a_damaged_table_is_named_and_written_anew() {
    let scene = finished();
    let results = scene.results("spec");
    let (id, intact) = (results.run_id(), results.bytes("runs.parquet"));
    for at in [40, intact.len() / 4, intact.len() / 2] {
        let mut damaged = intact.clone();
        damaged[at] ^= 1;
        std::fs::write(results.path("runs.parquet"), damaged).expect("a damaged table");
        for command in ["report results/spec".to_owned(), format!("compare results/spec {id} {id}")] {
            let ended = scene.run(&command).exits(1);
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
            ended.complains(&[
                "runs.parquet: the file is damaged: its checksum does not match",
                "help: run the experiment",
            ]);
        }
    }
    scene.run("spec.toml").succeeds();
    assert!(results.bytes("runs.parquet") == intact);
    scene.run("report results/spec").succeeds();
}

#[test]
fn tables_agree_with_each_other_and_with_the_arrays() {
    let scene = finished();
    let results = scene.results("spec");
    let id = results.run_id();
    let runs = results.table("runs");
    assert_eq!(texts(&runs, "status"), ["done"]);
    assert_eq!(runs.column("reason").expect("a column").null_count(), 1);
    assert_eq!(numbers(&results.table("epochs"), "epoch"), [1.0, 2.0]);

    let predictions = results.table("predictions");
    let splits = texts(&predictions, "split");
    assert_eq!(
        (&splits[..80], &splits[80..90], &splits[90..]),
        (&vec!["train".to_owned(); 80][..], &vec!["validation".to_owned(); 10][..], &vec!["test".to_owned(); 10][..])
    );
    let (ages, predicted) = (numbers(&predictions, "target"), numbers(&predictions, "prediction"));
    for (name, range) in [("train_mae", 0..80), ("val_mae", 80..90), ("test_mae", 90..100)] {
        assert_close(results.score(name), mean(range.map(|sample| (predicted[sample] - ages[sample]).abs())));
    }
    assert_close(results.score("test_r2"), determination(&ages[90..], &predicted[90..]));
    assert_close(results.score("test_pearson_r").powi(2), squared_pearson(&ages[90..], &predicted[90..]));

    let model = read_safetensors(&results.path(&format!("models/{id}.safetensors")));
    assert_close(results.score("output_bias"), f64::from(model["output.bias"].1[0]));
    assert_eq!(model.values().map(|(_, values)| values.len()).sum::<usize>(), 60_593);

    let (shape, relevance) = read_npy(&results.path(&format!("relevance/{id}.npy")));
    assert_eq!(shape, [10, 98, 98]);
    let measurements = results.table("measurements");
    let (metrics, values) = (texts(&measurements, "metric"), measurements.column("value").expect("a column"));
    let (values, samples) = (values.f64().expect("numbers"), measurements.column("sample").expect("a column"));
    let samples = samples.i64().expect("indices");
    for (index, map) in relevance.chunks_exact(98 * 98).enumerate() {
        let row = (0..metrics.len())
            .find(|&row| metrics[row] == "sum_relevance" && samples.get(row) == Some(90 + index as i64))
            .expect("a row for every map");
        assert_close(values.get(row).expect("a sum"), map.iter().map(|&r| f64::from(r)).sum());
    }
}

fn squared_pearson(x: &[f64], y: &[f64]) -> f64 {
    let (mean_x, mean_y) = (mean(x.iter().copied()), mean(y.iter().copied()));
    let covariance = mean(x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)));
    let variance = |values: &[f64], middle: f64| mean(values.iter().map(|value| (value - middle).powi(2)));
    covariance.powi(2) / (variance(x, mean_x) * variance(y, mean_y))
}

#[test]
fn samples_tell_every_sign() {
    let scene = finished();
    let samples = scene.results("spec").table("samples");
    assert_eq!(samples.height(), 100);
    let ages = numbers(&samples, "age");
    let lengths = |column: &str| -> Vec<f64> {
        let lists = samples.column(column).expect("a column").list().expect("lists");
        (0..lists.len()).map(|row| lists.get_as_series(row).expect("no gap").len() as f64).collect()
    };
    let (lesions, atrophies) = (numbers(&samples, "n_lesions"), numbers(&samples, "n_atrophies"));
    for (column, counts) in [
        ("lesion_rows", &lesions),
        ("lesion_cols", &lesions),
        ("atrophy_rows", &atrophies),
        ("atrophy_cols", &atrophies),
    ] {
        assert_eq!(lengths(column), *counts, "{column}");
    }
    for (sample, &age) in ages.iter().enumerate() {
        assert!((20.0..=80.0).contains(&age));
        // 5 a atrophies with a deviation of 1.5, a - 40 lesions with a deviation of 1; ten deviations are enough.
        assert!((atrophies[sample] - (5.0 * age).min(400.0)).abs() <= 15.0, "sample {sample} of age {age}");
        assert!((lesions[sample] - (age - 40.0).clamp(0.0, 40.0)).abs() <= 10.0, "sample {sample} of age {age}");
    }
    assert_eq!(samples.column("tumour_row0").expect("a column").null_count(), 100);
}

#[test]
fn events_tell_what_happened_in_order() {
    let scene = finished();
    let events = scene.results("spec").events();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a kind")).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("experiment_started", "experiment_finished"));
    let order = ["simulate", "train", "explain"];
    assert_eq!(stages(&events, "stage_started")[..3], order);
    assert_eq!(stages(&events, "stage_finished")[..3], order);
    let mut all = stages(&events, "stage_finished");
    all.sort();
    assert_eq!(all, ["evaluate", "explain", "render", "simulate", "train"]);
    assert_eq!(kinds.iter().filter(|kind| **kind == "epoch_finished").count(), 2);
    let times: Vec<&str> = events.iter().map(|event| event["time"].as_str().expect("a time")).collect();
    assert!(times.is_sorted());
}

#[test]
fn json_tells_events_and_quiet_tells_nothing() {
    let scene = Scene::with_spec(TINY);
    let ended = scene.run("spec.toml --json").succeeds();
    let told: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let of_stages = |events: &[serde_json::Value]| stages(events, "stage_finished");
    assert_eq!(of_stages(&told), of_stages(&scene.results("spec").events()));
    let ended = scene.run("spec.toml --quiet").succeeds();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_dry_run_writes_nothing() {
    let scene = Scene::with_spec(TINY);
    let ended = scene.run("spec.toml --dry-run").succeeds();
    assert!(ended.stdout.contains("1 run: 1 simulate, 1 train, 1 explain, 1 evaluate, 1 render; 0 cached"));
    assert_eq!(scene.listing("."), ["spec.toml"]);
}

/// 1 less the squared error over the spread of the ages.
fn determination(ages: &[f64], predicted: &[f64]) -> f64 {
    let centre = ages.iter().sum::<f64>() / ages.len() as f64;
    let error: f64 = ages.iter().zip(predicted).map(|(age, prediction)| (prediction - age).powi(2)).sum();
    1.0 - error / ages.iter().map(|age| (age - centre).powi(2)).sum::<f64>()
}
