//! `xdlreg-run report`: figures and pages from a results folder alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use polars::prelude::*;
use serde_json::Value;
use xdlreg::data::Split;
use xdlreg::disk::Folder;
use xdlreg::format::FORMAT;
use xdlreg::net::OutputBias;
use xdlreg::plan::FrozenPlan;
use xdlreg::runner::make_plan;
use xdlreg::sim::{Distribution, PumpkinSet, PumpkinSettings, SIDE, simulate};
use xdlreg::spec::{Cell, CellSettings, ExperimentSpec};
use xdlreg::stage::Compute;
use xdlreg::stage_name::StageName;
use xdlreg::store::pumpkins;

use crate::harness::{Results, Scene, listing, numbers, repository, texts, write_npy};
use crate::report_data::data;

const HOSTILE: &str = "<script>alert(1)</script>";
const BIASES: [f64; 5] = [30.0, 42.5, 55.0, 62.5, 70.0];
const OUTPUT_BIASES: [&str; 2] = ["zero", "target-mean"];
const SAMPLES: usize = 200;

/// Writes a results folder as if `seeds` networks had been trained in each of ten settings, without training any.
fn pretend(folder: &Path, seeds: usize) {
    for inner in ["relevance", "logs", "datasets"] {
        fs::create_dir_all(folder.join(inner)).expect("a folder");
    }
    let spec = format!(
        "[experiment]\nname = \"{HOSTILE}\"  # default\ndescription = \"Does bias pull? {HOSTILE}\"\n\n[data]\n\
         n_samples = {SAMPLES}\ndistribution = \"biased\"\ntarget_bias = 55.0\nseed = 3\n\n[model]\ntask = \
         \"regression\"\n\n[explain]\nanalyzer = \"lrp.sequential_preset_a\"\nsubset = \"test\"\n"
    );
    fs::write(folder.join("spec.toml"), spec).expect("the spec");
    let provenance = format!("{{\"command_line\": [\"xdlreg-run\", \"{HOSTILE}.toml\"], \"run_host\": \"here\"}}");
    fs::write(folder.join("provenance.json"), provenance).expect("the provenance");

    let datasets = BIASES.map(|bias| simulate(&settings(bias), &xdlreg::event::silent).expect("pumpkins"));
    let mut runs = Vec::new();
    let mut cells = Vec::new();
    for seed in 0..seeds {
        for (bias, dataset) in datasets.iter().enumerate() {
            for output_bias in OUTPUT_BIASES {
                let number = runs.len();
                let status = match number {
                    n if n % 97 == 96 => "failed",
                    n if n % 101 == 100 => "invalid",
                    _ => "done",
                };
                let mut spec = ExperimentSpec { data: settings(BIASES[bias]).into(), ..ExperimentSpec::default() };
                spec.model.output_bias = if output_bias == "zero" { OutputBias::Zero } else { OutputBias::TargetMean };
                spec.model.seed = seed as u64;
                cells.push(Cell { settings: CellSettings::default(), spec });
                let key = String::new();
                runs.push(Pretended { id: format!("{number:010}"), bias, output_bias, seed, status, dataset, key });
            }
        }
    }
    let mut plan = make_plan(&cells, Compute::Cpu);
    for (planned, run) in plan.runs.iter_mut().zip(&mut runs) {
        run.key = plan.tasks[planned.tasks[StageName::Simulate]].key.to_string();
        planned.run_id.clone_from(&run.id);
        let path = folder.join(format!("datasets/{}.npz", run.key));
        if !path.exists() {
            pumpkins::save(run.dataset, &path).expect("a data set");
        }
    }
    let (name, frozen_at) = (HOSTILE.to_owned(), "2026-01-01T00:00:00Z".to_owned());
    let frozen = FrozenPlan { format: FORMAT, name, frozen_at, compute: Compute::Cpu, plan };
    frozen.write(&Folder::at(folder)).expect("the plan");
    write_runs(folder, &runs);
    write_rows(folder, &runs);
    write_samples(folder, &runs);
    for run in runs.iter().take(3 * BIASES.len() * OUTPUT_BIASES.len()) {
        let test = Split::Test.range(SAMPLES);
        let maps: Vec<f32> = test
            .clone()
            .flat_map(|sample| {
                let share = run.sum(sample) / 2500.0;
                run.dataset.images.get(sample).pixels.iter().map(move |pixel| pixel * share)
            })
            .collect();
        let shape = [test.len(), SIDE, SIDE].map(|length| length as u64);
        write_npy(&folder.join("relevance").join(format!("{}.npy", run.id)), &shape, &maps);
    }
}

