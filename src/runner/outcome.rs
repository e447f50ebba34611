//! How an experiment and its runs ended.

use std::path::PathBuf;
use std::sync::Arc;

use crate::event::RunStatus;
use crate::plan::PlannedRun;
use crate::tables::RunRecord;

/// How an experiment ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The results folder.
    pub folder: PathBuf,
    pub done: usize,
    pub failed: usize,
    /// Runs whose results mean nothing; see [`crate::event::RunStatus::Invalid`].
    pub invalid: usize,
    /// Runs that were not reached.
    pub pending: usize,
    pub runs: Vec<RunOutcome>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOutcome {
    pub run_id: String,
    pub status: RunStatus,
    /// Whether it went through all its stages.
    pub complete: bool,
    /// Why it failed or is invalid, if so.
    pub reason: Option<String>,
    /// What else must be known of it.
    pub note: Option<String>,
    /// What sets it apart: "data.target_bias = 30, model.seed = 1".
    pub label: String,
    /// The values of the keys that vary, but for seeds; "-" for what is not set.
    pub setting: Vec<(String, String)>,
    /// Its scores by name; those that are not defined are left out.
    pub scores: Vec<(Arc<str>, f64)>,
}

impl Outcome {
    /// Whether every run went through all its stages; what came out may still mean nothing.
    pub fn is_complete(&self) -> bool {
        self.pending == 0 && self.runs.iter().all(|run| run.complete)
    }
}

impl RunOutcome {
    pub(super) fn of(record: &RunRecord, run: &PlannedRun) -> Self {
        Self {
            run_id: record.run_id.clone(),
            status: record.status,
            complete: record.total_seconds.is_some(),
            reason: record.reason.clone(),
            note: record.note.clone(),
            label: run.label(),
            setting: run.setting(),
            scores: record.scores.iter().filter_map(|(name, value)| Some((Arc::clone(name), (*value)?))).collect(),
        }
    }

    /// A score by its name.
    pub fn score(&self, name: &str) -> Option<f64> {
        self.scores.iter().find(|(known, _)| **known == *name).map(|(_, value)| *value)
    }
}
