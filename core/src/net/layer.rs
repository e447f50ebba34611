//! The layers of a network as data, and the shapes that they make.

use serde::{Deserialize, Serialize};

use crate::raster::ImageShape;

/// What a layer does. Images are `[channels, rows, columns]`, features a vector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LayerSpec {
    /// Weight `[filters, channels, rows, columns]`, bias `[filters]`.
    Conv {
        filters: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: Padding,
        bias: bool,
    },
    /// Weight `[units, features]`, bias `[units]`.
    Dense {
        units: usize,
        bias: bool,
    },
    /// `(x - running_mean) / sqrt(running_var + epsilon) * weight + bias`, each `[channels]`.
    BatchNorm {
        epsilon: f64,
    },
    Relu,
    /// x where it is positive, else `slope` x.
    LeakyRelu {
        slope: f64,
    },
    /// x where it is positive, else `alpha` (exp(x) - 1).
    Elu {
        alpha: f64,
    },
    MaxPool {
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: Padding,
    },
    /// The mean of every window. Padding of so many pixels counts as zeros, as in PyTorch; that of SAME does not count, as in
    /// Keras.
    AvgPool {
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: Padding,
    },
    /// The means of so many rows and columns of windows, which meet or overlap by one pixel: PyTorch's `AdaptiveAvgPool2d`.
    AdaptiveAvgPool {
        output: [usize; 2],
    },
    /// The mean of every channel, as features.
    GlobalAvgPool,
    /// To features, in channel, row, column order.
    Flatten,
    /// Drops this share of its input while training.
    Dropout {
        rate: f64,
    },
    /// Begins a residual block: keeps the input for the shortcut and hands it to the branch.
    Branch,
    /// Keeps what the branch made of the input, and goes on with the input itself.
    Shortcut,
    /// Ends a residual block: what the branch made of its input plus what the shortcut made of it.
    Sum,
}

/// What is put around an image before a window moves over it: zeros for a convolution, nothing that could win for a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// As much that the output has ceil(side / stride) pixels, the smaller half of it in front, as in Keras and TensorFlow.
    Same,
    Valid,
    /// So many rows and columns on either side.
    Pixels([usize; 2]),
}

impl Padding {
    /// Pixels in front of and behind a `side`.
    pub fn around(self, axis: usize, side: usize, kernel: usize, stride: usize) -> [usize; 2] {
        match self {
            Self::Valid => [0, 0],
            Self::Pixels(pixels) => [pixels[axis]; 2],
            Self::Same => {
                let total = ((side.div_ceil(stride).max(1) - 1) * stride + kernel).saturating_sub(side);
                [total / 2, total - total / 2]
            }
        }
    }
}

/// What goes into a layer or comes out of it, for one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Image(ImageShape),
    Features(usize),
}

impl Shape {
    /// Numbers in it.
    pub fn values(self) -> usize {
        match self {
            Self::Image(image) => image.values(),
            Self::Features(features) => features,
        }
    }

    /// What batch norm has a mean of: channels, or features.
    pub fn channels(self) -> usize {
        match self {
            Self::Image(image) => image.channels,
            Self::Features(features) => features,
        }
    }
}

/// "16 x 98 x 98 (channels, rows, columns)", "512 features".
impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Image(ImageShape { channels, height, width }) => {
                write!(f, "{channels} x {height} x {width} (channels, rows, columns)")
            }
            Self::Features(features) => write!(f, "{features} features"),
        }
    }
}

