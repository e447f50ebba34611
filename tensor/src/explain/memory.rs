//! The memory of CPU tensors, for loops that libtorch has no operator for.

use tch::{Device, Kind, Tensor};

/// The same tensor with channels innermost in memory, in which libtorch's CPU convolutions are fastest.
///
/// Strides are set even where a single channel leaves them open, because libtorch chooses its kernels by them.
pub(super) fn channels_last(tensor: &Tensor) -> Tensor {
    let size = tensor.size();
    tensor.permute([0, 2, 3, 1]).contiguous().as_strided(&size, strides(&size), None)
}

/// Memory for `[n, channels, rows, columns]` with channels innermost.
pub(super) fn empty_channels_last(size: [i64; 4]) -> Tensor {
    Tensor::empty_strided(size, strides(&size), (Kind::Float, Device::Cpu))
}

fn strides(size: &[i64]) -> [i64; 4] {
    let (channels, rows, columns) = (size[1], size[2], size[3]);
    [rows * columns * channels, 1, columns * channels, channels]
}

/// The values of `[n, channels, rows, columns]` in order of image, row, column and channel.
///
/// # Panics
/// Panics unless the tensor lies so in the memory of the CPU, as float32.
pub(super) fn pixels(tensor: &Tensor) -> &[f32] {
    let length = check(tensor);
    // SAFETY: `check` holds that so many floats lie there one after the other; they live as long as the tensor.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), length) }
}

/// As [`pixels`], to be written to.
pub(super) fn pixels_mut(tensor: &mut Tensor) -> &mut [f32] {
    let length = check(tensor);
    // SAFETY: as above; no other tensor shares this memory where this module's callers made it themselves.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), length) }
}

fn check(tensor: &Tensor) -> usize {
    assert_eq!((tensor.kind(), tensor.device()), (Kind::Float, Device::Cpu));
    assert!(tensor.permute([0, 2, 3, 1]).is_contiguous(), "channels innermost");
    tensor.numel()
}
