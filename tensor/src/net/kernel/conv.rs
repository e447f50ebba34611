//! Convolution, forward and backward, on images with channels innermost.
//!
//! An image `[height, width, channels]` is kept with a border of one zero pixel all round, so that SAME padding needs no
//! special cases: [`Plane`]. Weights are `[filters / 16, rows * columns * channels, 16]`: one vector of filters after
//! the other, each with its window in row, column, channel order. A window's row is then contiguous in the image as well, and
//! a convolution is a sum of (pixel value, splat) * (vector of weights).

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

/// Convolves one output row: `out[column, filter] = bias[filter] + sum of window * weights`.
///
/// `out` holds `width * filters` values; without a `bias`, sums start at zero.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn convolve_row<S: Simd>(
    (plane, image): (Plane, &[f32]),
    side: usize,
    weights: &[f32],
    bias: Option<&[f32]>,
    row: usize,
    out: &mut [f32],
) {
    let window = side * side * plane.channels;
    let filters = weights.len() / window;
    assert!(image.len() >= plane.len() && out.len() >= plane.width * filters && row < plane.height);
    assert!(weights.len() == window * filters && filters.is_multiple_of(LANES));
    assert!(bias.is_none_or(|bias| bias.len() >= filters));
    let mut filter = 0;
    while filter < filters {
        let depth = S::DEPTH.min((filters - filter) / LANES);
        let job = Job {
            image: image[plane.at(row + 1 - side / 2, 1 - side / 2)..].as_ptr(),
            stride: plane.stride(),
            side,
            weights: weights[filter * window..].as_ptr(),
            bias: bias.map_or(std::ptr::null(), |bias| bias[filter..].as_ptr()),
            out: out[filter..].as_mut_ptr(),
            filters,
            width: plane.width,
        };
        unsafe {
            match (plane.channels, depth) {
                (1, 1) => columns::<S, 1, 1>(&job),
                (16, 1) => columns::<S, 16, 1>(&job),
                (32, 1) => columns::<S, 32, 1>(&job),
                (64, 1) => columns::<S, 64, 1>(&job),
                (1, 2) => columns::<S, 1, 2>(&job),
                (16, 2) => columns::<S, 16, 2>(&job),
                (32, 2) => columns::<S, 32, 2>(&job),
                (64, 2) => columns::<S, 64, 2>(&job),
                (channels, _) => unreachable!("{channels} channels are padded to 16, 32 or 64"),
            }
        }
        filter += depth * LANES;
    }
}

/// One output row for `DEPTH` vectors of filters.
struct Job {
    /// Upper left of the row's first window.
    image: *const f32,
    stride: usize,
    side: usize,
    weights: *const f32,
    /// Null where there is none.
    bias: *const f32,
    out: *mut f32,
    filters: usize,
    width: usize,
}

/// All columns in blocks; the last block moves left to fit and computes some columns again.
#[inline(always)]
unsafe fn columns<S: Simd, const CHANNELS: usize, const DEPTH: usize>(job: &Job) {
    unsafe {
        match S::COLUMNS {
            13 if job.width >= 13 => blocks::<S, CHANNELS, DEPTH, 13>(job),
            13 if job.width >= 7 => blocks::<S, CHANNELS, DEPTH, 7>(job),
            5 if job.width >= 5 => blocks::<S, CHANNELS, DEPTH, 5>(job),
            _ => blocks::<S, CHANNELS, DEPTH, 1>(job),
        }
    }
}

#[inline(always)]
unsafe fn blocks<S: Simd, const CHANNELS: usize, const DEPTH: usize, const COLUMNS: usize>(job: &Job) {
    let mut column = 0;
    while column < job.width {
        unsafe { block::<S, CHANNELS, DEPTH, COLUMNS>(job, column.min(job.width - COLUMNS)) };
        column += COLUMNS;
    }
}

