//! The stages of a run: thin adapters that load, call the domain and save.
//!
//! Training and explaining need libtorch and are carried out by the package `xdlreg-tensor`.

pub mod ensemble;
pub mod evaluate;
mod job;
mod load;
mod memory;
pub mod render;
pub mod simulate;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::explain::{Finding, Flaw, Meaning};
use crate::net::EngineKind;

pub use job::{Compute, Job, LIBTORCH_VERSION, StageContext};
pub use memory::Memory;

/// Files of the entries that stages leave in the store.
pub mod files {
    /// The data set, of `simulate`.
    pub const DATA: &str = "set.npz";
    /// The trained weights, of `train`.
    pub const MODEL: &str = "model.safetensors";
    /// Losses of every epoch, of `train`.
    pub const EPOCHS: &str = "epochs.json";
    /// What else is known of the trained network, of `train`: [`super::Trained`].
    pub const TRAINED: &str = "trained.json";
    /// The prediction of every sample, of `train`.
    pub const PREDICTIONS: &str = "predictions.npy";
    /// TensorBoard's event files, of `train`.
    pub const TENSORBOARD: &str = "tensorboard";
    /// The best weights at a checkpoint epoch, of `train`: a folder.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// One map for every explained sample, of `explain`.
    pub const RELEVANCE: &str = "relevance.npy";
    /// The output of the network that each map explains, of `explain`.
    pub const OUTPUTS: &str = "outputs.npy";
    /// What layers kept of relevance, of `explain`: `[n, layers, 3]`, by biases, by stabilisers, and the rest; only where
    /// relevance is propagated from the prediction.
    pub const LEDGER: &str = "ledger.npy";
    /// What else is known of the maps, of `explain`: [`super::Explained`].
    pub const EXPLAINED: &str = "explained.json";
    /// Scores, of `evaluate`.
    pub const MEASUREMENTS: &str = "measurements.json";
    /// The signs that were left out one at a time, of `evaluate`: [`crate::metric::LeftOutSigns`].
    pub const SIGNS: &str = "signs.json";
    /// Relevance by region, of `evaluate`: [`crate::metric::RegionRelevance`]; of pumpkins none.
    pub const REGIONS: &str = "regions.json";
}

/// Facts of a trained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// The epoch that its weights come from, from 1.
    pub epoch: usize,
    /// Bias of the output layer in the target's unit, where it has one: where the sum of relevance is expected to cross zero.
    pub output_bias: Option<f64>,
    /// What computed its training; none in results of earlier versions.
    #[serde(default)]
    pub engine: Option<EngineKind>,
}

/// Facts of relevance maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// What they mean.
    pub meaning: Meaning,
    /// What predictions are explained against, in the target's unit; 0 without a reference.
    pub reference: f64,
    /// What each map is meant to add up to, where that is not simply its output less the reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<f64>,
    /// Names of the ledger's layers, from the input on; none without a ledger.
    pub layers: Vec<String>,
    /// The maps that mean nothing, by their places, and why.
    pub flaws: BTreeMap<usize, Flaw>,
    /// What a user must know of the maps.
    pub findings: Vec<Finding>,
}

impl Explained {
    /// What the map at `index`, which explains `output`, is meant to add up to; none where it is not meant to add up.
    pub fn total(&self, index: usize, output: f64) -> Option<f64> {
        self.meaning.sum.map(|_| self.totals.get(index).copied().unwrap_or(output - self.reference))
    }
}

/// An error of whatever kind ended a stage, with its own sources. A sentence is one too.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a stage could not be finished. Its message is that of its cause, which is its source.
#[derive(Debug, Error)]
pub enum StageError {
    /// Doing it again cannot help: the settings or their results are at fault.
    #[error("{0}")]
    Failed(#[source] Cause),
    /// The work was done and led to nothing that could be used, such as a loss that is no number.
    #[error("{0}")]
    Invalid(#[source] Cause),
    /// A signal asked for an end. What was reached is stored, and is gone on from.
    #[error("{0}")]
    Stopped(#[source] Cause),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    /// A file does not hold what it should.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: Cause },
}

impl StageError {
    pub fn failed(cause: impl Into<Cause>) -> Self {
        Self::Failed(cause.into())
    }

    pub fn invalid(cause: impl Into<Cause>) -> Self {
        Self::Invalid(cause.into())
    }

    pub fn stopped(cause: impl Into<Cause>) -> Self {
        Self::Stopped(cause.into())
    }

    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub fn file(path: impl Into<PathBuf>, cause: impl Into<Cause>) -> Self {
        Self::File { path: path.into(), source: cause.into() }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
