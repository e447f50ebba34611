//! Where a training stands after an epoch, complete enough to go on bit for bit.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use xdlreg_core::event::Epoch;
use xdlreg_core::net::NetworkSpec;

use super::engine::trainable_values;
use super::optimizer::Moments;
use super::weights::{Parameter, Weights, WeightsError, read, to_safetensors};

/// Weights that were worth keeping.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptWeights {
    /// The epoch after which they were taken, from 1.
    pub epoch: usize,
    pub weights: Weights,
}

/// A training between two epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// Losses of the epochs done.
    pub history: Vec<Epoch>,
    pub weights: Weights,
    pub moments: Moments,
    /// Weights of the lowest validation loss so far.
    pub best: Option<KeptWeights>,
    /// The last periodic checkpoint: weights of the lowest validation loss among the epochs at which one was due.
    pub checkpoint: Option<KeptWeights>,
}

/// Why a file holds no state of a training.
#[derive(Debug, Error)]
pub enum TrainStateError {
    #[error("{0}")]
    Weights(#[from] WeightsError),
    #[error("the training state has no readable header: {0}")]
    Header(#[from] serde_json::Error),
    #[error("the training state contradicts itself: {0}")]
    Inconsistent(&'static str),
}

/// What is not a tensor.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// None in a file of an earlier version, which knew PumpkinNet alone.
    network: Option<NetworkSpec>,
    steps: u64,
    history: Vec<Epoch>,
    best: Option<usize>,
    checkpoint: Option<usize>,
}

const HEADER: &str = "train_state";

impl TrainState {
    /// Before the first epoch.
    pub fn new(weights: Weights) -> Self {
        let moments = Moments::zeros(trainable_values(&weights).len());
        Self { history: Vec::new(), weights, moments, best: None, checkpoint: None }
    }

    /// Epochs done.
    pub fn epoch(&self) -> usize {
        self.history.len()
    }

    /// Validation loss after epoch `epoch`, from 1.
    pub fn val_loss(&self, epoch: usize) -> f64 {
        self.history[epoch - 1].val_loss
    }

    /// A safetensors file: parameters under `weights.`, `best.` and `checkpoint.`, the optimiser's moments, and all else
    /// as JSON in its metadata.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            network: Some(self.weights.network().clone()),
            steps: self.moments.steps,
            history: self.history.clone(),
            best: self.best.as_ref().map(|kept| kept.epoch),
            checkpoint: self.checkpoint.as_ref().map(|kept| kept.epoch),
        };
        let moment = |name: &str, values: &[f32]| Parameter {
            name: name.into(),
            shape: vec![values.len()],
            values: values.to_vec(),
        };
        let moments = [moment("first_moment", &self.moments.first), moment("second_moment", &self.moments.second)];
        let named = prefixed("weights", &self.weights)
            .chain(self.best.iter().flat_map(|kept| prefixed("best", &kept.weights)))
            .chain(self.checkpoint.iter().flat_map(|kept| prefixed("checkpoint", &kept.weights)))
            .chain(moments.iter().map(|parameter| (parameter.name.clone(), parameter)));
        let json = serde_json::to_string(&header).expect("numbers and names");
        to_safetensors(named, (HEADER, json))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrainStateError> {
        let file = SafeTensors::deserialize(bytes).map_err(WeightsError::from)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(WeightsError::from)?;
        let json = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
        let header: Header = serde_json::from_str(json.map_or("", String::as_str))?;
        let tensors: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
        let weights_under = |prefix: &str| {
            let own = tensors.iter().filter_map(|(name, view)| {
                Some((name.strip_prefix(prefix)?.strip_prefix('.')?.to_string(), view.clone()))
            });
            Weights::from_tensors(own.collect(), header.network.clone())
        };
        if header.network.as_ref().is_some_and(|network| !network.is_sound()) {
            return Err(TrainStateError::Inconsistent("its layers are no network"));
        }
        let kept = |prefix: &str, epoch: Option<usize>| match epoch {
            Some(epoch) if epoch == 0 || epoch > header.history.len() => {
                Err(TrainStateError::Inconsistent("weights are kept of an epoch that was not trained"))
            }
            Some(epoch) => Ok(Some(KeptWeights { epoch, weights: weights_under(prefix)? })),
            None => Ok(None),
        };
        let weights = weights_under("weights")?;
        let parameters = trainable_values(&weights).len();
        let moment = |name: &str| match tensors.get(name) {
            Some(view) => Ok(read(name.into(), vec![parameters], view)?.values),
            None => Err(TrainStateError::Inconsistent("a moment of the optimiser is missing")),
        };
        Ok(Self {
            moments: Moments { steps: header.steps, first: moment("first_moment")?, second: moment("second_moment")? },
            best: kept("best", header.best)?,
            checkpoint: kept("checkpoint", header.checkpoint)?,
            weights,
            history: header.history,
        })
    }
}

fn prefixed<'a>(prefix: &str, weights: &'a Weights) -> impl Iterator<Item = (String, &'a Parameter)> {
    weights.parameters().iter().map(move |parameter| (format!("{prefix}.{}", parameter.name), parameter))
}
