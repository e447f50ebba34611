//! Cross-validations: runs that differ by the fold that they test alone.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::reader::{Reader, target_of};
use super::results::ResultsFolder;
use super::validity::targets;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::metric::{PREDICTION_METRICS, Predicted};
use crate::plan::{FOLD, Plan, PlannedRun};
use crate::source::{Fold, Source};
use crate::stage::Job;
use crate::stage_name::StageName;
use crate::tables::{self, CrossValidation, OutOfFold, RunRecord};

/// What comes before the names of scores over all folds, which differ from the mean of the folds' own scores.
const POOLED: &str = "pooled_";

/// Writes the predictions of every row by the network that had not seen it, and scores over all of them. Without cross-validations
/// there are no such tables.
pub fn write(
    plan: &Plan,
    records: &[RunRecord],
    reader: &mut Reader,
    done: &[bool],
    folder: &ResultsFolder,
) -> Result<()> {
    let groups = find(plan);
    if groups.is_empty() {
        let removed = tables::FOLDS.iter().try_for_each(|name| folder.folder().remove_all(name));
        return removed.map_err(|error| Error::io("remove tables from", folder.path(), &error));
    }
    let all: Vec<CrossValidation> =
        groups.iter().map(|runs| read(plan, records, reader, done, runs)).collect::<Result<_>>()?;
    tables::write_folds(folder.folder(), &all).map_err(|error| Error::Failed {
        message: format!("cannot write the tables of cross-validations in {}: {error}", folder.path().display()),
        help: None,
    })
}

/// The fold that a run tests.
fn fold_of(plan: &Plan, run: &PlannedRun) -> Option<Fold> {
    match &plan.tasks[run.tasks[StageName::Simulate]].job {
        Job::Simulate { data: Source::Files(files) } => files.fold,
        _ => None,
    }
}

/// The values of the keys that vary, but for the fold.
fn settings(run: &PlannedRun) -> Vec<(String, Value)> {
    run.settings.iter().filter(|(key, _)| key != FOLD).cloned().collect()
}

/// Runs that are equal but for their folds, in the order of the plan. A run by itself is no cross-validation.
fn find(plan: &Plan) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    for (run, planned) in plan.runs.iter().enumerate().filter(|(_, run)| fold_of(plan, run).is_some()) {
        let group = *place.entry(json!(settings(planned)).to_string()).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(run);
    }
    groups.retain(|runs| runs.len() > 1);
    groups
}

fn read(
    plan: &Plan,
    records: &[RunRecord],
    reader: &mut Reader,
    done: &[bool],
    runs: &[usize],
) -> Result<CrossValidation> {
    let first = &plan.runs[runs[0]];
    let (folds, task) = (fold_of(plan, first).map_or(0, |fold| fold.count), plan.learning_task(first));
    let networks: Vec<&Key> = runs.iter().map(|&run| &plan.tasks[plan.runs[run].tasks[StageName::Train]].key).collect();
    let id = Key::of(&json!({ "settings": settings(first), "networks": networks })).run_id().to_owned();
    let (mut run_ids, mut rows, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for &run in runs {
        let planned = &plan.runs[run];
        let details = reader.found(planned, done)?.details()?;
        let (Some(samples), Some(fold)) = (&details.samples, fold_of(plan, planned)) else { continue };
        let (gaps, of_task) = (details.gaps(), targets(&samples.targets, task));
        for sample in samples.partition.samples(Split::Test) {
            wanted.push((sample, of_task[sample]));
            rows.push(OutOfFold {
                run: run_ids.len(),
                fold: fold.tested,
                sample,
                name: samples.names[sample].clone(),
                target: samples.targets[sample],
                prediction: details.predictions[sample],
                gap: gaps.get(sample).copied(),
            });
        }
        run_ids.push(records[run].run_id.clone());
    }
    rows.sort_by_key(|row| row.sample);
    wanted.sort_by_key(|(sample, _)| *sample);
    let wanted: Vec<f64> = wanted.into_iter().map(|(_, wanted)| wanted).collect();
    let predictions: Vec<f64> = rows.iter().map(|row| f64::from(row.prediction)).collect();
    let predicted = Predicted { targets: &wanted, predictions: &predictions };
    let pooled = |metric: &crate::metric::PredictionMetric| {
        (format!("{POOLED}{}", metric.about.name), (metric.compute)(&predicted))
    };
    // Scores of some folds would be scores of other rows.
    let scores = match run_ids.len() == folds {
        true => PREDICTION_METRICS.iter().filter(|metric| metric.task == task).map(pooled).collect(),
        false => Vec::new(),
    };
    let note = (run_ids.len() < folds).then(|| format!("{} of {folds} folds have predictions", run_ids.len()));
    let target = target_of(plan, first);
    Ok(CrossValidation { id, settings: settings(first), folds, run_ids, target, rows, scores, note })
}
