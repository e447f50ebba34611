//! Why a prediction cannot be explained.

use thiserror::Error;
use xdlreg_core::raster::UnreadablePlanes;

#[derive(Debug, Clone, PartialEq, Error)]
pub enum ExplainError {
    #[error("there is no analyzer `{name}`")]
    UnknownAnalyzer { name: String },
    #[error("no rule is given for the layer `{layer}`")]
    NoRule { layer: String },
    #[error("images of {height} x {width} pixels cannot be explained, only of {side} x {side}", side = xdlreg_core::raster::SIDE)]
    ImageSize { height: usize, width: usize },
    #[error("a class is not explained against a number of years: leave explain.reference out")]
    ReferenceOfClass,
    #[error("a regression has no classes: leave explain.class out")]
    ClassOfRegression,
    #[error(transparent)]
    Unreadable(#[from] UnreadablePlanes),
    #[error("maps cannot be written: {reason}")]
    Unwritable { reason: String },
    #[error(
        "this reference is taken from samples of known age: give a set.npz of `xdlreg-run simulate`, or a number of years"
    )]
    NoSamples,
    #[error("no training sample is aged {from} to {to} years")]
    NobodyOfAges { from: f64, to: f64 },
    #[error(
        "the reference of {reference} years cannot be reached for {count} of {total} images: the output bias of {bias} \
         years lies between it and their predictions (the first is sample {sample}: {prediction} years). Use \
         explain.reference = \"output-bias\", or the mean activation of a group such as {{ ages = [20, 30] }}"
    )]
    Unreachable { reference: String, bias: String, prediction: String, sample: usize, count: usize, total: usize },
    #[error(
        "the reference of {reference} years cannot be reached for {count} of {total} images by lowering or raising all \
         hidden units alike: with all at 0 the network says its output bias, {bias} years (the first is sample {sample}: \
         {prediction} years). Use a reference above the output bias, or the mean activation of a group such as \
         {{ ages = [20, 30] }}"
    )]
    NotFlooded { reference: String, bias: String, prediction: String, sample: usize, count: usize, total: usize },
    #[error(
        "noise of sigma {sigma} makes the reference of {reference} years unreachable for sample {sample}: from {unreached} of its \
         {copies} noisy images, since the output bias lies between their predictions and it. Use a smaller sigma, or \
         explain.reference = \"output-bias\""
    )]
    UnreachedUnderNoise { reference: String, sigma: f64, sample: usize, unreached: usize, copies: usize },
    #[error("the relevance of sample {sample} is not finite under `{analyzer}`")]
    NotFinite { sample: usize, analyzer: String },
}

impl ExplainError {
    /// The same error where the first image is that of the sample `origin` of a data set.
    pub fn counted_from(mut self, origin: usize) -> Self {
        match &mut self {
            Self::Unreachable { sample, .. }
            | Self::NotFlooded { sample, .. }
            | Self::UnreachedUnderNoise { sample, .. }
            | Self::NotFinite { sample, .. } => *sample += origin,
            _ => {}
        }
        self
    }
}
