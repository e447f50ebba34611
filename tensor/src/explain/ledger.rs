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
