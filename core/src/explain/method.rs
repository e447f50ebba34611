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
    /// x0 is the image that is `baseline` everywhere.
    IntegratedGradients { steps: usize, baseline: f64 },
    /// For every pixel, the mean of f(x) - f(x occluded) over the square windows of `window` pixels that hold it
    /// (Zeiler and Fergus 2014, doi 10.1007/978-3-319-10590-1_53); windows begin every `stride` pixels and at the end.
    Occlusion { window: usize, stride: usize, fill: f64 },
    /// The image itself: what any explanation has to beat.
    Input,
    /// The image under normal noise of standard deviation 1.
    Random { seed: u64 },
    /// The mean map of another method under noise.
    Smooth { of: Box<Method>, smoothing: Smoothing },
}

/// The mean over noisy images (SmoothGrad: Smilkov et al. 2017, arXiv 1706.03825).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Smoothing {
    /// Number of noisy images over which maps are averaged.
    pub samples: usize,
    /// Standard deviation of the noise.
    pub sigma: f64,
    /// Whether `sigma` is "relative" to the range of an image's values or "absolute".
    pub sigma_unit: SigmaUnit,
    pub seed: u64,
}

impl Default for Smoothing {
    fn default() -> Self {
        Self { samples: 64, sigma: 0.1, sigma_unit: SigmaUnit::Relative, seed: 0 }
    }
}

impl Method {
    /// The method under noise. Without any noise that is the method itself, and all that is said of it.
    pub fn smoothed(self, smoothing: Smoothing) -> Self {
        if smoothing.sigma as f32 == 0.0 {
            return self;
        }
        Self::Smooth { of: Box::new(self), smoothing }
    }

    /// The composite of a relevance propagation that starts from the prediction, whose relevance is in the prediction's
    /// units.
    pub fn relevance(&self) -> Option<&Composite> {
        match self {
            Self::Propagation(composite) if composite.is_relevance() => Some(composite),
            Self::Smooth { of, .. } => of.relevance(),
            _ => None,
        }
    }
}

impl From<Composite> for Method {
    fn from(composite: Composite) -> Self {
        Self::Propagation(composite)
    }
}