impl LayerSpec {
    /// As specifications call it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::Dense { .. } => "dense",
            Self::BatchNorm { .. } => "batch_norm",
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Elu { .. } => "elu",
            Self::MaxPool { .. } => "max_pool",
            Self::AvgPool { .. } | Self::AdaptiveAvgPool { .. } => "avg_pool",
            Self::GlobalAvgPool => "global_avg_pool",
            Self::Flatten => "flatten",
            Self::Dropout { .. } => "dropout",
            Self::Branch | Self::Shortcut | Self::Sum => "residual",
        }
    }

    /// Kernel, stride and padding of a layer with a moving window.
    pub fn window(self) -> Option<([usize; 2], [usize; 2], Padding)> {
        match self {
            Self::Conv { kernel, stride, padding, .. }
            | Self::MaxPool { kernel, stride, padding }
            | Self::AvgPool { kernel, stride, padding } => Some((kernel, stride, padding)),
            _ => None,
        }
    }

    /// What comes out of it, or why this input does not fit. Residual blocks hand on what they get; [`super::shapes`] knows
    /// what they keep.
    pub fn output(self, input: Shape) -> Result<Shape, String> {
        match (self, input) {
            (Self::Conv { filters, kernel, stride, padding, .. }, Shape::Image(image)) => {
                let [height, width] = windows(image, kernel, stride, padding)?;
                Ok(Shape::Image(ImageShape::new(filters, height, width)))
            }
            (
                Self::MaxPool { kernel, padding: Padding::Pixels(pixels), .. }
                | Self::AvgPool { kernel, padding: Padding::Pixels(pixels), .. },
                Shape::Image(_),
            ) if pixels[0] >= kernel[0] || pixels[1] >= kernel[1] => {
                Err("its padding must be less than its kernel, or some windows would see no pixel".into())
            }
            (
                Self::MaxPool { kernel, stride, padding } | Self::AvgPool { kernel, stride, padding },
                Shape::Image(image),
            ) => {
                let [height, width] = windows(image, kernel, stride, padding)?;
                Ok(Shape::Image(ImageShape::new(image.channels, height, width)))
            }
            (Self::AdaptiveAvgPool { output: [height, width] }, Shape::Image(image)) => {
                Ok(Shape::Image(ImageShape::new(image.channels, height, width)))
            }
            (Self::GlobalAvgPool, Shape::Image(image)) => Ok(Shape::Features(image.channels)),
            (Self::Dense { units, .. }, Shape::Features(_)) => Ok(Shape::Features(units)),
            (Self::Dense { .. }, Shape::Image(_)) => {
                Err("a dense layer takes features, not an image: add a layer of the type \"flatten\" before it".into())
            }
            (
                Self::Conv { .. }
                | Self::MaxPool { .. }
                | Self::AvgPool { .. }
                | Self::AdaptiveAvgPool { .. }
                | Self::GlobalAvgPool,
                Shape::Features(_),
            ) => Err(format!("a {} layer takes an image, but there are only features left", self.kind())),
            (Self::Flatten, _) => Ok(Shape::Features(input.values())),
            (
                Self::BatchNorm { .. }
                | Self::Relu
                | Self::LeakyRelu { .. }
                | Self::Elu { .. }
                | Self::Dropout { .. }
                | Self::Branch
                | Self::Shortcut
                | Self::Sum,
                _,
            ) => Ok(input),
        }
    }

    /// The parts of its name and the shapes of its parameters, in the order of weights files.
    pub fn parameters(self, input: Shape) -> Vec<(&'static str, Vec<usize>)> {
        match self {
            Self::Conv { filters, kernel: [rows, cols], bias, .. } => {
                let weight = ("weight", vec![filters, input.channels(), rows, cols]);
                [weight].into_iter().chain(bias.then(|| ("bias", vec![filters]))).collect()
            }
            Self::Dense { units, bias } => {
                let weight = ("weight", vec![units, input.values()]);
                [weight].into_iter().chain(bias.then(|| ("bias", vec![units]))).collect()
            }
            Self::BatchNorm { .. } => {
                ["weight", "bias", "running_mean", "running_var"].map(|part| (part, vec![input.channels()])).into()
            }
            _ => Vec::new(),
        }
    }
}

