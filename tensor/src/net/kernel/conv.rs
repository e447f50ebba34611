//! Convolution, forward and backward, on images with channels innermost.
//!
//! An image `[height, width, channels]` is kept with a border of one zero pixel all round, so that SAME padding needs no
//! special cases: [`Plane`]. Weights are `[filters / 16, rows * columns * channels, 16]`: one vector of filters after
//! the other, each with its window in row, column, channel order. A window's row is then contiguous in the image as well, and
//! a convolution is a sum of (pixel value, splat) * (vector of weights).

use std::ops::Range;

use super::simd::{LANES, Simd};

/// Shape of an image with channels innermost and a border of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Plane {
    /// Values from one row to the next.
    pub fn stride(&self) -> usize {
        (self.width + 2) * self.channels
    }

    /// Values with the border.
    pub fn len(&self) -> usize {
        (self.height + 2) * self.stride()
    }

    /// Where the pixel (`row`, `column`) starts; -1 and `height` or `width` are the border, here counted from 1.
    pub fn at(&self, row: usize, column: usize) -> usize {
        row * self.stride() + column * self.channels
    }
}

/// Convolves some columns of an output row: `out[column, filter] = bias[filter] + sum of window * weights`.
///
/// `out` holds `width * filters` values, of which others may be computed as well.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn convolve_row<S: Simd>(
    (plane, image): (Plane, &[f32]),
    side: usize,
    weights: &[f32],
    bias: &[f32],
    (row, columns): (usize, Range<usize>),
    out: &mut [f32],
) {
    let window = side * side * plane.channels;
    let filters = weights.len() / window;
    assert!(image.len() >= plane.len() && out.len() >= plane.width * filters && row < plane.height);
    assert!(columns.end <= plane.width);
    assert!(weights.len() == window * filters && filters.is_multiple_of(LANES));
    assert!(bias.len() >= filters);
    let mut filter = 0;
    while filter < filters {
        let depth = S::DEPTH.min((filters - filter) / LANES);
        let job = Job {
            image: image[plane.at(row + 1 - side / 2, 1 - side / 2)..].as_ptr(),
            stride: plane.stride(),
            side,
            weights: weights[filter * window..].as_ptr(),
            bias: bias[filter..].as_ptr(),
            out: out[filter..].as_mut_ptr(),
            filters,
            width: plane.width,
            columns: columns.clone(),
        };
        // SAFETY: the caller has the instructions. The lengths asserted above cover `columns` of the row, the windows
        // that they see in the image with its border, and the weights and biases of `depth` vectors of filters.
        unsafe {
            match (plane.channels, depth) {
                (1, 1) => in_blocks::<S, 1, 1>(&job),
                (16, 1) => in_blocks::<S, 16, 1>(&job),
                (32, 1) => in_blocks::<S, 32, 1>(&job),
                (64, 1) => in_blocks::<S, 64, 1>(&job),
                (1, 2) => in_blocks::<S, 1, 2>(&job),
                (16, 2) => in_blocks::<S, 16, 2>(&job),
                (32, 2) => in_blocks::<S, 32, 2>(&job),
                (64, 2) => in_blocks::<S, 64, 2>(&job),
                (channels, _) => unreachable!("{channels} channels are padded to 16, 32 or 64"),
            }
        }
        filter += depth * LANES;
    }
}

/// One output row for `DEPTH` vectors of filters: `width` columns can be computed, of which `columns` are wanted.
struct Job {
    /// Upper left of the row's first window.
    image: *const f32,
    stride: usize,
    side: usize,
    weights: *const f32,
    bias: *const f32,
    out: *mut f32,
    filters: usize,
    width: usize,
    columns: Range<usize>,
}

/// The columns in blocks; a block that does not fit moves left and computes some columns again.
///
/// # Safety
/// Needs the instructions of `S`, and pointers that are valid for all columns, windows of `CHANNELS` channels and
/// `DEPTH` vectors of filters of the job.
#[inline(always)]
unsafe fn in_blocks<S: Simd, const CHANNELS: usize, const DEPTH: usize>(job: &Job) {
    // SAFETY: as the caller promises; each arm looks whether the row is as wide as its blocks.
    unsafe {
        match S::COLUMNS {
            13 if job.width >= 13 => blocks::<S, CHANNELS, DEPTH, 13>(job),
            13 if job.width >= 7 => blocks::<S, CHANNELS, DEPTH, 7>(job),
            5 if job.width >= 5 => blocks::<S, CHANNELS, DEPTH, 5>(job),
            _ => blocks::<S, CHANNELS, DEPTH, 1>(job),
        }
    }
}

/// # Safety
/// As [`in_blocks`]; the row is at least `COLUMNS` wide.
#[inline(always)]
unsafe fn blocks<S: Simd, const CHANNELS: usize, const DEPTH: usize, const COLUMNS: usize>(job: &Job) {
    let mut column = job.columns.start;
    while column < job.columns.end {
        // SAFETY: as the caller promises; the block ends within the row.
        unsafe { block::<S, CHANNELS, DEPTH, COLUMNS>(job, column.min(job.width - COLUMNS)) };
        column += COLUMNS;
    }
}

/// `COLUMNS` output pixels from `column` on, their sums held in registers.
///
/// # Safety
/// As [`in_blocks`], for columns of the row.
#[inline(always)]
unsafe fn block<S: Simd, const CHANNELS: usize, const DEPTH: usize, const COLUMNS: usize>(job: &Job, column: usize) {
    // SAFETY: the job's pointers are valid for these columns and their windows, as the caller promises.
    unsafe {
        let mut bias = [S::zero(); DEPTH];
        for (d, bias) in bias.iter_mut().enumerate() {
            *bias = S::load(job.bias.add(d * LANES));
        }
        let mut sums = [bias; COLUMNS];
        let row_length = job.side * CHANNELS;
        let next_vector = job.side * row_length * LANES;
        let mut weights = job.weights;
        for row in 0..job.side {
            let mut pixels = job.image.add(row * job.stride + column * CHANNELS);
            for _ in 0..row_length {
                let mut weight = [S::zero(); DEPTH];
                for (d, weight) in weight.iter_mut().enumerate() {
                    *weight = S::load(weights.add(d * next_vector));
                }
                for (c, sums) in sums.iter_mut().enumerate() {
                    let value = S::splat(*pixels.add(c * CHANNELS));
                    for (sum, &weight) in sums.iter_mut().zip(&weight) {
                        *sum = S::fma(value, weight, *sum);
                    }
                }
                pixels = pixels.add(1);
                weights = weights.add(LANES);
            }
        }
        for (c, sums) in sums.iter().enumerate() {
            for (d, &sum) in sums.iter().enumerate() {
                S::store(job.out.add((column + c) * job.filters + d * LANES), sum);
            }
        }
    }
}