/// Pumpkins whose ages gather around a bias.
fn settings(bias: f64) -> PumpkinSettings {
    let (distribution, target_bias) = (Distribution::Biased, Some(bias));
    PumpkinSettings { n_samples: SAMPLES, seed: 3, distribution, target_bias, ..PumpkinSettings::default() }
}

struct Pretended<'a> {
    id: String,
    bias: usize,
    output_bias: &'static str,
    seed: usize,
    status: &'static str,
    dataset: &'a PumpkinSet,
    /// Of its data set.
    key: String,
}

impl Pretended<'_> {
    fn age(&self, sample: usize) -> f32 {
        self.dataset.pumpkins[sample].age as f32
    }

    /// Pulled to the bias, with an error that looks like chance.
    fn prediction(&self, sample: usize) -> f32 {
        let chance = ((sample * 7919 + self.seed * 104_729) % 1000) as f32 / 250.0 - 2.0;
        self.age(sample) + 0.15 * (BIASES[self.bias] as f32 - self.age(sample)) + chance
    }

    fn sum(&self, sample: usize) -> f32 {
        let crossing = if self.output_bias == "zero" { 0.0 } else { BIASES[self.bias] as f32 };
        self.prediction(sample) - crossing
    }
}

fn write_table(folder: &Path, name: &str, mut table: DataFrame) {
    let file = File::create(folder.join(name)).expect("a table's file");
    ParquetWriter::new(file).finish(&mut table).expect("a table");
}

fn write_runs(folder: &Path, runs: &[Pretended]) {
    let done = |run: &Pretended, value: f64| (run.status == "done").then_some(value);
    let each = |value: &dyn Fn(&Pretended) -> Option<f64>| runs.iter().map(value).collect::<Vec<Option<f64>>>();
    let wave = |run: &Pretended| (run.seed as f64 * 1.7).sin();
    let table = df!(
        "run_id" => runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>(),
        "status" => runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        "reason" => runs.iter().map(|run| match run.status {
            "failed" => Some(format!("train: the loss is not a number at epoch 3 {HOSTILE}")),
            "invalid" => Some("the reference cannot be reached".to_owned()),
            _ => None,
        }).collect::<Vec<_>>(),
        "data.target_bias" => runs.iter().map(|run| BIASES[run.bias]).collect::<Vec<_>>(),
        "model.output_bias" => runs.iter().map(|run| run.output_bias).collect::<Vec<_>>(),
        "model.seed" => runs.iter().map(|run| run.seed as u64).collect::<Vec<_>>(),
        "replicate" => runs.iter().map(|run| run.seed as u64).collect::<Vec<_>>(),
        "test_mae" => each(&|run| done(run, 3.0 + 0.02 * (BIASES[run.bias] - 50.0).abs() + 0.2 * wave(run))),
        "test_r2" => each(&|run| done(run, 0.95 - 0.002 * (BIASES[run.bias] - 50.0).abs() + 0.01 * wave(run))),
        "relevance_zero_crossing" => each(&|run| done(run, f64::from(run.prediction(190) - run.sum(190)))),
        "simulate_key" => runs.iter().map(|run| run.key.clone()).collect::<Vec<_>>(),
        "train_seconds" => each(&|run| done(run, 20.0 + wave(run))),
    );
    write_table(folder, "runs.parquet", table.expect("columns of one length"));
}