/// Rows and columns of what a moving window makes of an image.
fn windows(image: ImageShape, kernel: [usize; 2], stride: [usize; 2], padding: Padding) -> Result<[usize; 2], String> {
    let mut counts = [0; 2];
    for (axis, side) in [image.height, image.width].into_iter().enumerate() {
        let [before, after] = padding.around(axis, side, kernel[axis], stride[axis]);
        let room = (before + side + after).checked_sub(kernel[axis]);
        let room = room.ok_or_else(|| {
            format!(
                "a window of {} x {} is larger than the {} x {} pixels of its input",
                kernel[0], kernel[1], image.height, image.width
            )
        })?;
        counts[axis] = room / stride[axis] + 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(channels: usize, height: usize, width: usize) -> Shape {
        Shape::Image(ImageShape::new(channels, height, width))
    }

    #[test]
    fn windows_make_the_shapes_of_pytorch_and_keras() {
        let conv = |kernel, stride, padding| LayerSpec::Conv { filters: 7, kernel, stride, padding, bias: true };
        // (h + 2 p - k) / s + 1, rounded down.
        for (layer, input, expected) in [
            (conv([3, 3], [1, 1], Padding::Same), image(3, 64, 80), image(7, 64, 80)),
            (conv([3, 3], [1, 1], Padding::Valid), image(3, 64, 80), image(7, 62, 78)),
            (conv([7, 7], [2, 2], Padding::Pixels([3, 3])), image(3, 64, 81), image(7, 32, 41)),
            (conv([2, 4], [2, 3], Padding::Same), image(1, 5, 7), image(7, 3, 3)),
            (conv([1, 5], [1, 1], Padding::Pixels([0, 2])), image(1, 5, 7), image(7, 5, 7)),
        ] {
            assert_eq!(layer.output(input), Ok(expected), "{layer:?}");
        }
        let pool = LayerSpec::MaxPool { kernel: [3, 3], stride: [2, 2], padding: Padding::Same };
        assert_eq!(pool.output(image(16, 98, 49)), Ok(image(16, 49, 25)));
        assert_eq!(Padding::Same.around(0, 98, 3, 2), [0, 1]);
        assert_eq!(Padding::Same.around(0, 49, 3, 2), [1, 1]);
        assert_eq!(Padding::Same.around(0, 4, 1, 2), [0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let refused = |layer: LayerSpec, input| layer.output(input).unwrap_err();
        let dense = LayerSpec::Dense { units: 3, bias: true };
        assert!(refused(dense, image(1, 4, 4)).contains("flatten"));
        let pool = LayerSpec::MaxPool { kernel: [5, 5], stride: [1, 1], padding: Padding::Valid };
        assert!(refused(pool, image(1, 4, 9)).contains("5 x 5 is larger than the 4 x 9"));
        let pool = LayerSpec::MaxPool { kernel: [2, 3], stride: [1, 1], padding: Padding::Pixels([2, 0]) };
        assert!(refused(pool, image(1, 9, 9)).contains("less than its kernel"));
        assert!(refused(pool, Shape::Features(9)).contains("takes an image"));
    }

    #[test]
    fn parameters_have_the_names_and_shapes_of_pytorch() {
        let conv = LayerSpec::Conv { filters: 7, kernel: [3, 5], stride: [1, 1], padding: Padding::Valid, bias: false };
        assert_eq!(conv.parameters(image(2, 9, 9)), [("weight", vec![7, 2, 3, 5])]);
        let dense = LayerSpec::Dense { units: 3, bias: true };
        assert_eq!(dense.parameters(Shape::Features(8)), [("weight", vec![3, 8]), ("bias", vec![3])]);
        let norm = LayerSpec::BatchNorm { epsilon: 1e-3 };
        assert_eq!(norm.parameters(image(4, 2, 2)).len(), 4);
        assert_eq!(norm.parameters(Shape::Features(8))[3], ("running_var", vec![8]));
    }
}
