//! `[train]`: how the network learns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::NetworkSpec;
use super::pumpkin_net::PumpkinNet;
use crate::settings::Invalid;
use crate::settings::Need;
use crate::settings::number::{Bound, count, number};
use crate::sim::SHAPE;

/// Which optimiser updates the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015), betas 0.9 and 0.999, epsilon 1e-7 as in Keras.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw,
    /// Stochastic gradient descent with `momentum`.
    Sgd,
}

/// How the learning rate changes over the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    Constant,
    /// From `learning_rate` to zero along half a cosine.
    Cosine,
}

/// Which weights a training ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The weights of the last epoch, as in XDLreg.
    Last,
    /// The weights of the epoch with the lowest validation loss.
    Best,
}

/// `[train]`: the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Number of passes over the training set. 0 leaves the weights of `model.weights` as they are.
    pub epochs: usize,
    /// Images per training step. The last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Learning rate of the optimiser.
    pub learning_rate: f64,
    /// "adam", "adamw" or "sgd".
    pub optimizer: Optimizer,
    /// Decoupled weight decay, for "adamw".
    pub weight_decay: f64,
    /// Momentum, for "sgd".
    pub momentum: f64,
    /// "constant" or "cosine".
    pub schedule: Schedule,
    /// Number of epochs without an improvement of the validation loss after which the training stops. 0 never
    /// stops early.
    pub patience: usize,
    /// Which weights the training returns: "last" or "best".
    pub keep: Keep,
    /// After every so many epochs, the weights are stored as a checkpoint if the validation loss is the best so
    /// far.
    pub checkpoint_every: usize,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: 25,
            batch_size: 4,
            learning_rate: 5e-4,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            momentum: 0.0,
            schedule: Schedule::Constant,
            patience: 0,
            keep: Keep::Last,
            checkpoint_every: 10,
        }
    }
}

impl TrainSettings {
    /// Weights of one's own can be left `as_they_are`, without an epoch.
    pub fn validate(&self, as_they_are: bool) -> Vec<Invalid> {
        let any = 1..=usize::MAX;
        let least = if as_they_are { 0 } else { 1 };
        let mut invalid: Vec<Invalid> = [
            count("train.epochs", self.epochs, least..=usize::MAX),
            count("train.batch_size", self.batch_size, any.clone()),
            number("train.learning_rate", self.learning_rate, Bound::Positive),
            number("train.weight_decay", self.weight_decay, Bound::AtLeast(0.0)),
            number("train.momentum", self.momentum, Bound::Below(0.0, 1.0)),
            count("train.checkpoint_every", self.checkpoint_every, any),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.weight_decay > 0.0 && self.optimizer != Optimizer::Adamw {
            invalid.push(Invalid::new(
                "train.weight_decay",
                "only the optimizer \"adamw\" decays weights",
                "set train.optimizer = \"adamw\", or leave train.weight_decay out",
            ));
        }
        if self.momentum > 0.0 && self.optimizer != Optimizer::Sgd {
            invalid.push(Invalid::new(
                "train.momentum",
                "only the optimizer \"sgd\" uses momentum",
                "set train.optimizer = \"sgd\", or leave train.momentum out",
            ));
        }
        invalid
    }

    /// Memory of a training of `samples` images of a network.
    pub fn memory(&self, network: &NetworkSpec, samples: usize) -> [Need; 2] {
        // The masks of dropout: a number an image and feature. They are counted for the batch as typed, although no more
        // than the whole training set is drawn at once: a batch that no machine could hold is a slip.
        let batch = self.batch_size as u128;
        let dropped: usize = network.dropouts().iter().map(|(_, values)| values).sum();
        let masks = batch.saturating_mul(4 * dropped as u128);
        // Kernels take image by image, libtorch a whole batch at once.
        let by_kernels = PumpkinNet::found_in(network).is_some_and(|net| !net.batch_norm) && network.input == SHAPE;
        let together = if by_kernels { 0 } else { batch.min(samples as u128) };
        let bytes = masks.saturating_add(together * network.activations());
        // The losses of an epoch, in the state that is stored after each as well.
        const EPOCH: u128 = 250;
        [
            Need::new("train.batch_size", bytes, format!("batches of {} images", self.batch_size)),
            Need::new(
                "train.epochs",
                EPOCH.saturating_mul(self.epochs as u128),
                format!("the losses of {} epochs", self.epochs),
            ),
        ]
    }
}