fn write_rows(folder: &Path, runs: &[Pretended]) {
    let rows: Vec<(&Pretended, usize)> = runs
        .iter()
        .filter(|run| run.status == "done")
        .flat_map(|run| Split::Test.range(SAMPLES).map(move |sample| (run, sample)))
        .collect();
    let ids = || rows.iter().map(|(run, _)| run.id.as_str()).collect::<Vec<_>>();
    let samples = || rows.iter().map(|(_, sample)| *sample as u32).collect::<Vec<_>>();
    let table = df!(
        "run_id" => ids(),
        "split" => vec!["test"; rows.len()],
        "sample" => samples(),
        "target_name" => vec!["age"; rows.len()],
        "target" => rows.iter().map(|(run, sample)| run.age(*sample)).collect::<Vec<_>>(),
        "prediction" => rows.iter().map(|(run, sample)| run.prediction(*sample)).collect::<Vec<_>>(),
    );
    write_table(folder, "predictions.parquet", table.expect("columns of one length"));
    let table = df!(
        "run_id" => ids(),
        "sample" => samples(),
        "metric" => vec!["sum_relevance"; rows.len()],
        "sign" => vec![None::<&str>; rows.len()],
        "value" => rows.iter().map(|(run, sample)| f64::from(run.sum(*sample))).collect::<Vec<_>>(),
        "unit" => vec!["years"; rows.len()],
    );
    write_table(folder, "measurements.parquet", table.expect("columns of one length"));
    let epochs: Vec<(&str, u32)> =
        runs.iter().take(40).flat_map(|run| (1..=5).map(|epoch| (run.id.as_str(), epoch))).collect();
    let losses = |by: f64| epochs.iter().map(|(_, epoch)| by / f64::from(*epoch)).collect::<Vec<_>>();
    let table = df!(
        "run_id" => epochs.iter().map(|row| row.0).collect::<Vec<_>>(),
        "epoch" => epochs.iter().map(|row| row.1).collect::<Vec<_>>(),
        "train_loss" => losses(300.0), "train_mae" => losses(14.0),
        "val_loss" => losses(320.0), "val_mae" => losses(15.0),
        "epoch_seconds" => losses(1.0),
    );
    write_table(folder, "epochs.parquet", table.expect("columns of one length"));
}

fn write_samples(folder: &Path, runs: &[Pretended]) {
    let mut datasets: Vec<&Pretended> = Vec::new();
    for run in runs {
        if datasets.iter().all(|known| known.key != run.key) {
            datasets.push(run);
        }
    }
    let rows: Vec<_> = datasets
        .iter()
        .flat_map(|run| run.dataset.pumpkins.iter().enumerate().map(move |(sample, pumpkin)| (run, sample, pumpkin)))
        .collect();
    let table = df!(
        "simulate_key" => rows.iter().map(|row| row.0.key.clone()).collect::<Vec<_>>(),
        "sample" => rows.iter().map(|row| row.1 as u32).collect::<Vec<_>>(),
        "name" => rows.iter().map(|row| row.2.name.clone()).collect::<Vec<_>>(),
        "target" => rows.iter().map(|row| row.2.age as f32).collect::<Vec<_>>(),
    );
    write_table(folder, "samples.parquet", table.expect("columns of one length"));
}

/// Pumpkins of data sets of one seed have their names in common, and each is shown at the age that it has in its own.
#[track_caller]
fn assert_ages_of_gallery(results: &Results) {
    let (data, samples) = (data(results), results.table("samples"));
    let (keys, ages) = (texts(&samples, "simulate_key"), numbers(&samples, "target"));
    let whole = |value: &Value| value.as_u64().expect("an index") as usize;
    let mut seen = std::collections::BTreeSet::new();
    for run in data["gallery"]["runs"].as_array().expect("runs") {
        let number: usize = run["id"].as_str().expect("a name").parse().expect("its number");
        let key = texts(&results.table("runs"), "simulate_key").swap_remove(number);
        let rows = keys.iter().zip(&ages).filter(|(known, _)| **known == key);
        let own: Vec<f64> = rows.map(|(_, age)| *age).collect();
        for entry in run["entries"].as_array().expect("maps") {
            let shown = &data["gallery"]["samples"][whole(&entry["image"])];
            assert_eq!(shown["target"].as_f64(), Some(own[whole(&entry["sample"])]), "{} of {key}", shown["name"]);
        }
        seen.insert(key);
    }
    assert_eq!(seen.len(), BIASES.len());
}

