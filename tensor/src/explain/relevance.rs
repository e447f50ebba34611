//! Relevance on its way back.

use tch::Tensor;
use xdlreg_core::explain::Denominator;

use super::pool::Winners;
use super::stabilise::stabilised;

/// Relevance of a layer's output.
#[derive(Debug)]
pub(super) enum Relevance {
    /// As it is.
    Dense(Tensor),
    /// Still with the outputs of a max-pool that takes the layer's output, to whose winners it belongs.
    ///
    /// Three in four pixels or more win nothing, so it is divided while it is routed.
    Pooled { values: Tensor, winners: Winners },
}

impl Relevance {
    /// One value for every output.
    pub fn dense(&self) -> Tensor {
        match self {
            Self::Dense(relevance) => relevance.shallow_clone(),
            Self::Pooled { values, winners } => winners.route(values),
        }
    }

    /// R over the stabilised `divisors`, those of every image or one image's for all.
    pub fn divide(&self, divisors: &Tensor, denominator: Denominator) -> Tensor {
        match self {
            Self::Dense(relevance) => relevance / stabilised(divisors, denominator),
            Self::Pooled { values, winners } => winners.route_quotient(values, divisors, denominator),
        }
    }
}
