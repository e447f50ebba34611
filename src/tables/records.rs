//! What the tables are made from.

use std::sync::Arc;

use serde_json::Value;

use crate::data::{Grouping, Split, Target};
use crate::event::{Epoch, RunStatus};
use crate::metric::{Gap, GapCorrection, LeftOutSigns, Measurement, RegionRelevance};
use crate::sim::Pumpkin;
use crate::stage_name::PerStage;
use crate::store::dataset::Samples;
use crate::task::Task;

/// What the table of runs tells of a run: a row, small enough to be kept for every run of an experiment.
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
    /// Its scores by the names of their columns; none where a score is not defined.
    pub scores: Vec<(Arc<str>, Option<f64>)>,
}

/// What the other tables tell of a run: many rows, which are read from the store when they are written. What a failed run did
/// not reach is empty.
#[derive(Debug, Clone, Default)]
pub struct RunDetails {
    pub epochs: Vec<Epoch>,
    /// The samples that are predicted, once there are predictions.
    pub samples: Option<Arc<Samples>>,
    /// The prediction of every sample.
    pub predictions: Vec<f32>,
    /// What was predicted, once there are predictions.
    pub task: Option<Task>,
    pub measurements: Vec<Measurement>,
    /// The signs that were left out one at a time, a kind each.
    pub signs: Vec<LeftOutSigns>,
    /// Relevance by region of every explained image, where users' data have regions.
    pub regions: Vec<RegionRelevance>,
}

impl RunDetails {
    /// Target and prediction of every sample.
    pub fn predicted(&self) -> impl Iterator<Item = (f32, f32)> {
        let targets = self.samples.iter().flat_map(|samples| &samples.targets);
        targets.copied().zip(self.predictions.iter().copied())
    }

    /// The gap of every sample, corrected by what the validation set shows; empty for classes, which have none.
    pub fn gaps(&self) -> Vec<Gap> {
        let Some(samples) = self.samples.as_ref().filter(|_| self.task == Some(Task::Regression)) else {
            return Vec::new();
        };
        let pairs: Vec<(f64, f64)> = self.predicted().map(|(t, p)| (f64::from(t), f64::from(p))).collect();
        let known = samples.partition.samples(Split::Validation);
        let (targets, predictions): (Vec<f64>, Vec<f64>) =
            known.into_iter().filter_map(|sample| pairs.get(sample).copied()).unzip();
        let correction = GapCorrection::fit(&targets, &predictions);
        pairs.into_iter().map(|(target, prediction)| correction.gap(target, prediction)).collect()
    }

    /// The groups that its samples are compared by.
    pub(super) fn grouping(&self) -> Option<&Grouping> {
        self.samples.as_ref()?.grouping.as_ref()
    }

    /// The group of a sample.
    pub(super) fn group(&self, sample: usize) -> Option<&str> {
        self.grouping()?.of.get(sample).map(String::as_str)
    }

    /// The unit of relevance, as the score of its sum has it.
    pub(super) fn relevance_unit(&self) -> Option<&str> {
        let sum = self.measurements.iter().find(|row| row.metric == "sum_relevance");
        sum.map(|row| row.unit.as_str())
    }

    /// How many rows the tables have of it, all together.
    pub(super) fn rows(&self) -> usize {
        let signs = self.signs.iter().map(|of_kind| of_kind.signs.len()).sum::<usize>();
        self.epochs.len() + self.predictions.len() + self.measurements.len() + signs + self.regions.len()
    }
}

/// All that the tables tell of the samples of a data set.
#[derive(Debug, Clone)]
pub struct DatasetRecord {
    pub key: String,
    pub samples: Arc<Samples>,
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

/// All that the tables tell of a cross-validation: runs that differ by the fold that they test alone.
#[derive(Debug, Clone)]
pub struct CrossValidation {
    pub id: String,
    /// The values of the keys that vary, but for the fold; the same keys for all cross-validations.
    pub settings: Vec<(String, Value)>,
    /// How many folds there are to be.
    pub folds: usize,
    /// A run a fold.
    pub run_ids: Vec<String>,
    /// What is predicted.
    pub target: Target,
    /// Predictions by networks that had not seen the row, in the order of the rows.
    pub rows: Vec<OutOfFold>,
    /// Scores of all these predictions together, by their names.
    pub scores: Vec<(String, f64)>,
    pub note: Option<String>,
}

/// A row's prediction by the network of the fold that tests it.
#[derive(Debug, Clone)]
pub struct OutOfFold {
    /// Index among the runs of the cross-validation.
    pub run: usize,
    pub fold: usize,
    /// Index in the data set.
    pub sample: usize,
    pub name: String,
    pub target: f32,
    pub prediction: f32,
    /// None for classes.
    pub gap: Option<Gap>,
}
