//! A results folder, read back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::ReportError;
use crate::data::Split;
use crate::disk::Folder;
use crate::event::Epoch;
use crate::figure::registry::SAMPLE_SCORES;
use crate::figure::study::{self, Ensemble, Prediction, Run, Sample, Score, Study, Value};
use crate::key::may_name_run;
use crate::metric::ENSEMBLE_METRICS;
use crate::sim::{self, PumpkinSettings};
use crate::tables;
use crate::tables::{Cells, Table, Texts};
use crate::task::Task;
use crate::unit::{Unit, Units};

/// The score that is in the unit of relevance.
const SUM: &str = "sum_relevance";

/// Columns of the runs' table that hold neither a setting nor a score.
const FACTS: [&str; 4] = ["run_id", "status", "reason", "note"];

/// The contents of a results folder, the maps left where they are.
pub struct Results {
    pub path: PathBuf,
    pub name: String,
    pub description: String,
    /// `spec.toml` as it is.
    pub spec: String,
    /// `provenance.json`; null where there is none.
    pub provenance: serde_json::Value,
    /// `runs.parquet`.
    pub table: Table,
    /// The runs that are done.
    pub study: Study,
}

impl Results {
    /// Reads the tables of a results folder.
    ///
    /// # Errors
    /// [`ReportError`] where the spec or the table of runs cannot be read, or another table is damaged.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let folder = Folder::at(path);
        let unreadable = |reason: String| ReportError::Unreadable { path: path.join("spec.toml"), reason };
        let spec = folder.read("spec.toml").map_err(|error| unreadable(error.to_string()))?;
        let spec = String::from_utf8(spec).map_err(|error| unreadable(error.to_string()))?;
        let settings: toml::Table = spec.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
        let provenance = folder.read("provenance.json").ok();
        let provenance = provenance.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let text = |key: &str| get(&settings, key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let table = Table::read(&path.join("runs.parquet"), None)?;
        let name = text("experiment.name");
        let runs = read_runs(path, &table, &settings).map_err(|error| match error {
            ReadError::Report(error) => error,
            ReadError::Setting(reason) => unreadable(reason),
        })?;
        let description = text("experiment.description");
        Ok(Self {
            path: path.to_owned(),
            study: Study { name: name.clone(), runs, ensembles: read_ensembles(path)? },
            name,
            description,
            spec,
            provenance,
            table,
        })
    }

    /// The file with the maps of a run; nothing where there is none.
    ///
    /// # Errors
    /// [`ReportError`] for a link, or something else that is not a plain file.
    pub fn relevance(&self, run_id: &str) -> Result<Option<PathBuf>, ReportError> {
        let (folder, name) = (Folder::at(&self.path), format!("relevance/{run_id}.npy"));
        match folder.file(&name) {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReportError::Unreadable { path: folder.path_of(&name), reason: error.to_string() }),
        }
    }

    /// Whether a column of the runs' table is a setting that differs between runs, or counts repetitions.
    pub fn is_setting(column: &str) -> bool {
        column.contains('.') || column == "replicate"
    }
}

enum ReadError {
    Report(ReportError),
    /// A setting that is not understood.
    Setting(String),
}

impl<E: Into<ReportError>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Report(error.into())
    }
}

