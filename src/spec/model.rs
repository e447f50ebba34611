//! `[model]`: the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Age in years.
    Regression,
    /// "young" or "old".
    Classification,
}

/// Where the bias of the output layer starts (the network's "target bias", in XDLreg's words).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OutputBias {
    Named(NamedOutputBias),
    /// A number of years.
    Years(f64),
}

/// An output bias by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NamedOutputBias {
    /// The mean age of the whole data set.
    TargetMean,
    /// Zero.
    Zero,
}

impl OutputBias {
    pub const TARGET_MEAN: Self = Self::Named(NamedOutputBias::TargetMean);
    pub const ZERO: Self = Self::Named(NamedOutputBias::Zero);
}

/// `[model]`: PumpkinNet and its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// What the network predicts.
    pub task: Task,
    /// Initial output bias: "target-mean", "zero" or a number of years.
    pub output_bias: OutputBias,
    /// Batch normalisation before every convolution and before the dense layers.
    pub batch_norm: bool,
    /// Share of features dropped before the dense layers while training, 0 to below 1.
    pub dropout: f64,
    /// Filters of the five convolutions (3 x 3, the last 1 x 1).
    pub conv_filters: [usize; 5],
    /// Units of the hidden dense layer.
    pub dense_units: usize,
    /// Seed of initial weights, shuffling and dropout.
    pub seed: u64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            task: Task::Regression,
            output_bias: OutputBias::TARGET_MEAN,
            batch_norm: false,
            dropout: 0.5,
            conv_filters: [16, 16, 32, 64, 32],
            dense_units: 64,
            seed: 0,
        }
    }
}
