//! All that happens while an experiment runs, typed and serializable.
//!
//! Workers send events over a pipe, the runner writes them to `events.jsonl`, reporters show them.

use serde::{Deserialize, Serialize};

use crate::stage::StageName;

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
    Step { done: u64, total: u64, unit: String },
    Epoch(Epoch),
    /// Something a user should know, in one line.
    Note { message: String },
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