fn read_runs(path: &Path, table: &Table, settings: &toml::Table) -> Result<Vec<Run>, ReadError> {
    let none = Texts::default();
    let text = |name: &str| table.texts(name).unwrap_or(&none);
    let (ids, states, data_keys) = (text("run_id"), text("status"), text("simulate_key"));
    let key_of = |stage: &str, row: usize| text(stage).get(row).unwrap_or_default().to_owned();
    let mut epochs = read_epochs(path)?;
    let subset = setting(settings, "explain.subset")?.unwrap_or(Split::Test);
    let needed = if table.columns.iter().any(|(name, _)| name == "explain.subset") { Split::All } else { subset };
    let mut predictions = read_predictions(path, needed)?;
    let mut scores = read_scores(path)?;
    let mut units = read_units(path)?;
    let samples = read_samples(path)?;
    let mut runs = Vec::new();
    for row in (0..table.rows).filter(|&row| states.get(row) == Some("done")) {
        let Some(id) = ids.get(row) else { continue };
        if !may_name_run(id) {
            return Err(ReportError::NotARun { path: path.join("runs.parquet"), id: id.to_owned() }.into());
        }
        let varied = varied(table, row);
        let own = overlay(settings, table, row);
        let mut of_run = scores.remove(id).unwrap_or_default();
        let of_table = table.columns.iter().filter(|(name, _)| is_score(name)).filter_map(|(name, _)| {
            let value = table.number(name, row).filter(|value| value.is_finite())?;
            Some(Score { sample: None, metric: name.clone(), sign: None, value })
        });
        of_run.extend(of_table);
        let task = setting(&own, "model.task")?.unwrap_or(Task::Regression);
        let unit = units.remove(id).and_then(|units| units.into_iter().next());
        runs.push(Run {
            id: id.to_owned(),
            varied,
            task,
            unit: unit.unwrap_or_else(|| Units::of(task, &sim::age(), Unit::OUTPUT).of_relevance()),
            network: key_of("train_key", row),
            explanation: key_of("explain_key", row),
            data: setting::<PumpkinSettings>(&own, "data")?.unwrap_or_default(),
            analyzer: setting(&own, "explain.analyzer")?.unwrap_or_default(),
            subset: setting(&own, "explain.subset")?.unwrap_or(Split::Test),
            epochs: epochs.remove(id).unwrap_or_default(),
            predictions: predictions.remove(id).unwrap_or_default(),
            samples: data_keys.get(row).and_then(|key| samples.get(key).cloned()).unwrap_or_default(),
            scores: of_run,
            maps: None,
        });
    }
    Ok(runs)
}

/// Whether a column of the runs' table is a score.
pub fn is_score(column: &str) -> bool {
    let other = ["_key", "_seconds", "_bytes", "_at", "_host"].iter().any(|ending| column.ends_with(ending));
    !other && !FACTS.contains(&column) && !Results::is_setting(column)
}

/// What was varied, in this row: columns under their dotted names.
fn varied(table: &Table, row: usize) -> Vec<(String, Value)> {
    let columns = table.columns.iter().filter(|(name, _)| Results::is_setting(name));
    let value = |(name, cells): &(String, Cells)| {
        let value = match cells {
            Cells::Integers(integers) => Value::Integer(integers[row]?),
            Cells::Numbers(numbers) => Value::Number(Some(numbers[row]).filter(|number| number.is_finite())?),
            Cells::Texts(texts) => Value::Text(plain_number(texts.get(row)?)),
        };
        Some((name.clone(), value))
    };
    columns.filter_map(value).collect()
}

/// "20" for "20.0", as numbers are written among names. Whole numbers stay as they are, however large.
fn plain_number(text: &str) -> String {
    let begins = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let fraction = text.parse::<f64>().ok().filter(|_| begins && text.parse::<i128>().is_err());
    fraction.map_or_else(|| text.to_owned(), |number| number.to_string())
}

/// The settings of a run: those of the spec, with what was varied laid over them.
fn overlay(settings: &toml::Table, table: &Table, row: usize) -> toml::Table {
    let mut own = settings.clone();
    let varied = varied(table, row);
    for (key, _) in &table.columns {
        let Some((section, name)) = key.split_once('.') else { continue };
        let Some(section) = own.entry(section).or_insert_with(|| toml::Table::new().into()).as_table_mut() else {
            continue;
        };
        let Some((_, value)) = varied.iter().find(|(known, _)| known == key) else {
            // This run has no such setting.
            section.remove(name);
            continue;
        };
        let value = match value {
            Value::Integer(integer) => toml::Value::Integer(*integer),
            Value::Number(number) if number.fract() == 0.0 => toml::Value::Integer(*number as i64),
            Value::Number(number) => toml::Value::Float(*number),
            // Lists and the like are written as in a spec.
            Value::Text(text) => format!("value = {text}")
                .parse::<toml::Table>()
                .ok()
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| toml::Value::String(text.clone())),
        };
        section.insert(name.to_owned(), value);
    }
    own
}

