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
    MaxPool(Window),
    /// To `[n, channels * height * width]`, in channel, row, column order.
    Flatten,
    /// The identity, outside training.
    Dropout,
    /// Weight `[outputs, inputs]`, bias `[outputs]`.
    Dense {
        weight: Tensor,
        bias: Option<Tensor>,
    },
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
            Self::Relu => Self::Relu,
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
            Self::MaxPool(window) => max_pool(input, window),
            Self::Flatten => input.flatten(1, -1),
            Self::Dropout => input.shallow_clone(),
            Self::Dense { weight, bias } => input.linear(weight, bias.as_ref()),
        }
    }
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
mod tests {
    use tch::{Device, Kind};
    use xdlreg_core::net::BATCH_NORM_EPSILON;

    use super::*;

    /// Windows and paddings of all kinds: odd and even kernels, more behind than in front, more columns than rows.
    const WINDOWS: [([usize; 2], [usize; 2], Padding); 7] = [
        ([3, 3], [2, 2], Padding::Same),
        ([2, 2], [2, 2], Padding::Same),
        ([3, 2], [1, 3], Padding::Same),
        ([4, 3], [3, 2], Padding::Same),
        ([2, 3], [2, 1], Padding::Valid),
        ([3, 3], [2, 2], Padding::Pixels([1, 1])),
        ([3, 4], [2, 1], Padding::Pixels([2, 1])),
    ];
    const SIZES: [(usize, usize); 5] = [(98, 98), (49, 49), (7, 7), (6, 9), (13, 4)];

    /// The values of an image under every position of a window, row by row; none for padding. SAME as Keras defines it:
    /// `total = max((ceil(side / stride) - 1) * stride + kernel - side, 0)` pixels, half of them, rounded down, in front.
    fn windows(
        image: &[f32],
        [height, width]: [usize; 2],
        (kernel, stride, padding): ([usize; 2], [usize; 2], Padding),
    ) -> Vec<Vec<Option<f32>>> {
        let sides = [height, width];
        let total = |axis: usize| match padding {
            Padding::Same => {
                ((sides[axis].div_ceil(stride[axis]) - 1) * stride[axis] + kernel[axis]).saturating_sub(sides[axis])
            }
            Padding::Valid => 0,
            Padding::Pixels(pixels) => 2 * pixels[axis],
        };
        let count = |axis: usize| (sides[axis] + total(axis) - kernel[axis]) / stride[axis] + 1;
        let at = |i: usize, j: usize| -> Vec<Option<f32>> {
            let cells = (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x)));
            let value = |(y, x): (usize, usize)| {
                let (row, col) =
                    ((i * stride[0] + y).wrapping_sub(total(0) / 2), (j * stride[1] + x).wrapping_sub(total(1) / 2));
                (row < height && col < width).then(|| image[row * width + col])
            };
            cells.map(value).collect()
        };
        (0..count(0)).flat_map(|i| (0..count(1)).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
    }

    #[test]
    fn windows_are_where_keras_and_pytorch_put_them() {
        for (height, width) in SIZES {
            let image: Vec<f32> = (0..height * width).map(|i| ((i * 7919) % 1009) as f32 - 500.0).collect();
            let input = Tensor::from_slice(&image).reshape([1, 1, height as i64, width as i64]);
            let values = |tensor: Tensor| Vec::<f32>::try_from(tensor.contiguous().view(-1)).expect("f32 values");
            for (kernel, stride, padding) in WINDOWS {
                let expected = windows(&image, [height, width], (kernel, stride, padding));
                let window = Window::new(ImageShape::plane(height, width), kernel, stride, padding);
                let case = format!("{kernel:?} by {stride:?}, {padding:?}, over {height} x {width}");
                let most = |cells: &Vec<Option<f32>>| cells.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(values(max_pool(&input, &window)), expected.iter().map(most).collect::<Vec<_>>(), "{case}");

                let weights: Vec<f32> = (0..kernel[0] * kernel[1]).map(|k| k as f32 - 1.5).collect();
                let weight = Tensor::from_slice(&weights).view([1, 1, window.kernel[0], window.kernel[1]]);
                let sum = |cells: &Vec<Option<f32>>| {
                    2.0 + cells.iter().zip(&weights).map(|(cell, weight)| cell.unwrap_or(0.0) * weight).sum::<f32>()
                };
                let layer = Layer::Conv { weight, bias: Some(Tensor::from_slice(&[2.0f32])), window };
                let found = layer.forward(&input);
                assert_eq!(found.size()[2..], window.outputs([height as i64, width as i64]), "{case}");
                for (found, expected) in values(found).iter().zip(expected.iter().map(sum)) {
                    assert!((found - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{case}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn batch_norm_uses_running_statistics_and_its_epsilon() {
        let one = |value: f32| Tensor::from_slice(&[value]);
        let (weight, bias, running_mean, running_var) = (one(2.0), one(0.5), one(3.0), one(4.0));
        let layer = Layer::BatchNorm { weight, bias, running_mean, running_var, epsilon: BATCH_NORM_EPSILON };
        let out = layer.forward(&Tensor::full([1, 1, 2, 2], 5.0, (Kind::Float, Device::Cpu)));
        let expected = 2.0 * 2.0 / (4.0f64 + 1e-3).sqrt() + 0.5;
        assert!((out.double_value(&[0, 0, 1, 1]) - expected).abs() < 1e-6);
    }
}
