//! The tables of an experiment, as Parquet files.
//!
//! Rows stand in the order of the plan, so two executions of one spec give the same bytes, except in columns that
//! record time, memory, host or place: their names end in `_seconds`, `_bytes`, `_at` or `_host`.
//!
//! Whole numbers are Int64 in every table, so that differences between columns cannot wrap around and columns of different
//! tables can be joined. A float is null where it is not defined, never NaN or infinite.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use polars::prelude::*;
use serde_json::Value;

use super::checksum;
use crate::data::{Partition, Target};
use crate::disk::Folder;
use crate::event::{Epoch, RunStatus};
use crate::explain::{Finding, Flaw};
use crate::metric::Measurement;
use crate::metric::statistics::mean_of_defined;
use crate::sim::Pumpkin;
use crate::stage_name::{PerStage, StageName};

/// All that the tables tell of a run. What a failed run did not reach is empty.
#[derive(Debug, Clone)]
pub struct RunRecord {
    pub run_id: String,
    pub status: RunStatus,
    /// Why it failed or is invalid.
    pub reason: Option<String>,
    /// What else must be known of it.
    pub note: Option<String>,
    /// The values of the keys that vary, the same keys for all runs.
    pub settings: Vec<(String, Value)>,
    /// Which of the replicates it is, where there are such.
    pub replicate: Option<u64>,
    /// The keys of its stages.
    pub keys: PerStage<String>,
    pub train_seconds: Option<f64>,
    /// Over all stages, as they took when they were made.
    pub total_seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    pub epochs: Vec<Epoch>,
    /// What is predicted.
    pub target: Target,
    /// The part of the data set that each sample belongs to.
    pub partition: Partition,
    /// Of every sample: the target, and the prediction.
    pub predictions: Vec<(f32, f32)>,
    /// What must be known of its maps.
    pub findings: Vec<Finding>,
    /// The maps that mean nothing, by their places.
    pub flaws: BTreeMap<usize, Flaw>,
    pub measurements: Vec<Measurement>,
}

/// A data set and its key.
#[derive(Debug, Clone)]
pub struct DatasetRecord {
    pub key: String,
    pub samples: Rc<SampleRecords>,
}

/// All that the tables tell of the samples of a data set.
#[derive(Debug, Clone)]
pub struct SampleRecords {
    pub target: Target,
    pub targets: Vec<f32>,
    pub partition: Partition,
    pub names: Vec<String>,
    /// The records of pumpkins, where they are such.
    pub pumpkins: Option<Vec<Pumpkin>>,
}

/// All that the tables tell of an ensemble: networks that differ by their seeds alone and explain the same images.
#[derive(Debug, Clone)]
pub struct EnsembleRecord {
    pub ensemble_id: String,
    /// The values of the keys that vary, but for seeds; the same keys for all ensembles.
    pub settings: Vec<(String, Value)>,
    /// A run a member.
    pub run_ids: Vec<String>,
    /// What is predicted.
    pub target: Target,
    /// Names of its scores.
    pub metrics: Vec<&'static str>,
    /// In the order of its maps.
    pub images: Vec<EnsembleImage>,
    /// What must be known of its maps.
    pub note: Option<String>,
    pub simulate_key: String,
    /// Of all that its maps and scores come from.
    pub ensemble_key: String,
}

/// An image that all members explain.
#[derive(Debug, Clone)]
pub struct EnsembleImage {
    /// Index in the data set.
    pub sample: usize,
    pub target: f32,
    /// Mean over members.
    pub prediction: f64,
    /// A value a score; NaN where it is not defined.
    pub scores: Vec<f64>,
}

/// The files of the tables of ensembles, and of their images.
pub const ENSEMBLES: [&str; 2] = ["ensembles.parquet", "ensemble_samples.parquet"];

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error(transparent)]
    Polars(#[from] PolarsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes all tables into `folder`; each is replaced as a whole, so that readers never see a part.
pub fn write_all(folder: &Folder, runs: &[RunRecord], datasets: &[DatasetRecord]) -> Result<(), TableError> {
    write(runs_table(runs)?, folder, "runs.parquet")?;
    write(epochs_table(runs)?, folder, "epochs.parquet")?;
    write(predictions_table(runs)?, folder, "predictions.parquet")?;
    write(measurements_table(runs)?, folder, "measurements.parquet")?;
    write(samples_table(datasets)?, folder, "samples.parquet")
}

/// Writes the tables of ensembles: a row an ensemble with the means of its scores, and a row an image.
pub fn write_ensembles(folder: &Folder, ensembles: &[EnsembleRecord]) -> Result<(), TableError> {
    let [of_ensembles, of_images] = ENSEMBLES;
    write(ensembles_table(ensembles)?, folder, of_ensembles)?;
    write(ensemble_samples_table(ensembles)?, folder, of_images)
}

fn write(table: DataFrame, folder: &Folder, name: &str) -> Result<(), TableError> {
    let columns = table.columns().iter().map(as_promised).collect::<PolarsResult<_>>()?;
    let mut table = DataFrame::new(table.height(), columns)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![checksum::placeholder()])))
        .finish(&mut table)?;
    checksum::complete(&mut bytes);
    Ok(folder.replace(name, &bytes)?)
}