/// The value under a dotted key.
fn get<'a>(settings: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let mut parts = key.split('.');
    let first = settings.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn setting<T: DeserializeOwned>(settings: &toml::Table, key: &str) -> Result<Option<T>, ReadError> {
    let value = get(settings, key).cloned();
    let value = value.map(|value| T::deserialize(value).map_err(|error| format!("{key}: {}", error.message())));
    value.transpose().map_err(ReadError::Setting)
}

/// Rows of a table by run; none where there is no such table.
fn by_run<T>(
    path: &Path,
    columns: &[&str],
    row: impl Fn(&Table, usize) -> Option<T>,
) -> Result<HashMap<String, Vec<T>>, ReportError> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let table = Table::read(path, Some(columns))?;
    let mut runs: Vec<Vec<T>> = Vec::new();
    let Some(ids) = table.texts(columns[0]) else { return Ok(HashMap::new()) };
    runs.resize_with(ids.distinct.len(), Vec::new);
    for (index, id) in ids.rows.iter().enumerate() {
        if let (Some(id), Some(row)) = (id, row(&table, index)) {
            runs[*id as usize].push(row);
        }
    }
    Ok(ids.distinct.iter().cloned().zip(runs).collect())
}

fn read_epochs(path: &Path) -> Result<HashMap<String, Vec<Epoch>>, ReportError> {
    let columns = ["run_id", "epoch", "train_loss", "train_mae", "val_loss", "val_mae", "epoch_seconds"];
    by_run(&path.join("epochs.parquet"), &columns, |table, row| {
        Some(Epoch {
            epoch: table.number("epoch", row)? as usize,
            train_loss: table.number("train_loss", row)?,
            train_mae: table.number("train_mae", row)?,
            val_loss: table.number("val_loss", row)?,
            val_mae: table.number("val_mae", row)?,
            epoch_seconds: table.number("epoch_seconds", row)?,
        })
    })
}

/// The predictions of the test set and of the part that is explained.
fn read_predictions(path: &Path, explained: Split) -> Result<HashMap<String, Vec<Prediction>>, ReportError> {
    let columns = ["run_id", "split", "sample", "age", "prediction"];
    by_run(&path.join("predictions.parquet"), &columns, |table, row| {
        let name = table.texts("split")?.get(row)?;
        let split = [Split::Train, Split::Validation, Split::Test].into_iter().find(|split| split.name() == name)?;
        if split != Split::Test && split != explained && explained != Split::All {
            return None;
        }
        Some(Prediction {
            sample: table.number("sample", row)? as usize,
            split,
            age: table.number("age", row)?,
            prediction: table.number("prediction", row)?,
        })
    })
}

/// The scores of samples; those of whole runs are in the runs' table.
fn read_scores(path: &Path) -> Result<HashMap<String, Vec<Score>>, ReportError> {
    let columns = ["run_id", "sample", "metric", "sign", "value"];
    by_run(&path.join("measurements.parquet"), &columns, |table, row| {
        let sample = table.number("sample", row).filter(|sample| sample.is_finite())?;
        let metric = table.texts("metric")?.get(row).filter(|metric| SAMPLE_SCORES.contains(metric))?;
        Some(Score {
            sample: Some(sample as usize),
            metric: metric.to_owned(),
            sign: table.texts("sign").and_then(|signs| signs.get(row)).map(str::to_owned),
            value: table.number("value", row).filter(|value| value.is_finite())?,
        })
    })
}

/// The units of relevance, as the sums of the maps have them.
fn read_units(path: &Path) -> Result<HashMap<String, Vec<String>>, ReportError> {
    by_run(&path.join("measurements.parquet"), &["run_id", "metric", "unit"], |table, row| {
        table.texts("metric")?.get(row).filter(|metric| *metric == SUM)?;
        table.texts("unit")?.get(row).map(str::to_owned)
    })
}

/// The samples of every data set, by the key of its simulation.
fn read_samples(path: &Path) -> Result<HashMap<String, Arc<Vec<Sample>>>, ReportError> {
    let columns = ["simulate_key", "name", "age", "height", "width", "n_lesions", "n_atrophies"];
    let samples = by_run(&path.join("samples.parquet"), &columns, |table, row| {
        Some(Sample {
            name: table.texts("name")?.get(row)?.to_owned(),
            age: table.number("age", row)? as u32,
            height: table.number("height", row)?,
            width: table.number("width", row)?,
            lesions: table.number("n_lesions", row)? as u32,
            atrophies: table.number("n_atrophies", row)? as u32,
        })
    })?;
    Ok(samples.into_iter().map(|(key, samples)| (key, Arc::new(samples))).collect())
}

