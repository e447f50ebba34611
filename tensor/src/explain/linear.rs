//! The linear layers of a network, forwards and transposed, with any part of their weights.

use tch::Tensor;
use xdlreg_core::explain::{BiasPart, WeightPart};

use super::memory::channels_last;
use crate::net::Layer;
use crate::net::layer::{Means, Window, convolve};

/// z = W x + b, whatever the layer calls it: a convolution, a dense layer, batch norm's y = s x + t, means over windows, or the
/// sum of two inputs.
#[derive(Debug)]
pub(super) struct Linear {
    map: Map,
    /// Of means and sums one number, by which they are multiplied.
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A part of a layer's weights, ready to be applied.
#[derive(Debug)]
pub(super) struct Part {
    map: Map,
    forward: Tensor,
    transposed: Transposed,
}

/// How weights act on an input.
#[derive(Debug)]
enum Map {
    Conv(Window),
    Dense,
    Scale,
    Means {
        means: Means,
        /// Whether there is one mean a channel, which are features.
        global: bool,
    },
    /// Of the two halves of the channels, or features: what a branch and a shortcut made.
    Sum,
}

impl Map {
    fn shallow_clone(&self) -> Self {
        match self {
            Self::Conv(window) => Self::Conv(*window),
            Self::Dense => Self::Dense,
            Self::Scale => Self::Scale,
            Self::Means { means, global } => Self::Means { means: means.map(Tensor::shallow_clone), global: *global },
            Self::Sum => Self::Sum,
        }
    }
}

#[derive(Debug)]
enum Transposed {
    /// What the forward operator becomes: a flipped kernel, a transposed matrix, the same scale.
    Same(Tensor),
    /// `[rows * columns, filters]` of a convolution with one input channel. Libtorch has no fast convolution with one
    /// filter; a matrix product and the sum of shifted planes takes a third of the time.
    Folded { matrix: Tensor, kernel: [i64; 2] },
    /// A convolution whose output has another size than its input, or whose padding differs between the sides.
    Resized(Window),
}

impl Linear {
    /// The linear map of `layer` for such an input, or `None` for a layer without one.
    pub fn of(layer: &Layer, input: &Tensor) -> Option<Self> {
        let own = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        let one = || Tensor::ones([1], (input.kind(), input.device()));
        let means = |means, global| Self { map: Map::Means { means, global }, weight: one(), bias: None };
        let linear = match layer {
            Layer::Conv { weight, bias, window } => {
                Self { map: Map::Conv(*window), weight: weight.shallow_clone(), bias: own(bias) }
            }
            Layer::Dense { weight, bias } => Self { map: Map::Dense, weight: weight.shallow_clone(), bias: own(bias) },
            Layer::BatchNorm { .. } => {
                let (scale, shift) = scale_and_shift(layer)?;
                Self { map: Map::Scale, weight: scale, bias: Some(shift) }
            }
            Layer::AvgPool(own) => means(own.map(Tensor::shallow_clone), false),
            Layer::GlobalAvgPool => {
                let along = |axis: usize| {
                    let side = input.size()[axis];
                    Tensor::full([1, side], 1.0 / side as f64, (input.kind(), input.device()))
                };
                means(Means { rows: along(2), columns: along(3) }, true)
            }
            Layer::Sum => Self { map: Map::Sum, weight: one(), bias: None },
            Layer::Relu
            | Layer::LeakyRelu { .. }
            | Layer::Elu { .. }
            | Layer::MaxPool(_)
            | Layer::Flatten
            | Layer::Dropout
            | Layer::Branch
            | Layer::Shortcut => return None,
        };
        Some(linear)
    }

