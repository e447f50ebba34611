//! What the runner and a worker say to each other: JSON lines over the worker's standard input and output.

mod lines;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::Progress;
use crate::explain::ExplainSettings;
use crate::net::ModelSettings;
use crate::stage::{Compute, Job};

pub use lines::{Line, next_line};

/// Something for a worker to do. It ends when its standard input ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Carry out a stage and publish its result in the store.
    Stage { job: Job, store: PathBuf },
    /// Explain images from a file with weights from a file, without a store.
    ExplainFiles { network: NetworkFile, images: PathBuf, explain: ExplainSettings, out: PathBuf },
    /// Predict images from a file into an array `[n]`, without a store.
    PredictFiles { network: NetworkFile, images: PathBuf, out: PathBuf },
}

/// A network in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkFile {
    pub weights: PathBuf,
    /// What the layers are; by default those that the file names, or of a PumpkinNet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Box<ModelSettings>>,
}

/// What a worker answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The first reply: where tensors will be computed.
    Ready {
        compute: Compute,
        /// How many devices of that kind there are.
        devices: usize,
        libtorch: String,
        note: Option<String>,
    },
    /// The device that was asked for is not there.
    NoDevice {
        reason: String,
    },
    /// Another process is at this stage right now.
    Busy,
    /// The result was made meanwhile.
    Found,
    /// The work begins.
    Started,
    Progress(Progress),
    /// The work goes on: see [`crate::alive`].
    Alive,
    /// The predictions for the first images of a file.
    Predicted {
        first: Vec<f32>,
    },
    Done {
        seconds: f64,
    },
    /// The work led to nothing that could be used, such as a loss that is no number; doing it again will not help.
    Invalid {
        reason: String,
    },
    /// The request cannot be fulfilled; asking again will not help.
    Failed {
        reason: String,
    },
    /// A signal asked for an end before the work was done. What was reached is stored, and is gone on from.
    Stopped {
        reason: String,
    },
}

/// A reply about a task of a plan, as a worker that was given the plan records it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskReply {
    pub task: usize,
    #[serde(flatten)]
    pub reply: Reply,
}