/// Ensembles with the scores of their images; nothing where there are none.
fn read_ensembles(path: &Path) -> Result<Vec<Ensemble>, ReportError> {
    let [of_ensembles, of_images] = tables::ENSEMBLES.map(|name| path.join(name));
    if !of_ensembles.exists() {
        return Ok(Vec::new());
    }
    let (table, images) = (Table::read(&of_ensembles, None)?, Table::read(&of_images, None)?);
    let none = Texts::default();
    let (ids, owners) = (table.texts("ensemble_id").unwrap_or(&none), images.texts("ensemble_id").unwrap_or(&none));
    let ensemble = |row: usize| {
        let id = ids.get(row)?;
        let rows: Vec<usize> = (0..images.rows).filter(|&image| owners.get(image) == Some(id)).collect();
        let score = |name: &str| {
            let numbers = images.numbers(name)?;
            Some((name.to_owned(), rows.iter().map(|&image| numbers[image]).collect()))
        };
        Some(Ensemble {
            label: study::label(&varied(&table, row)),
            members: table.number("members", row)? as usize,
            scores: ENSEMBLE_METRICS.iter().filter_map(|metric| score(metric.about.name)).collect(),
        })
    };
    Ok((0..table.rows).filter_map(ensemble).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of a sweep, of which only the first varies some of the keys.
    fn table() -> Table {
        let texts = |values: [Option<&str>; 2]| {
            let distinct: Vec<String> = values.iter().flatten().map(|text| (*text).to_owned()).collect();
            let place = |text: &str| distinct.iter().position(|known| known == text).map(|at| at as u32);
            let rows = values.iter().map(|text| text.and_then(place)).collect();
            Cells::Texts(Texts { distinct, rows })
        };
        let columns = [
            ("run_id", texts([Some("one"), Some("other")])),
            ("data.target_bias", Cells::Numbers(vec![30.0, f64::NAN])),
            ("data.distribution", texts([Some("biased"), Some("uniform")])),
            ("explain.reference", texts([Some("{ flooding = 70 }"), None])),
            ("model.seed", Cells::Integers(vec![Some(3), None])),
            ("replicate", Cells::Integers(vec![Some(0), Some(1)])),
            ("test_mae", Cells::Numbers(vec![5.0, 6.0])),
        ];
        Table { rows: 2, columns: columns.map(|(name, cells)| (name.to_owned(), cells)).into() }
    }

    #[test]
    fn a_run_has_the_settings_of_its_row_and_no_others() {
        let spec = "[data]\ntarget_bias = 55.0\ndistribution = 'biased'\nseed = 7\n[model]\nseed = 1\n";
        let settings: toml::Table = spec.parse().unwrap();
        let expected = [
            "[data]\ntarget_bias = 30\ndistribution = 'biased'\nseed = 7\n[model]\nseed = 3\n[explain]\nreference = { flooding = 70 }\n",
            "[data]\ndistribution = 'uniform'\nseed = 7\n[model]\n[explain]\n",
        ];
        for (row, expected) in expected.into_iter().enumerate() {
            assert_eq!(overlay(&settings, &table(), row), expected.parse::<toml::Table>().unwrap(), "row {row}");
        }
    }

    #[test]
    fn columns_are_settings_scores_or_facts() {
        let table = table();
        let names = table.columns.iter().map(|(name, _)| name.as_str());
        let scores: Vec<&str> = names.clone().filter(|name| is_score(name)).collect();
        let settings: Vec<&str> = names.filter(|name| Results::is_setting(name)).collect();
        assert_eq!(scores, ["test_mae"]);
        let expected = ["data.target_bias", "data.distribution", "explain.reference", "model.seed", "replicate"];
        assert_eq!(settings, expected);
        assert!(["train_seconds", "peak_memory_bytes", "train_key"].iter().all(|fact| !is_score(fact)));
    }
}
