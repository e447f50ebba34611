//! The linear layers of a network, forwards and transposed, with any part of their weights.

use tch::Tensor;
use xdlreg_core::explain::{BiasPart, LayerKind, WeightPart};

use super::memory::channels_last;
use crate::net::Layer;
use crate::net::layer::BATCH_NORM_EPSILON;

/// z = W x + b, whatever the layer calls it: a convolution, a dense layer or batch norm's y = s x + t.
#[derive(Debug)]
pub(super) struct Linear {
    pub kind: LayerKind,
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A part of a layer's weights, ready to be applied.
#[derive(Debug)]
pub(super) struct Part {
    kind: LayerKind,
    forward: Tensor,
    transposed: Transposed,
}

#[derive(Debug)]
enum Transposed {
    /// What the forward operator becomes: a flipped kernel, a transposed matrix, the same scale.
    Same(Tensor),
    /// `[kernel * kernel, filters]` of a convolution with one input channel. Libtorch has no fast convolution with one
    /// filter; a matrix product and the sum of shifted planes takes a third of the time.
    Folded { matrix: Tensor, side: i64 },
}

impl Linear {
    /// The linear map of `layer`, or `None` for a layer without one.
    pub fn of(layer: &Layer) -> Option<Self> {
        let linear = match layer {
            Layer::Conv { weight, bias } => {
                Self { kind: LayerKind::Conv, weight: weight.shallow_clone(), bias: Some(bias.shallow_clone()) }
            }
            Layer::Dense { weight, bias } => Self {
                kind: LayerKind::Dense,
                weight: weight.shallow_clone(),
                bias: bias.as_ref().map(Tensor::shallow_clone),
            },
            Layer::BatchNorm { weight, bias, running_mean, running_var } => {
                let scale = weight / (running_var + BATCH_NORM_EPSILON).sqrt();
                let shift = bias - running_mean * &scale;
                Self { kind: LayerKind::BatchNorm, weight: scale, bias: Some(shift) }
            }
            Layer::Relu | Layer::MaxPool | Layer::Flatten | Layer::Dropout => return None,
        };
        Some(linear)
    }

    /// The layer with a part of its weights.
    pub fn part(&self, part: WeightPart) -> Part {
        let w = &self.weight;
        let weight = match part {
            WeightPart::All => w.shallow_clone(),
            WeightPart::Positive => w.clamp_min(0.0),
            WeightPart::Negative => w.clamp_max(0.0),
            WeightPart::Square => w.square(),
            WeightPart::One => w.ones_like(),
            WeightPart::FavourPositive(g) => w + w.clamp_min(0.0) * g,
            WeightPart::FavourNegative(g) => w + w.clamp_max(0.0) * g,
        };
        Part::new(self.kind, weight)
    }

    /// A part of the layer's bias.
    pub fn bias(&self, part: BiasPart) -> Option<Tensor> {
        let b = self.bias.as_ref()?;
        match part {
            BiasPart::None => None,
            BiasPart::All => Some(b.shallow_clone()),
            BiasPart::Positive => Some(b.clamp_min(0.0)),
            BiasPart::Negative => Some(b.clamp_max(0.0)),
            BiasPart::FavourPositive(g) => Some(b + b.clamp_min(0.0) * g),
            BiasPart::FavourNegative(g) => Some(b + b.clamp_max(0.0) * g),
        }
    }
}

impl Part {
    fn new(kind: LayerKind, weight: Tensor) -> Self {
        let (forward, transposed) = match kind {
            LayerKind::Conv => {
                let size = weight.size();
                let (filters, channels, side) = (size[0], size[1], size[2]);
                let transposed = if channels == 1 {
                    Transposed::Folded { matrix: weight.reshape([filters, side * side]).tr().contiguous(), side }
                } else {
                    Transposed::Same(channels_last(&weight.flip([2, 3]).transpose(0, 1)))
                };
                (channels_last(&weight), transposed)
            }
            LayerKind::Dense => {
                let transposed = Transposed::Same(weight.tr().contiguous());
                (weight, transposed)
            }
            LayerKind::BatchNorm => {
                let scale = weight.view([1, -1, 1, 1]);
                (scale.shallow_clone(), Transposed::Same(scale))
            }
        };
        Self { kind, forward, transposed }
    }

    /// The weights themselves: `[filters, channels, k, k]`, `[outputs, inputs]`, or batch norm's `[1, channels, 1, 1]`.
    pub fn weights(&self) -> &Tensor {
        &self.forward
    }

    /// W x + b.
    pub fn apply(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        operate(self.kind, x, &self.forward, bias)
    }

    /// W^T s.
    pub fn transpose(&self, s: &Tensor) -> Tensor {
        match &self.transposed {
            Transposed::Same(weight) => operate(self.kind, s, weight, None),
            Transposed::Folded { matrix, side } => {
                let size = s.size();
                let pixels = s.permute([0, 2, 3, 1]).reshape([size[0], -1, size[1]]);
                let shares = matrix.matmul(&pixels.transpose(1, 2));
                let (kernel, padding) = ([*side, *side], [side / 2, side / 2]);
                shares.col2im([size[2], size[3]], kernel, [1, 1], padding, [1, 1])
            }
        }
    }
}

fn operate(kind: LayerKind, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    match kind {
        LayerKind::Conv => {
            let padding = weight.size()[2] / 2;
            x.conv2d(weight, bias, [1, 1], [padding, padding], [1, 1], 1)
        }
        LayerKind::Dense => x.linear(weight, bias),
        LayerKind::BatchNorm => match bias {
            Some(shift) => x * weight + shift.view([1, -1, 1, 1]),
            None => x * weight,
        },
    }
}
