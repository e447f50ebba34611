//! Where relevance stays on its way back.

/// What one layer kept of an image's relevance, in the prediction's units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Taken {
    /// By biases: R b / d, summed over the layer's outputs.
    pub bias: f64,
    /// By what makes denominators safe to divide by: R (d' - d) / d'.
    pub stabiliser: f64,
    /// What else the layer's output had and its input has not: rounding, for rules that share out all relevance.
    pub rest: f64,
}

/// The sum of values, interleaved so that it can be vectorised.
#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f64 {
    let mut sums = [0.0; 16];
    let chunks = values.chunks_exact(16);
    let rest: f64 = chunks.remainder().iter().copied().map(f64::from).sum();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value);
        }
    }
    sums.iter().sum::<f64>() + rest
}
