//! All that happens while an experiment runs, typed and serializable.
//!
//! Workers report [`Progress`] over a pipe; the runner turns it into [`Event`]s, which are written to
//! `events.jsonl` and shown by reporters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::stage_name::StageName;

/// Losses of one epoch of training. `loss` is the training objective, `mae` in years.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    pub train_loss: f64,
    pub train_mae: f64,
    pub val_loss: f64,
    pub val_mae: f64,
    /// Wall-clock time of training and validation, in seconds.
    pub epoch_seconds: f64,
}

/// What a domain function reports while it works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Progress {
    /// `done` of `total` units ("pumpkins", "images", "maps", "pictures") are finished.
    Step {
        done: u64,
        total: u64,
        unit: String,
    },
    Epoch(Epoch),
    /// Something a user should know, in one line.
    Note {
        message: String,
    },
}

/// Receives the progress of a long computation.
pub trait ProgressSink: Sync {
    fn report(&self, progress: Progress);
}

impl<F: Fn(Progress) + Sync> ProgressSink for F {
    fn report(&self, progress: Progress) {
        self(progress);
    }
}

/// For callers that do not want to know.
pub fn silent(_: Progress) {}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Complete, and its results can be used.
    Done,
    /// A stage could not be finished.
    Failed,
    /// It ran, but its results mean nothing: a loss that is no number, a network worse than predicting the mean, or maps most
    /// of which mean nothing.
    Invalid,
    /// Not reached, because the experiment was stopped before.
    Pending,
}

impl RunStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Pending => "pending",
        }
    }
}

/// Which stage, of which runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRef {
    pub stage: StageName,
    pub key: Key,
    /// How many runs it serves; 0 where an earlier version did not count them.
    #[serde(default)]
    pub runs: usize,
    /// These runs, where it begins and where it ends. What is told again and again meanwhile leaves them out, unless it is one: an
    /// epoch of a network that ten thousand runs share is told in a line as short as any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run_ids: Vec<String>,
}

/// Something that happened to an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    ExperimentStarted {
        /// That of this and all following events.
        #[serde(default = "crate::format::first")]
        format: u32,
        name: String,
        folder: String,
        runs: usize,
        stages: usize,
        cached: usize,
        /// How many stages of each kind are to be done.
        work: BTreeMap<StageName, usize>,
        /// How long a stage of each kind usually takes, where earlier ones tell.
        typical_seconds: BTreeMap<StageName, f64>,
        /// How many workers there will be.
        workers: usize,
    },
    RunStarted {
        run_id: String,
    },
    /// The stage's result was in the store.
    StageCached(StageRef),
    StageStarted {
        #[serde(flatten)]
        stage: StageRef,
        worker: usize,
        /// The worker's log, in the folder `logs`.
        #[serde(deserialize_with = "crate::disk::plain")]
        log: String,
        /// Where in it the stage's part begins, in bytes.
        log_offset: u64,
    },
    /// Part of a stage is done. Shown, but not recorded in `events.jsonl`.
    StageProgress {
        #[serde(flatten)]
        stage: StageRef,
        done: u64,
        total: u64,
        unit: String,
    },
    EpochFinished {
        #[serde(flatten)]
        stage: StageRef,
        epochs: usize,
        #[serde(flatten)]
        epoch: Epoch,
    },
    StageFinished {
        #[serde(flatten)]
        stage: StageRef,
        seconds: f64,
    },
    /// A worker was lost; the stage is tried again.
    StageRetried {
        #[serde(flatten)]
        stage: StageRef,
        attempt: usize,
        reason: String,
    },
    StageFailed {
        #[serde(flatten)]
        stage: StageRef,
        reason: String,
    },
    /// A stage ended without anything that could be used.
    StageInvalid {
        #[serde(flatten)]
        stage: StageRef,
        reason: String,
    },
    RunFinished {
        run_id: String,
        status: RunStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What else must be known of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    Note {
        message: String,
    },
    Interrupted,
    ExperimentFinished {
        done: usize,
        failed: usize,
        invalid: usize,
        seconds: f64,
    },
    /// Something that a newer version recorded.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Receives all events of an experiment, in order.
pub trait EventSink {
    fn emit(&mut self, event: &Event);
}