/// The column in the type that tables promise: Int64 for whole numbers, null for a float that is NaN or infinite.
fn as_promised(column: &Column) -> PolarsResult<Column> {
    let name = column.name().clone();
    Ok(match column.dtype() {
        DataType::Float64 => {
            let cells = column.f64()?.iter().map(|cell| cell.filter(|value| value.is_finite()));
            cells.collect::<Float64Chunked>().with_name(name).into_column()
        }
        DataType::Float32 => {
            let cells = column.f32()?.iter().map(|cell| cell.filter(|value| value.is_finite()));
            cells.collect::<Float32Chunked>().with_name(name).into_column()
        }
        DataType::List(inner) if inner.is_integer() => column.cast(&DataType::List(Box::new(DataType::Int64)))?,
        dtype if dtype.is_integer() => column.strict_cast(&DataType::Int64)?,
        _ => column.clone(),
    })
}

/// A column of one value for each item.
fn column<T, V>(name: &str, items: &[T], value: impl Fn(&T) -> V) -> Column
where
    Series: NamedFrom<Vec<V>, [V]>,
    Vec<V>: AsRef<[V]>,
{
    Series::new(name.into(), items.iter().map(value).collect::<Vec<V>>()).into()
}

fn runs_table(runs: &[RunRecord]) -> PolarsResult<DataFrame> {
    let mut columns = vec![
        column("run_id", runs, |run| run.run_id.clone()),
        column("status", runs, |run| run.status.name()),
        column("reason", runs, |run| run.reason.clone()),
        column("note", runs, |run| run.note.clone()),
    ];
    let varied = runs.first().map_or(&[][..], |run| &run.settings);
    for (index, (key, _)) in varied.iter().enumerate() {
        columns.push(setting_column(key, runs.iter().map(|run| &run.settings[index].1).collect()));
    }
    if runs.iter().any(|run| run.replicate.is_some()) {
        columns.push(column("replicate", runs, |run| run.replicate));
    }
    for metric in metric_names(runs) {
        columns.push(column(&metric, runs, |run| {
            run.measurements.iter().find(|row| row.column().as_ref() == Some(&metric)).and_then(|row| row.value)
        }));
    }
    for stage in StageName::ALL {
        columns.push(column(&format!("{stage}_key"), runs, |run| run.keys[stage].clone()));
    }
    columns.push(column("train_seconds", runs, |run| run.train_seconds));
    columns.push(column("total_seconds", runs, |run| run.total_seconds));
    columns.push(column("peak_memory_bytes", runs, |run| run.peak_memory_bytes));
    DataFrame::new(runs.len(), columns)
}

/// A column of settings: truth values, whole numbers or numbers where all values are such, else text. Every value is
/// exact: whole numbers that a float cannot hold do not become floats.
fn setting_column(key: &str, values: Vec<&Value>) -> Column {
    /// Every whole number up to this one is a float.
    const LARGEST: u64 = 1 << f64::MANTISSA_DIGITS;
    let all = |is: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
    let is_exact =
        |value: &Value| value.is_f64() || value.as_i64().is_some_and(|whole| whole.unsigned_abs() <= LARGEST);
    if all(Value::is_boolean) {
        column(key, &values, |value| value.as_bool())
    } else if all(Value::is_i64) {
        column(key, &values, |value| value.as_i64())
    } else if all(is_exact) {
        column(key, &values, |value| value.as_f64())
    } else {
        let text = |value: &&Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        column(key, &values, text)
    }
}

