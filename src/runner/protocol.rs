//! What the runner and a worker say to each other: JSON lines over the worker's standard input and output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::Progress;
use crate::spec::ExplainSettings;
use crate::stage::{Compute, Job};

/// Something for a worker to do. It ends when its standard input ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Carry out a stage and publish its result in the store.
    Stage { job: Job, store: PathBuf },
    /// Explain images from a file with weights from a file, without a store.
    ExplainFiles { weights: PathBuf, images: PathBuf, explain: ExplainSettings, compute: Compute, out: PathBuf },
}

/// What a worker answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The first reply: where tensors will be computed.
    Ready {
        compute: Compute,
        libtorch: String,
        note: Option<String>,
    },
    /// The device that was asked for is not there.
    NoDevice {
        reason: String,
    },
    Progress(Progress),
    Done {
        seconds: f64,
    },
    /// The request cannot be fulfilled; asking again will not help.
    Failed {
        reason: String,
    },
}
