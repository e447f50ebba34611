//! Why a prediction cannot be explained.

use thiserror::Error;
use xdlreg_core::raster::{ImageShape, UnreadablePlanes};

#[derive(Debug, Error)]
pub enum ExplainError {
    #[error("{key}: {message}; {help}")]
    Unfit { key: String, message: String, help: String },
    #[error("no rule is given for the layer `{layer}`")]
    NoRule { layer: String },
    #[error("the images have {found}, but the network takes {expected}")]
    ImageShape { found: ImageShape, expected: ImageShape },
    #[error("a class is not explained against a number of {unit}: leave explain.reference out")]
    ReferenceOfClass { unit: String },
    #[error(
        "a network whose output layer has no bias is not explained against a reference: leave explain.reference out"
    )]
    NoOutputBias,
    #[error("a regression has no classes: leave explain.class out")]
    ClassOfRegression,
    #[error("{0}")]
    Unreadable(#[from] UnreadablePlanes),
    #[error("maps cannot be written: {0}")]
    Unwritable(#[source] std::io::Error),
    #[error(
        "this reference is taken from samples of known {target}: give a set.npz of `xdlreg-run simulate`, or a number of {unit}"
    )]
    NoSamples { target: String, unit: String },
    #[error("no training sample has a {target} of {from} to {to}")]
    NobodyWithin { target: String, from: f64, to: String },
    #[error(
        "the reference of {reference} cannot be reached for {count} of {total} images: the output bias of {bias} \
         lies between it and their predictions (the first is sample {sample}: {prediction}). Use \
         explain.reference = \"output-bias\", or the mean activation of a group such as {{ ages = [20, 30] }}"
    )]
    Unreachable { reference: String, bias: String, prediction: String, sample: usize, count: usize, total: usize },
    #[error(
        "the reference of {reference} cannot be reached for {count} of {total} images by lowering or raising all \
         hidden units alike: with all at 0 the network says its output bias, {bias} (the first is sample {sample}: \
         {prediction}). Use a reference above the output bias, or the mean activation of a group such as \
         {{ ages = [20, 30] }}"
    )]
    NotFlooded { reference: String, bias: String, prediction: String, sample: usize, count: usize, total: usize },
    #[error(
        "noise of sigma {sigma} makes the reference of {reference} unreachable for sample {sample}: from {unreached} of its \
         {copies} noisy images, since the output bias lies between their predictions and it. Use a smaller sigma, or \
         explain.reference = \"output-bias\""
    )]
    UnreachedUnderNoise { reference: String, sigma: f64, sample: usize, unreached: usize, copies: usize },
    #[error("the relevance of sample {sample} is not finite under `{analyzer}`")]
    NotFinite { sample: usize, analyzer: String },
}

impl ExplainError {
    /// The same error where images are those of these samples of a data set.
    pub fn of_samples(mut self, samples: &[usize]) -> Self {
        match &mut self {
            Self::Unreachable { sample, .. }
            | Self::NotFlooded { sample, .. }
            | Self::UnreachedUnderNoise { sample, .. }
            | Self::NotFinite { sample, .. } => *sample = samples[*sample],
            _ => {}
        }
        self
    }
}