#[test]
fn figures_and_a_page_come_from_the_folder_alone() {
    let scene = Scene::new();
    let folder = scene.path("study");
    pretend(&folder, 4);
    scene.run("report study --run 0000000017").succeeds();

    let files = listing(&folder.join("figures"));
    let both = |name: &str| ["svg", "png"].iter().all(|ending| files.contains(&format!("{name}.{ending}")));
    for name in
        ["20_metrics_over_settings", "21_residual_curves", "22_relevance_lines", "23_score_table", "25_ensemble"]
    {
        assert!(both(name), "{name} is not among {files:?}");
    }
    for name in [
        "01_age_distribution",
        "02_pumpkin",
        "03_standard_and_toddler",
        "04_senior_and_junior",
        "05_signs_over_age",
        "06_training",
        "07_prediction",
        "08_residuals",
        "09_sum_relevance",
        "10_heatmaps_by_age",
        "11_relevance_by_age",
    ] {
        for run in ["0000000000", "0000000017"] {
            assert!(both(&format!("{run}/{name}")), "{name} is not among {files:?}");
        }
    }
    for file in files.iter().filter(|file| file.ends_with(".svg")) {
        let svg = fs::read_to_string(folder.join("figures").join(file)).expect("a figure");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{file}");
        // Pictures are long words in which anything may occur.
        let drawn: Vec<&str> = svg.split('"').filter(|part| !part.starts_with("data:")).collect();
        assert!(drawn.iter().all(|part| !part.contains("<script") && !part.contains("NaN")), "{file}");
    }

    assert_ages_of_gallery(&Results { folder: folder.clone() });
    let page = fs::read_to_string(folder.join("report.html")).expect("the page");
    assert!(!page.contains(HOSTILE));
    assert_eq!(page.matches("<script").count(), 2, "the data and the code");
    assert!(page.contains("Figures that lack something") && page.contains("causal score of signs"));
    let outside = ["src=\"http", "href=\"http", "url(http"];
    assert!(outside.iter().all(|address| !page.contains(address)));
}

#[test]
fn the_same_folder_gives_the_same_report() {
    let scene = Scene::new();
    let folder = scene.path("study");
    pretend(&folder, 1);
    scene.run("report study").succeeds();
    let contents = || {
        let files = listing(&folder).into_iter().filter(|file| folder.join(file).is_file());
        files.map(|file| (fs::read(folder.join(&file)).expect("a file"), file)).collect::<Vec<_>>()
    };
    let first = contents();
    scene.run("report study").succeeds();
    assert!(first == contents());
}

#[test]
fn what_is_no_results_folder_is_said() {
    let scene = Scene::new();
    fs::create_dir(scene.path("empty")).expect("a folder");
    pretend(&scene.path("study"), 1);
    scene.run("report study --run none-such").exits(2).complains(&["there is no finished run none-such"]);
    assert!(!scene.path("study/report.html").exists());
    scene.run("report empty").exits(2).complains(&["not a results folder"]);
    assert!(listing(&scene.path("empty")).is_empty());
}

/// The folder that `make test-report` opens in a browser.
#[test]
#[ignore = "two thousand runs for the browser: make test-report"]
fn write_a_large_study_for_the_browser() {
    let folder: PathBuf = repository("target/report/large");
    let _ = fs::remove_dir_all(&folder);
    pretend(&folder, 200);
    Scene::new().run(&format!("report {}", folder.display())).succeeds();
}
