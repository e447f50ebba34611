//! What computes the steps of a training.

use super::optimizer::Moments;
use super::weights::{Weights, is_trainable};

/// Takes training steps and predicts, for the samples of one data set.
pub trait Engine {
    /// Lowers the loss of the samples `batch` by one step of the optimiser. `mask` holds the factors of all dropouts, 0 or
    /// 1 / (1 - rate), `[batch, values]`: for each image those of the first dropout, of the second and so on.
    fn step(&mut self, batch: &[usize], mask: &[f32], learning_rate: f64);

    /// Raw outputs of the training steps since the last call, in the order of the samples.
    fn take_outputs(&mut self) -> Vec<f32>;

    /// Raw outputs for `samples` in evaluation mode.
    fn evaluate(&mut self, samples: &[usize]) -> Vec<f32>;

    fn weights(&self) -> Weights;

    fn moments(&self) -> Moments;
}

/// All trainable values of `weights`, parameter after parameter.
pub fn trainable_values(weights: &Weights) -> Vec<f32> {
    weights.parameters().iter().filter(|p| is_trainable(&p.name)).flat_map(|p| p.values.iter().copied()).collect()
}
