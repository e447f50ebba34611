//! The layers of a PumpkinNet as data, and what each computes.

use tch::Tensor;

/// Added to a variance before its root, as in Keras.
pub const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Side and stride of max-pooling.
pub const POOL: (i64, i64) = (3, 2);

/// One layer. Images are `[n, channels, height, width]`, features `[n, features]`.
#[derive(Debug)]
pub enum Layer {
    /// `(x - running_mean) / sqrt(running_var + eps) * weight + bias`, each `[channels]`.
    BatchNorm {
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
    },
    /// Convolution with SAME padding and stride 1: weight `[filters, channels, k, k]` with odd k, bias `[filters]`.
    Conv {
        weight: Tensor,
        bias: Tensor,
    },
    Relu,
    /// 3 x 3, stride 2, SAME: see [`pool_padding`].
    MaxPool,
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

/// Rows (or columns) of padding before the first and, together with `ceil_mode`, after the last of `side` pixels.
///
/// SAME pooling wants `(side odd)` pixels before and one after. At even sizes nothing is padded in front, and
/// `ceil_mode` lets the last window hang over the edge by one pixel; a symmetric padding of 1 would give the same
/// shape with every window shifted.
pub fn pool_padding(side: i64) -> i64 {
    side % 2
}

impl Layer {
    /// Output of this layer in evaluation mode.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        match self {
            Self::BatchNorm { weight, bias, running_mean, running_var } => {
                let (weight, bias, mean, var) = (Some(weight), Some(bias), Some(running_mean), Some(running_var));
                input.batch_norm(weight, bias, mean, var, false, 0.0, BATCH_NORM_EPSILON, false)
            }
            Self::Conv { weight, bias } => conv(input, weight, bias),
            Self::Relu => input.relu(),
            Self::MaxPool => max_pool(input),
            Self::Flatten => input.flatten(1, -1),
            Self::Dropout => input.shallow_clone(),
            Self::Dense { weight, bias } => input.linear(weight, bias.as_ref()),
        }
    }
}

/// Convolution with SAME padding for odd kernels.
pub(super) fn conv(input: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    let padding = weight.size()[2] / 2;
    input.conv2d(weight, Some(bias), [1, 1], [padding, padding], [1, 1], 1)
}

/// SAME max-pooling of `[n, channels, height, width]`.
pub(super) fn max_pool(input: &Tensor) -> Tensor {
    let size = input.size();
    let padding = [pool_padding(size[2]), pool_padding(size[3])];
    let (side, stride) = POOL;
    channels_last(input).max_pool2d([side, side], [stride, stride], padding, [1, 1], true)
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

    use super::*;

    /// SAME pooling as Keras defines it: `total = max((out - 1) * 2 + 3 - side, 0)` pixels of padding, half of them,
    /// rounded down, in front.
    fn naive_pool(image: &[f32], height: usize, width: usize) -> Vec<f32> {
        let front = |side: usize| ((side.div_ceil(2) - 1) * 2 + 3).saturating_sub(side) / 2;
        let mut out = Vec::new();
        for i in 0..height.div_ceil(2) {
            for j in 0..width.div_ceil(2) {
                let mut best = f32::NEG_INFINITY;
                for (y, x) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
                    let row = (2 * i + y).wrapping_sub(front(height));
                    let col = (2 * j + x).wrapping_sub(front(width));
                    if row < height && col < width {
                        best = best.max(image[row * width + col]);
                    }
                }
                out.push(best);
            }
        }
        out
    }

    #[test]
    fn pooling_pads_like_keras_at_even_and_odd_sizes() {
        for (height, width) in [(98, 98), (49, 49), (7, 7), (6, 9), (13, 4)] {
            let image: Vec<f32> = (0..height * width).map(|i| ((i * 7919) % 1009) as f32 - 500.0).collect();
            let input = Tensor::from_slice(&image).reshape([1, 1, height as i64, width as i64]);
            let out = Vec::<f32>::try_from(max_pool(&input).contiguous().view(-1)).expect("f32 values");
            assert_eq!(out, naive_pool(&image, height, width), "{height} x {width}");
        }
    }

    #[test]
    fn batch_norm_uses_running_statistics_and_keras_epsilon() {
        let one = |value: f32| Tensor::from_slice(&[value]);
        let layer =
            Layer::BatchNorm { weight: one(2.0), bias: one(0.5), running_mean: one(3.0), running_var: one(4.0) };
        let out = layer.forward(&Tensor::full([1, 1, 2, 2], 5.0, (Kind::Float, Device::Cpu)));
        let expected = 2.0 * 2.0 / (4.0f64 + 1e-3).sqrt() + 0.5;
        assert!((out.double_value(&[0, 0, 1, 1]) - expected).abs() < 1e-6);
    }
}
