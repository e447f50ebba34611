//! A stage with all that it reads: what is planned, keyed, sent to a worker and carried out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::memory::{Memory, Verified};
use crate::data::Split;
use crate::event::ProgressSink;
use crate::explain::ExplainSettings;
use crate::key::Key;
use crate::metric::EvaluateSettings;
use crate::net::{EngineChoice, ModelSettings, TrainSettings};
use crate::picture::HeatmapSettings;
use crate::source::Source;
use crate::stage_name::StageName;
use crate::store::Store;
use crate::task::Task;

/// The version of libtorch whose results a key stands for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Where tensors are computed. Results of the two kinds differ by rounding, so it is part of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compute {
    Cpu,
    Cuda(usize),
}

impl Compute {
    /// The kind without the index: which of several equal devices it was makes no difference.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
        }
    }
}

/// One stage of one or more runs. Upstream results are named by their keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Job {
    Simulate {
        data: Source,
    },
    Train {
        dataset: Key,
        model: ModelSettings,
        train: TrainSettings,
        /// A checksum of the weights file that `model` names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<String>,
        compute: Compute,
        threads: usize,
        #[serde(default, skip_serializing_if = "EngineChoice::is_auto")]
        engine: EngineChoice,
    },
    Explain {
        dataset: Key,
        network: Key,
        explain: ExplainSettings,
        compute: Compute,
        #[serde(default, skip_serializing_if = "EngineChoice::is_auto")]
        engine: EngineChoice,
    },
    Evaluate {
        dataset: Key,
        network: Key,
        relevance: Key,
        task: Task,
        explain: ExplainSettings,
        evaluate: EvaluateSettings,
        compute: Compute,
        #[serde(default, skip_serializing_if = "EngineChoice::is_auto")]
        engine: EngineChoice,
    },
    Render {
        dataset: Key,
        network: Key,
        relevance: Key,
        subset: Split,
        heatmaps: HeatmapSettings,
    },
}

impl Job {
    pub fn stage(&self) -> StageName {
        match self {
            Self::Simulate { .. } => StageName::Simulate,
            Self::Train { .. } => StageName::Train,
            Self::Explain { .. } => StageName::Explain,
            Self::Evaluate { .. } => StageName::Evaluate,
            Self::Render { .. } => StageName::Render,
        }
    }

    /// Version of the stage's algorithm: raised whenever the same inputs would give another result.
    fn version(&self) -> u32 {
        match self {
            Self::Simulate { .. } => 1,
            Self::Train { .. } => 2,
            Self::Explain { .. } => 4,
            Self::Evaluate { .. } => 10,
            Self::Render { .. } => 3,
        }
    }

    /// All that the result depends on, and nothing else.
    pub fn inputs(&self) -> Value {
        let mut inputs = match self {
            Self::Simulate { data } => json!({ "data": data.inputs() }),
            Self::Train { dataset, model, train, start, compute, threads, .. } => {
                let model = ModelSettings { start: start.clone(), ..model.clone() }.inputs();
                json!({ "dataset": dataset, "model": model, "train": train, "threads": threads,
                        "compute": compute.kind(), "libtorch": LIBTORCH_VERSION })
            }
            Self::Explain { dataset, network, explain, compute, .. } => {
                json!({ "dataset": dataset, "network": network, "explain": explain,
                        "compute": compute.kind(), "libtorch": LIBTORCH_VERSION })
            }
            // How relevance is found is in its key already.
            Self::Evaluate { dataset, network, relevance, task, explain: _, evaluate, compute, .. } => {
                json!({ "dataset": dataset, "network": network, "relevance": relevance, "task": task,
                        "evaluate": evaluate, "compute": compute.kind(), "libtorch": LIBTORCH_VERSION })
            }
            Self::Render { dataset, network, relevance, subset, heatmaps } => {
                json!({ "dataset": dataset, "network": network, "relevance": relevance, "subset": subset,
                        "heatmaps": heatmaps })
            }
        };
        // Left out by default, so that results of earlier versions keep their keys.
        if let Some(engine) = self.engine().filter(|engine| !engine.is_auto()) {
            inputs["engine"] = json!(engine);
        }
        // Results of earlier versions on CUDA were computed with TF32.
        if let Some(Compute::Cuda(_)) = self.compute() {
            inputs["tf32"] = json!(false);
        }
        inputs["stage"] = json!(self.stage());
        inputs["version"] = json!(self.version());
        inputs
    }

    pub fn key(&self) -> Key {
        Key::of(&self.inputs())
    }

    /// Where tensors are computed; nothing for a stage without any.
    pub fn compute(&self) -> Option<Compute> {
        match self {
            Self::Simulate { .. } | Self::Render { .. } => None,
            Self::Train { compute, .. } | Self::Explain { compute, .. } | Self::Evaluate { compute, .. } => {
                Some(*compute)
            }
        }
    }

    /// What may compute the network; nothing for a stage without one.
    fn engine(&self) -> Option<EngineChoice> {
        match self {
            Self::Simulate { .. } | Self::Render { .. } => None,
            Self::Train { engine, .. } | Self::Explain { engine, .. } | Self::Evaluate { engine, .. } => Some(*engine),
        }
    }

    /// The results that this stage reads.
    pub fn upstream(&self) -> Vec<(StageName, &Key)> {
        match self {
            Self::Simulate { .. } => vec![],
            Self::Train { dataset, .. } => vec![(StageName::Simulate, dataset)],
            Self::Explain { dataset, network, .. } => {
                vec![(StageName::Simulate, dataset), (StageName::Train, network)]
            }
            Self::Evaluate { dataset, network, relevance, .. } | Self::Render { dataset, network, relevance, .. } => {
                vec![(StageName::Simulate, dataset), (StageName::Train, network), (StageName::Explain, relevance)]
            }
        }
    }
}

/// What a stage works with.
pub struct StageContext<'a> {
    pub store: &'a Store,
    pub progress: &'a dyn ProgressSink,
    pub(super) memory: &'a Memory,
    pub(super) verified: Verified,
}

impl<'a> StageContext<'a> {
    pub fn new(store: &'a Store, progress: &'a dyn ProgressSink, memory: &'a Memory) -> Self {
        Self { store, progress, memory, verified: Verified::default() }
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
