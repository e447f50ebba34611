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

impl Taken {
    pub(super) fn add(&mut self, other: &Self) {
        self.bias += other.bias;
        self.stabiliser += other.stabiliser;
        self.rest += other.rest;
    }

    pub(super) fn over(self, count: f64) -> Self {
        Self { bias: self.bias / count, stabiliser: self.stabiliser / count, rest: self.rest / count }
    }

    /// All that the layer kept.
    pub fn sum(&self) -> f64 {
        self.bias + self.stabiliser + self.rest
    }
}

/// What every layer kept of every image's relevance. With the sum of the map it adds up to prediction - reference; for
/// smoothed maps, to the mean of that over the noisy images.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// Names of the linear layers, from the input on.
    pub layers: Vec<String>,
    /// An entry an image and layer.
    pub taken: Vec<Taken>,
}

impl Ledger {
    /// The entries of one image, a layer each.
    pub fn of(&self, image: usize) -> &[Taken] {
        &self.taken[image * self.layers.len()..][..self.layers.len()]
    }
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
