//! The layers of a network with their tensors, and what each computes.

use tch::Tensor;
use xdlreg_core::net::Padding;
use xdlreg_core::raster::ImageShape;

/// One layer. Images are `[n, channels, height, width]`, features `[n, features]`.
#[derive(Debug)]
pub enum Layer {
    /// `(x - running_mean) / sqrt(running_var + epsilon) * weight + bias`, each `[channels]`.
    BatchNorm {
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        epsilon: f64,
    },
    /// Weight `[filters, channels, rows, columns]`, bias `[filters]`.
    Conv {
        weight: Tensor,
        bias: Option<Tensor>,
        window: Window,
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
    MaxPool(Window),
    AvgPool(Means),
    /// The mean of every channel, `[n, channels]`.
    GlobalAvgPool,
    /// To `[n, channels * height * width]`, in channel, row, column order.
    Flatten,
    /// The identity, outside training.
    Dropout,
    /// Weight `[outputs, inputs]`, bias `[outputs]`.
    Dense {
        weight: Tensor,
        bias: Option<Tensor>,
    },
    /// The three marks of a residual block, which [`super::flow::Flow`] carries out.
    Branch,
    Shortcut,
    Sum,
}

/// Means over windows, which are products of means over rows and over columns: y = rows x columns^T.
#[derive(Debug)]
pub struct Means {
    /// What every row of pixels counts in every row of means, `[outputs, inputs]`.
    pub rows: Tensor,
    pub columns: Tensor,
}

impl Means {
    /// Over windows that move over an image of this shape.
    pub fn moving(image: ImageShape, window: &Window, padding: Padding) -> Self {
        let outputs = window.outputs([image.height as i64, image.width as i64]);
        let along = |axis: usize, side: usize| {
            let spans = (0..outputs[axis]).map(|place| {
                let start = place * window.stride[axis] - window.padding[axis][0];
                let inside = start.max(0)..(start + window.kernel[axis]).min(side as i64);
                // Keras leaves the padding of SAME out of the mean; PyTorch counts what was asked for as zeros.
                let count = if padding == Padding::Same { inside.end - inside.start } else { window.kernel[axis] };
                (inside, count)
            });
            matrix(spans, side)
        };
        Self { rows: along(0, image.height), columns: along(1, image.width) }
    }

    /// So many rows and columns of them, from all of an image, as PyTorch's `adaptive_avg_pool2d` cuts it up.
    pub fn adaptive(image: ImageShape, [rows, columns]: [usize; 2]) -> Self {
        let along = |outputs: usize, side: usize| {
            let spans = (0..outputs).map(|place| {
                let (start, end) = (place * side / outputs, ((place + 1) * side).div_ceil(outputs));
                (start as i64..end as i64, (end - start) as i64)
            });
            matrix(spans, side)
        };
        Self { rows: along(rows, image.height), columns: along(columns, image.width) }
    }

    pub fn apply(&self, x: &Tensor) -> Tensor {
        self.rows.matmul(&x.matmul(&self.columns.tr()))
    }

    /// `values` of the means at the pixels that they are made of.
    pub fn transpose(&self, values: &Tensor) -> Tensor {
        self.rows.tr().matmul(&values.matmul(&self.columns))
    }

    /// The same with the numbers of both matrices changed.
    pub fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        Self { rows: change(&self.rows), columns: change(&self.columns) }
    }
}

/// A row for every span of pixels: one over its count within it.
fn matrix(spans: impl Iterator<Item = (std::ops::Range<i64>, i64)>, side: usize) -> Tensor {
    let row = |(inside, count): (std::ops::Range<i64>, i64)| {
        (0..side as i64).map(move |pixel| if inside.contains(&pixel) { 1.0 / count as f64 } else { 0.0 })
    };
    let values: Vec<f64> = spans.flat_map(row).collect();
    Tensor::from_slice(&values).view([-1, side as i64])
}

/// How a window moves over an image: for rows and for columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub kernel: [i64; 2],
    pub stride: [i64; 2],
    /// In front of the image, and behind it.
    pub padding: [[i64; 2]; 2],
}

impl Window {
    /// Over an image of this shape.
    pub fn new(image: ImageShape, kernel: [usize; 2], stride: [usize; 2], padding: Padding) -> Self {
        let sides = [image.height, image.width];
        let around =
            |axis: usize| padding.around(axis, sides[axis], kernel[axis], stride[axis]).map(|side| side as i64);
        Self {
            kernel: kernel.map(|side| side as i64),
            stride: stride.map(|step| step as i64),
            padding: [around(0), around(1)],
        }
    }

    /// Rows and columns of padding on either side, where that is as much in front as behind.
    pub fn symmetric_padding(&self) -> Option<[i64; 2]> {
        let [rows, columns] = self.padding;
        (rows[0] == rows[1] && columns[0] == columns[1]).then_some([rows[0], columns[0]])
    }

    /// The padding as libtorch takes it: left, right, top, bottom.
    pub fn pads(&self) -> [i64; 4] {
        let [rows, columns] = self.padding;
        [columns[0], columns[1], rows[0], rows[1]]
    }