/// `COLUMNS` output pixels from `column` on, their sums held in registers.
#[inline(always)]
unsafe fn block<S: Simd, const CHANNELS: usize, const DEPTH: usize, const COLUMNS: usize>(job: &Job, column: usize) {
    unsafe {
        let mut sums = [[S::zero(); DEPTH]; COLUMNS];
        if !job.bias.is_null() {
            let mut bias = [S::zero(); DEPTH];
            for (d, bias) in bias.iter_mut().enumerate() {
                *bias = S::load(job.bias.add(d * LANES));
            }
            sums = [bias; COLUMNS];
        }
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

/// Adds to `gradient` (laid out like weights) what `rows` of the convolution's outputs contribute:
/// `sum over pixels of window value * d_out`, where `d_out` is a plane with the filters as channels.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn weight_gradient<S: Simd>(
    (plane, image): (Plane, &[f32]),
    (out_plane, d_out): (Plane, &[f32]),
    side: usize,
    rows: std::ops::Range<usize>,
    gradient: &mut [f32],
) {
    let filters = out_plane.channels;
    let row_length = side * plane.channels;
    assert!(image.len() >= plane.len() && d_out.len() >= out_plane.len() && rows.end <= plane.height);
    assert!((plane.height, plane.width) == (out_plane.height, out_plane.width));
    assert!(gradient.len() >= side * row_length * filters && filters.is_multiple_of(LANES));
    for filter in (0..filters).step_by(LANES) {
        for window_row in 0..side {
            let mut tap = 0;
            while tap < row_length {
                let job = GradientJob {
                    image: image[plane.at(rows.start + window_row + 1 - side / 2, 1 - side / 2) + tap..].as_ptr(),
                    stride: plane.stride(),
                    channels: plane.channels,
                    d_out: d_out[out_plane.at(rows.start + 1, 1) + filter..].as_ptr(),
                    d_stride: out_plane.stride(),
                    filters,
                    width: plane.width,
                    rows: rows.len(),
                };
                let start = ((filter / LANES * side + window_row) * row_length + tap) * LANES;
                let sums = gradient[start..].as_mut_ptr();
                unsafe {
                    tap += match (S::COLUMNS, row_length - tap) {
                        (13, 24..) => taps::<S, 24>(&job, sums),
                        (13, 16..) => taps::<S, 16>(&job, sums),
                        (_, 6..) => taps::<S, 6>(&job, sums),
                        (_, 4..) => taps::<S, 4>(&job, sums),
                        (_, 3) => taps::<S, 3>(&job, sums),
                        (_, 2) => taps::<S, 2>(&job, sums),
                        _ => taps::<S, 1>(&job, sums),
                    };
                }
            }
        }
    }
}

/// The gradient of neighbouring weights for one vector of filters.
struct GradientJob {
    /// What the first weight meets at the first output pixel.
    image: *const f32,
    stride: usize,
    channels: usize,
    d_out: *const f32,
    d_stride: usize,
    filters: usize,
    width: usize,
    rows: usize,
}

#[inline(always)]
unsafe fn taps<S: Simd, const TAPS: usize>(job: &GradientJob, gradient: *mut f32) -> usize {
    unsafe {
        let mut sums = [S::zero(); TAPS];
        for (t, sum) in sums.iter_mut().enumerate() {
            *sum = S::load(gradient.add(t * LANES));
        }
        for row in 0..job.rows {
            let mut pixels = job.image.add(row * job.stride);
            let mut d_out = job.d_out.add(row * job.d_stride);
            for _ in 0..job.width {
                let d = S::load(d_out);
                for (t, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(S::splat(*pixels.add(t)), d, *sum);
                }
                pixels = pixels.add(job.channels);
                d_out = d_out.add(job.filters);
            }
        }
        for (t, &sum) in sums.iter().enumerate() {
            S::store(gradient.add(t * LANES), sum);
        }
    }
    TAPS
}
