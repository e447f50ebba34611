//! `[train]`: how the network learns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::invalid::Invalid;

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
    /// Those of the last epoch, as XDLreg does.
    Last,
    /// Those of the epoch with the lowest validation loss.
    Best,
}

/// `[train]`: the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Passes over the training set.
    pub epochs: usize,
    /// Images a step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Step size of the optimiser.
    pub learning_rate: f64,
    /// "adam", "adamw" or "sgd".
    pub optimizer: Optimizer,
    /// Decoupled weight decay, for "adamw".
    pub weight_decay: f64,
    /// Momentum, for "sgd".
    pub momentum: f64,
    /// "constant" or "cosine".
    pub schedule: Schedule,
    /// Stops when the validation loss has not improved for so many epochs; 0 never stops early.
    pub patience: usize,
    /// Which weights to end with: "last" or "best".
    pub keep: Keep,
    /// Every so many epochs the weights are kept as a checkpoint if the validation loss is the best so far.
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
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid = Vec::new();
        let mut refuse = |wrong: bool, key: &str, message: String, help: &str| {
            if wrong {
                invalid.push(Invalid::new(format!("train.{key}"), message, help));
            }
        };
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let share = |value: f64| (0.0..1.0).contains(&value);
        refuse(self.epochs == 0, "epochs", "a training of 0 epochs learns nothing".into(), "use at least 1");
        refuse(self.batch_size == 0, "batch_size", "a batch of 0 images is empty".into(), "use at least 1");
        let rate = self.learning_rate;
        refuse(
            !positive(rate),
            "learning_rate",
            format!("{rate} is no step size"),
            "use a number above 0, such as 5e-4",
        );
        let decay = self.weight_decay;
        let decays = self.optimizer == Optimizer::Adamw;
        refuse(!(decay >= 0.0 && decay.is_finite()), "weight_decay", format!("{decay} is no decay"), "use 0 or more");
        refuse(
            decay > 0.0 && !decays,
            "weight_decay",
            "only \"adamw\" decays weights".into(),
            "set train.optimizer = \"adamw\", or leave train.weight_decay out",
        );
        let momentum = self.momentum;
        refuse(!share(momentum), "momentum", format!("{momentum} is no momentum"), "use a number from 0 to below 1");
        refuse(
            momentum > 0.0 && self.optimizer != Optimizer::Sgd,
            "momentum",
            "only \"sgd\" reads a momentum".into(),
            "set train.optimizer = \"sgd\", or leave train.momentum out",
        );
        refuse(
            self.checkpoint_every == 0,
            "checkpoint_every",
            "checkpoints every 0 epochs make no sense".into(),
            "use at least 1; a number above train.epochs keeps none",
        );
        invalid
    }
}