/// Scores of whole runs that have a column, in the order in which they first appear.
fn metric_names(runs: &[RunRecord]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in runs.iter().flat_map(|run| &run.measurements).filter_map(Measurement::column) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn epochs_table(runs: &[RunRecord]) -> PolarsResult<DataFrame> {
    let rows: Vec<(&str, &Epoch)> =
        runs.iter().flat_map(|run| run.epochs.iter().map(|epoch| (run.run_id.as_str(), epoch))).collect();
    let columns = vec![
        column("run_id", &rows, |(run_id, _)| *run_id),
        column("epoch", &rows, |(_, epoch)| epoch.epoch as u32),
        column("train_loss", &rows, |(_, epoch)| epoch.train_loss),
        column("train_mae", &rows, |(_, epoch)| epoch.train_mae),
        column("val_loss", &rows, |(_, epoch)| epoch.val_loss),
        column("val_mae", &rows, |(_, epoch)| epoch.val_mae),
        column("epoch_seconds", &rows, |(_, epoch)| epoch.epoch_seconds),
    ];
    DataFrame::new(rows.len(), columns)
}

fn predictions_table(runs: &[RunRecord]) -> PolarsResult<DataFrame> {
    let mut rows = Vec::new();
    for run in runs {
        for (sample, (target, prediction)) in run.predictions.iter().enumerate() {
            rows.push((run, run.partition.of(sample).name(), sample as u32, *target, *prediction));
        }
    }
    let columns = vec![
        column("run_id", &rows, |row| row.0.run_id.as_str()),
        column("split", &rows, |row| row.1),
        column("sample", &rows, |row| row.2),
        column("target_name", &rows, |row| row.0.target.name.as_str()),
        column("target", &rows, |row| row.3),
        column("prediction", &rows, |row| row.4),
    ];
    DataFrame::new(rows.len(), columns)
}

fn measurements_table(runs: &[RunRecord]) -> PolarsResult<DataFrame> {
    let rows: Vec<(&str, &Measurement)> =
        runs.iter().flat_map(|run| run.measurements.iter().map(|row| (run.run_id.as_str(), row))).collect();
    let columns = vec![
        column("run_id", &rows, |(run_id, _)| *run_id),
        column("sample", &rows, |(_, row)| row.sample.map(|sample| sample as u32)),
        column("metric", &rows, |(_, row)| row.metric.as_str()),
        column("sign", &rows, |(_, row)| row.sign.clone()),
        column("value", &rows, |(_, row)| row.value),
        column("unit", &rows, |(_, row)| row.unit.as_str()),
        column("note", &rows, |(_, row)| row.note.clone()),
    ];
    DataFrame::new(rows.len(), columns)
}

fn samples_table(datasets: &[DatasetRecord]) -> PolarsResult<DataFrame> {
    let mut rows: Vec<(&DatasetRecord, usize)> = Vec::new();
    for dataset in datasets {
        rows.extend((0..dataset.samples.targets.len()).map(|sample| (dataset, sample)));
    }
    let mut columns = vec![
        column("simulate_key", &rows, |(dataset, _)| dataset.key.as_str()),
        column("sample", &rows, |(_, sample)| *sample as u32),
        column("name", &rows, |(dataset, sample)| dataset.samples.names[*sample].clone()),
        column("split", &rows, |(dataset, sample)| dataset.samples.partition.of(*sample).name()),
        column("target_name", &rows, |(dataset, _)| dataset.samples.target.name.as_str()),
        column("target", &rows, |(dataset, sample)| dataset.samples.targets[*sample]),
    ];
    if datasets.iter().any(|dataset| dataset.samples.pumpkins.is_some()) {
        let pumpkin = |(dataset, sample): &(&DatasetRecord, usize)| {
            dataset.samples.pumpkins.as_ref().and_then(|pumpkins| pumpkins.get(*sample)).cloned()
        };
        columns.extend(pumpkin_columns(&rows.iter().map(pumpkin).collect::<Vec<_>>()));
    }
    DataFrame::new(rows.len(), columns)
}

/// What is recorded of pumpkins; null for other samples.
fn pumpkin_columns(rows: &[Option<Pumpkin>]) -> Vec<Column> {
    let list = |name: &str, values: fn(&Pumpkin) -> Vec<i32>| -> Column {
        let lists =
            rows.iter().map(|pumpkin| pumpkin.as_ref().map(|pumpkin| Series::new(PlSmallStr::EMPTY, values(pumpkin))));
        lists.collect::<ListChunked>().with_name(name.into()).into_series().into()
    };
    let tumour = |name: &str, value: fn(&crate::sim::Tumour) -> i32| -> Column {
        column(name, rows, |pumpkin| pumpkin.as_ref()?.tumour.as_ref().map(value))
    };
    let whole = |name: &str, value: fn(&Pumpkin) -> u32| column(name, rows, |pumpkin| pumpkin.as_ref().map(value));
    let size = |name: &str, value: fn(&Pumpkin) -> f32| column(name, rows, |pumpkin| pumpkin.as_ref().map(value));
    vec![
        whole("age", |pumpkin| pumpkin.age),
        size("height", |pumpkin| pumpkin.height),
        size("width", |pumpkin| pumpkin.width),
        whole("n_lesions", |pumpkin| pumpkin.lesions.len() as u32),
        whole("n_atrophies", |pumpkin| pumpkin.atrophies.len() as u32),
        list("lesion_rows", |pumpkin| pumpkin.lesions.iter().map(|lesion| lesion.row.into()).collect()),
        list("lesion_cols", |pumpkin| pumpkin.lesions.iter().map(|lesion| lesion.col.into()).collect()),
        list("atrophy_rows", |pumpkin| pumpkin.atrophies.iter().map(|pixel| pixel.row.into()).collect()),
        list("atrophy_cols", |pumpkin| pumpkin.atrophies.iter().map(|pixel| pixel.col.into()).collect()),
        tumour("tumour_row0", |tumour| tumour.row0.into()),
        tumour("tumour_row1", |tumour| tumour.row1.into()),
        tumour("tumour_col0", |tumour| tumour.col0.into()),
        tumour("tumour_col1", |tumour| tumour.col1.into()),
    ]
}

/// The names of all scores of ensembles, in the order in which they first appear.
fn ensemble_metrics(ensembles: &[EnsembleRecord]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for &name in ensembles.iter().flat_map(|ensemble| &ensemble.metrics) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The score of an image of an ensemble, where it is defined.
fn ensemble_score(ensemble: &EnsembleRecord, image: &EnsembleImage, name: &str) -> Option<f64> {
    let place = ensemble.metrics.iter().position(|known| *known == name)?;
    image.scores.get(place).copied().filter(|value| value.is_finite())
}

fn ensembles_table(ensembles: &[EnsembleRecord]) -> PolarsResult<DataFrame> {
    let mut columns = vec![column("ensemble_id", ensembles, |ensemble| ensemble.ensemble_id.clone())];
    let varied = ensembles.first().map_or(&[][..], |ensemble| &ensemble.settings);
    for (index, (key, _)) in varied.iter().enumerate() {
        columns.push(setting_column(key, ensembles.iter().map(|ensemble| &ensemble.settings[index].1).collect()));
    }
    columns.push(column("members", ensembles, |ensemble| ensemble.run_ids.len() as u32));
    columns.push(column("images", ensembles, |ensemble| ensemble.images.len() as u32));
    columns.push(column("note", ensembles, |ensemble| ensemble.note.clone()));
    for name in ensemble_metrics(ensembles) {
        columns.push(column(name, ensembles, |ensemble| {
            let scores = ensemble.images.iter().filter_map(|image| ensemble_score(ensemble, image, name));
            Some(mean_of_defined(scores)).filter(|mean| mean.is_finite())
        }));
    }
    let run_ids = ensembles.iter().map(|ensemble| Series::new(PlSmallStr::EMPTY, &ensemble.run_ids));
    columns.push(run_ids.collect::<ListChunked>().with_name("run_ids".into()).into_series().into());
    columns.push(column("simulate_key", ensembles, |ensemble| ensemble.simulate_key.clone()));
    columns.push(column("ensemble_key", ensembles, |ensemble| ensemble.ensemble_key.clone()));
    DataFrame::new(ensembles.len(), columns)
}

fn ensemble_samples_table(ensembles: &[EnsembleRecord]) -> PolarsResult<DataFrame> {
    let mut rows: Vec<(&EnsembleRecord, usize, &EnsembleImage)> = Vec::new();
    for ensemble in ensembles {
        rows.extend(ensemble.images.iter().enumerate().map(|(index, image)| (ensemble, index, image)));
    }
    let mut columns = vec![
        column("ensemble_id", &rows, |row| row.0.ensemble_id.as_str()),
        column("map", &rows, |row| row.1 as u32),
        column("sample", &rows, |row| row.2.sample as u32),
        column("target_name", &rows, |row| row.0.target.name.as_str()),
        column("target", &rows, |row| row.2.target),
        column("mean_prediction", &rows, |row| row.2.prediction),
    ];
    for name in ensemble_metrics(ensembles) {
        columns.push(column(name, &rows, |row| ensemble_score(row.0, row.2, name)));
    }
    DataFrame::new(rows.len(), columns)
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
