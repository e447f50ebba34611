//! What an analyzer does with an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::composite::Composite;

/// How the standard deviation of noise is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SigmaUnit {
    /// As a share of the range of an image's values.
    Relative,
    /// In units of pixel values.
    Absolute,
}

/// A way to explain the prediction f for an image x.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Relevance or a gradient, propagated once.
    Propagation(Composite),
    /// x times the gradient of f at x.
    InputTimesGradient,
    /// (x - x0) mean_k grad f(x0 + k/n (x - x0)) for k = 0 .. n - 1 (Sundararajan et al. 2017, arXiv 1703.01365), where
    /// x0 is the image that is `reference` everywhere.
    IntegratedGradients { steps: usize, reference: f64 },
    /// The mean gradient under normal noise (Smilkov et al. 2017, arXiv 1706.03825).
    SmoothGrad { samples: usize, sigma: f64, unit: SigmaUnit, seed: u64 },
    /// For every pixel, the mean of f(x) - f(x occluded) over the square windows of `window` pixels that hold it
    /// (Zeiler and Fergus 2014, doi 10.1007/978-3-319-10590-1_53); windows begin every `stride` pixels and at the end.
    Occlusion { window: usize, stride: usize, fill: f64 },
}

impl From<Composite> for Method {
    fn from(composite: Composite) -> Self {
        Self::Propagation(composite)
    }
}
