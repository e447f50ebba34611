//! What the long tables tell of runs, read a row group at a time: what comparisons need of every run, and what figures of a run
//! need of some.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::ReportError;
use crate::data::Split;
use crate::event::Epoch;
use crate::figure::registry::SAMPLE_SCORES;
use crate::figure::study::{Prediction, Run, SUM_RELEVANCE, Sample, Score, Study};
use crate::tables::{Parts, Table, Texts};

/// Adds to every run its predictions and the sums of its relevance; to those of `whole`, which are indices, also their epochs, the
/// scores of their samples, and what their data sets say of samples. A table that is not there tells nothing.
pub fn load(study: &mut Study, path: &Path, whole: &HashSet<usize>) -> Result<(), ReportError> {
    let places = Places::of(study, whole);
    let runs = &mut study.runs;
    places.read(&path.join("epochs.parquet"), &EPOCHS, Wanted::Whole, |run, table, row| {
        runs[run].epochs.extend(epoch(table, row));
    })?;
    places.read(&path.join("predictions.parquet"), &PREDICTIONS, Wanted::All, |run, table, row| {
        let subset = runs[run].subset;
        runs[run].predictions.extend(prediction(table, row, subset));
    })?;
    runs.iter_mut().for_each(|run| run.predictions.shrink_to_fit());
    let mut has_unit = vec![false; runs.len()];
    places.read(&path.join("measurements.parquet"), &MEASUREMENTS, Wanted::All, |run, table, row| {
        let Some(metric) = table.texts("metric").and_then(|metrics| metrics.get(row)) else { return };
        if metric == SUM_RELEVANCE {
            // The sum is in the unit of relevance.
            if let (false, Some(unit)) = (has_unit[run], table.texts("unit").and_then(|units| units.get(row))) {
                runs[run].unit = unit.to_owned();
                has_unit[run] = true;
            }
            runs[run].sums.extend(of_sample(table, row).filter(|_| sign(table, row).is_none()));
        } else if whole.contains(&run)
            && SAMPLE_SCORES.contains(&metric)
            && let Some((sample, value)) = of_sample(table, row)
        {
            let sign = sign(table, row).map(str::to_owned);
            runs[run].scores.push(Score { sample: Some(sample), metric: metric.into(), sign, value });
        }
    })?;
    runs.iter_mut().for_each(|run| run.sums.shrink_to_fit());
    let wanted: HashSet<&str> = whole.iter().map(|&run| runs[run].dataset.as_str()).collect();
    let samples = read_samples(&path.join("samples.parquet"), &wanted)?;
    for &run in whole {
        runs[run].samples = samples.get(&runs[run].dataset).cloned().unwrap_or_default();
    }
    Ok(())
}

const EPOCHS: [&str; 7] = ["run_id", "epoch", "train_loss", "train_mae", "val_loss", "val_mae", "epoch_seconds"];
const PREDICTIONS: [&str; 5] = ["run_id", "split", "sample", "target", "prediction"];
const MEASUREMENTS: [&str; 6] = ["run_id", "sample", "metric", "sign", "value", "unit"];
const SAMPLES: [&str; 3] = ["simulate_key", "name", "target"];

/// Of which runs rows are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Whole,
}

/// Where in a study runs are, by their identifiers, and whether they are wanted whole.
struct Places {
    of_runs: HashMap<String, (usize, bool)>,
}

impl Places {
    fn of(study: &Study, whole: &HashSet<usize>) -> Self {
        let place = |(index, run): (usize, &Run)| (run.id.clone(), (index, whole.contains(&index)));
        Self { of_runs: study.runs.iter().enumerate().map(place).collect() }
    }

    /// Passes the rows of wanted runs on, in the order of the table.
    fn read(
        &self,
        path: &Path,
        columns: &[&str],
        wanted: Wanted,
        mut row: impl FnMut(usize, &Table, usize),
    ) -> Result<(), ReportError> {
        let wanted = |id: &String| {
            let &(run, whole) = self.of_runs.get(id)?;
            (whole || wanted == Wanted::All).then_some(run)
        };
        each_part(path, columns, |table, ids| {
            let runs: Vec<Option<usize>> = ids.distinct.iter().map(wanted).collect();
            for (index, id) in ids.rows.iter().enumerate() {
                if let Some(run) = id.and_then(|id| runs[id as usize]) {
                    row(run, table, index);
                }
            }
        })
    }
}

/// Passes the row groups of a table on, with their first column, which holds texts; none where there is no such table.
fn each_part(path: &Path, columns: &[&str], mut part: impl FnMut(&Table, &Texts)) -> Result<(), ReportError> {
    if !path.exists() {
        return Ok(());
    }
    for table in Parts::open(path, Some(columns))? {
        let table = table?;
        if let Some(ids) = table.texts(columns[0]) {
            part(&table, ids);
        }
    }
    Ok(())
}

fn epoch(table: &Table, row: usize) -> Option<Epoch> {
    Some(Epoch {
        epoch: table.number("epoch", row)? as usize,
        train_loss: table.number("train_loss", row)?,
        train_mae: table.number("train_mae", row)?,
        val_loss: table.number("val_loss", row)?,
        val_mae: table.number("val_mae", row)?,
        epoch_seconds: table.number("epoch_seconds", row)?,
    })
}

/// A prediction of the test set, or of the part that is explained.
fn prediction(table: &Table, row: usize, explained: Split) -> Option<Prediction> {
    let split = Split::named(table.texts("split")?.get(row)?)?;
    if split != Split::Test && split != explained && explained != Split::All {
        return None;
    }
    Some(Prediction {
        sample: table.number("sample", row)? as usize,
        split,
        target: table.number("target", row)?,
        prediction: table.number("prediction", row)?,
    })
}

/// The sample and the value of a score, where it is one of a sample and defined.
fn of_sample(table: &Table, row: usize) -> Option<(usize, f64)> {
    let finite = |name| table.number(name, row).filter(|number: &f64| number.is_finite());
    Some((finite("sample")? as usize, finite("value")?))
}

fn sign(table: &Table, row: usize) -> Option<&str> {
    table.texts("sign")?.get(row)
}

/// The samples of the wanted data sets, by the keys of these.
fn read_samples(path: &Path, wanted: &HashSet<&str>) -> Result<HashMap<String, Arc<Vec<Sample>>>, ReportError> {
    let mut samples: HashMap<String, Vec<Sample>> = HashMap::new();
    each_part(path, &SAMPLES, |table, keys| {
        for row in 0..table.rows {
            let Some(key) = keys.get(row).filter(|key| wanted.contains(key)) else { continue };
            let (name, target) = (table.texts("name").and_then(|names| names.get(row)), table.number("target", row));
            if let (Some(name), Some(target)) = (name, target) {
                let sample = Sample { name: name.to_owned(), target };
                match samples.get_mut(key) {
                    Some(of_key) => of_key.push(sample),
                    None => drop(samples.insert(key.to_owned(), vec![sample])),
                }
            }
        }
    })?;
    Ok(samples.into_iter().map(|(key, samples)| (key, Arc::new(samples))).collect())
}