    /// A convolution or dense layer and the batch norm right behind it as one layer: s (W x + b) + t. `None` for other pairs.
    pub fn merged(layer: &Layer, batch_norm: &Layer, input: &Tensor) -> Option<Self> {
        let weighted = matches!(layer, Layer::Conv { .. } | Layer::Dense { .. });
        let ((scale, shift), linear) = (scale_and_shift(batch_norm)?, Self::of(layer, input).filter(|_| weighted)?);
        let mut along = vec![1; linear.weight.dim()];
        along[0] = -1;
        let bias = match &linear.bias {
            Some(bias) => bias * &scale + shift,
            None => shift,
        };
        Some(Self { weight: &linear.weight * scale.view(along.as_slice()), bias: Some(bias), ..linear })
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
        let map = match (&self.map, part) {
            // The weight of a pixel in a mean is the product of a number of its row and one of its column.
            (Map::Means { means, global }, WeightPart::Square) => {
                Map::Means { means: means.map(Tensor::square), global: *global }
            }
            (Map::Means { means, global }, WeightPart::One) => {
                Map::Means { means: means.map(|matrix| matrix.gt(0.0).to_kind(matrix.kind())), global: *global }
            }
            (map, _) => map.shallow_clone(),
        };
        Part::new(map, weight)
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

/// Batch norm as y = s x + t: s and t.
fn scale_and_shift(layer: &Layer) -> Option<(Tensor, Tensor)> {
    let Layer::BatchNorm { weight, bias, running_mean, running_var, epsilon } = layer else { return None };
    let scale = weight / (running_var + *epsilon).sqrt();
    let shift = bias - running_mean * &scale;
    Some((scale, shift))
}

impl Part {
    fn new(map: Map, weight: Tensor) -> Self {
        let (forward, transposed) = match &map {
            Map::Means { .. } | Map::Sum => (weight.shallow_clone(), Transposed::Same(weight)),
            &Map::Conv(window) => {
                let (size, [rows, columns]) = (weight.size(), window.kernel);
                let (filters, channels) = (size[0], size[1]);
                let transposed = if !keeps_size(&window) {
                    Transposed::Resized(window)
                } else if channels == 1 {
                    let matrix = weight.reshape([filters, rows * columns]).tr().contiguous();
                    Transposed::Folded { matrix, kernel: window.kernel }
                } else {
                    Transposed::Same(channels_last(&weight.flip([2, 3]).transpose(0, 1)))
                };
                (channels_last(&weight), transposed)
            }
            Map::Dense => {
                let transposed = Transposed::Same(weight.tr().contiguous());
                (weight, transposed)
            }
            Map::Scale => {
                let scale = weight.view([1, -1, 1, 1]);
                (scale.shallow_clone(), Transposed::Same(scale))
            }
        };
        Self { map, forward, transposed }
    }

    /// The weights themselves: `[filters, channels, rows, columns]`, `[outputs, inputs]`, or batch norm's `[1, channels, 1, 1]`.
    pub fn weights(&self) -> &Tensor {
        &self.forward
    }

    /// W x + b.
    pub fn apply(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        operate(&self.map, x, &self.forward, bias)
    }

    /// W^T s, in the shape of the layer's input `x`.
    pub fn transpose(&self, s: &Tensor, x: &Tensor) -> Tensor {
        match &self.transposed {
            Transposed::Same(weight) => match &self.map {
                Map::Means { means, global: false } => means.transpose(s) * weight,
                Map::Means { means, global: true } => means.transpose(&s.unsqueeze(-1).unsqueeze(-1)) * weight,
                Map::Sum => Tensor::cat(&[s, s], 1) * weight,
                map => operate(map, s, weight, None),
            },
            Transposed::Folded { matrix, kernel } => {
                let size = s.size();
                let pixels = s.permute([0, 2, 3, 1]).reshape([size[0], -1, size[1]]);
                let shares = matrix.matmul(&pixels.transpose(1, 2));
                let padding = kernel.map(|side| side / 2);
                shares.col2im([size[2], size[3]], *kernel, [1, 1], padding, [1, 1])
            }
            Transposed::Resized(window) => scatter(s, &self.forward, window, x),
        }
    }
}

/// Whether a convolution has as many rows and columns of outputs as of inputs, with as much padding in front as behind: then
/// the flipped kernel moves over relevance as the kernel over the image.
fn keeps_size(window: &Window) -> bool {
    let half = |padding: [i64; 2]| (0..2).all(|axis| 2 * padding[axis] + 1 == window.kernel[axis]);
    window.stride == [1, 1] && window.symmetric_padding().is_some_and(half)
}

/// Adds every output's weights, times its value in `s`, at the pixels of `x` that its window sees.
fn scatter(s: &Tensor, weight: &Tensor, window: &Window, x: &Tensor) -> Tensor {
    let (inputs, outputs) = (x.size(), s.size());
    // Pixels behind the last window, which no output sees.
    let unseen = |axis: usize| {
        let padded = inputs[2 + axis] + window.padding[axis][0] + window.padding[axis][1];
        padded - ((outputs[2 + axis] - 1) * window.stride[axis] + window.kernel[axis])
    };
    let unseen = [unseen(0), unseen(1)];
    let padded = s.conv_transpose2d(weight, None::<&Tensor>, window.stride, [0, 0], unseen, 1, [1, 1]);
    let [rows, columns] = window.padding;
    padded.narrow(2, rows[0], inputs[2]).narrow(3, columns[0], inputs[3])
}

fn operate(map: &Map, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    match map {
        Map::Conv(window) => convolve(x, weight, bias, window),
        Map::Means { means, global } => {
            let means = means.apply(x) * weight;
            if *global { means.flatten(1, -1) } else { means }
        }
        Map::Sum => {
            let halves = x.chunk(2, 1);
            (&halves[0] + &halves[1]) * weight
        }
        Map::Dense => x.linear(weight, bias),
        Map::Scale => {
            // Of images, or of features.
            let shape: &[i64] = if x.dim() == 2 { &[1, -1] } else { &[1, -1, 1, 1] };
            match bias {
                Some(shift) => x * weight.view(shape) + shift.view(shape),
                None => x * weight.view(shape),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;
    use xdlreg_core::net::Padding;
    use xdlreg_core::raster::ImageShape;

    use super::*;

    /// <W x, s> = <x, W^T s>, whatever the window: what a layer's inputs give is what its outputs get.
    #[test]
    fn transposed_maps_are_adjoint() {
        tch::manual_seed(3);
        let cpu = (Kind::Double, tch::Device::Cpu);
        let paddings = [Padding::Same, Padding::Valid, Padding::Pixels([1, 2]), Padding::Pixels([0, 1])];
        for (kernel, stride) in
            [([3, 3], [1, 1]), ([1, 1], [1, 1]), ([5, 3], [1, 1]), ([2, 4], [1, 1]), ([3, 2], [2, 3]), ([7, 5], [3, 2])]
        {
            for padding in paddings {
                for channels in [1, 3] {
                    let window = Window::new(ImageShape::new(channels, 11, 14), kernel, stride, padding);
                    let weight = Tensor::randn([4, channels as i64, window.kernel[0], window.kernel[1]], cpu);
                    let part = Part::new(Map::Conv(window), weight);
                    let x = Tensor::randn([2, channels as i64, 11, 14], cpu);
                    let z = part.apply(&x, None);
                    let s = z.randn_like();
                    let back = part.transpose(&s, &x);
                    assert_eq!(back.size(), x.size());
                    let (above, below) = ((z * s).sum(Kind::Double), (x * back).sum(Kind::Double));
                    let difference = (above.double_value(&[]) - below.double_value(&[])).abs();
                    assert!(difference < 1e-9, "{kernel:?} by {stride:?}, {padding:?}: {difference}");
                }
            }
        }
    }
}