    /// Rows and columns of what it makes of an image of so many rows and columns.
    pub fn outputs(&self, sides: [i64; 2]) -> [i64; 2] {
        std::array::from_fn(|axis| {
            let padded = sides[axis] + self.padding[axis][0] + self.padding[axis][1];
            (padded - self.kernel[axis]) / self.stride[axis] + 1
        })
    }
}

impl Layer {
    /// The same layer with the same tensors, for another thread.
    pub fn shallow_clone(&self) -> Self {
        let same = Tensor::shallow_clone;
        match self {
            Self::BatchNorm { weight, bias, running_mean, running_var, epsilon } => Self::BatchNorm {
                weight: same(weight),
                bias: same(bias),
                running_mean: same(running_mean),
                running_var: same(running_var),
                epsilon: *epsilon,
            },
            Self::Conv { weight, bias, window } => {
                Self::Conv { weight: same(weight), bias: bias.as_ref().map(same), window: *window }
            }
            Self::Dense { weight, bias } => Self::Dense { weight: same(weight), bias: bias.as_ref().map(same) },
            Self::MaxPool(window) => Self::MaxPool(*window),
            Self::AvgPool(means) => Self::AvgPool(means.map(same)),
            Self::GlobalAvgPool => Self::GlobalAvgPool,
            Self::Relu => Self::Relu,
            Self::LeakyRelu { slope } => Self::LeakyRelu { slope: *slope },
            Self::Elu { alpha } => Self::Elu { alpha: *alpha },
            Self::Branch => Self::Branch,
            Self::Shortcut => Self::Shortcut,
            Self::Sum => Self::Sum,
            Self::Flatten => Self::Flatten,
            Self::Dropout => Self::Dropout,
        }
    }

    /// Output of this layer in evaluation mode.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        match self {
            Self::BatchNorm { weight, bias, running_mean, running_var, epsilon } => {
                let (weight, bias, mean, var) = (Some(weight), Some(bias), Some(running_mean), Some(running_var));
                input.batch_norm(weight, bias, mean, var, false, 0.0, *epsilon, false)
            }
            Self::Conv { weight, bias, window } => convolve(input, weight, bias.as_ref(), window),
            Self::Relu => input.relu(),
            Self::LeakyRelu { slope } => Tensor::maximum(input, &(input * *slope)),
            Self::Elu { alpha } => elu(input, *alpha),
            Self::MaxPool(window) => max_pool(input, window),
            Self::AvgPool(means) => means.apply(input),
            Self::GlobalAvgPool => input.mean_dim([2, 3].as_slice(), false, None),
            Self::Branch | Self::Shortcut | Self::Sum => unreachable!("a flow carries these out"),
            Self::Flatten => input.flatten(1, -1),
            Self::Dropout => input.shallow_clone(),
            Self::Dense { weight, bias } => input.linear(weight, bias.as_ref()),
        }
    }
}

/// Where x is positive x itself, else alpha (exp(x) - 1).
fn elu(x: &Tensor, alpha: f64) -> Tensor {
    x.clamp_min(0.0) + x.clamp_max(0.0).expm1() * alpha
}

/// Convolution with zeros around the image.
pub fn convolve(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Tensor {
    match window.symmetric_padding() {
        Some(padding) => input.conv2d(weight, bias, window.stride, padding, [1, 1], 1),
        None => input.constant_pad_nd(window.pads()).conv2d(weight, bias, window.stride, [0, 0], [1, 1], 1),
    }
}

/// Max-pooling of `[n, channels, height, width]`.
fn max_pool(input: &Tensor, window: &Window) -> Tensor {
    let (pooled, padding, ceil) = unpadded(input, window);
    channels_last(&pooled).max_pool2d(window.kernel, window.stride, padding, [1, 1], ceil)
}

/// An image with as much of the padding of a pooling as libtorch does not add itself, with the padding that it adds, and whether
/// the last window may hang over the edge.
///
/// SAME pooling of 3 x 3 at stride 2 wants one pixel behind and `side % 2` in front. Libtorch can do that on its own: at even
/// sizes nothing is padded in front, and the last window hangs over the edge by one pixel. A symmetric padding of 1 would give
/// the same shape with every window shifted.
pub fn unpadded(input: &Tensor, window: &Window) -> (Tensor, [i64; 2], bool) {
    let hangs = |axis: usize| {
        let [before, after] = window.padding[axis];
        window.kernel[axis] == 3 && window.stride[axis] == 2 && after == 1 && before == input.size()[2 + axis] % 2
    };
    let halved = |padding: &[i64; 2]| (0..2).all(|axis| 2 * padding[axis] <= window.kernel[axis]);
    if hangs(0) && hangs(1) {
        return (input.shallow_clone(), window.padding.map(|[before, _]| before), true);
    }
    match window.symmetric_padding().filter(halved) {
        Some(padding) => (input.shallow_clone(), padding, false),
        None => (input.pad(window.pads(), "constant", f64::NEG_INFINITY), [0, 0], false),
    }
}

/// The same image with channels innermost in memory, for which libtorch's CPU pooling is vectorised (nine times as
/// fast on the first block). On CUDA that layout would make the gradient depend on the order of threads.
fn channels_last(input: &Tensor) -> Tensor {
    if input.device().is_cuda() {
        return input.shallow_clone();
    }
    input.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
