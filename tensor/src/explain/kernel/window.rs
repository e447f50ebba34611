//! The inputs that one output of a layer sees.

use crate::net::kernel::simd::{LANES, Simd};

/// How many runs of how many values a window has; weights have the same order without gaps.
pub trait Window: Copy {
    /// Sum of products of a window and an output's weights.
    ///
    /// # Safety
    /// Needs the instructions of `S`, a window of runs `stride` apart at `x`, and as many weights.
    unsafe fn dot<S: Simd>(self, x: *const f32, stride: usize, weights: *const f32) -> f32;

    /// Adds an output's weights times `factor` at its window.
    ///
    /// # Safety
    /// As [`Self::dot`].
    unsafe fn add<S: Simd>(self, to: *mut f32, stride: usize, weights: *const f32, factor: f32);
}

/// `ROWS` runs of `VECTORS` vectors: the window of a convolution on sixteen channels or more.
#[derive(Clone, Copy)]
pub struct Runs<const ROWS: usize, const VECTORS: usize>;

impl<const ROWS: usize, const VECTORS: usize> Window for Runs<ROWS, VECTORS> {
    #[inline(always)]
    unsafe fn dot<S: Simd>(self, x: *const f32, stride: usize, weights: *const f32) -> f32 {
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [S::zero(); ROWS];
            for vector in 0..VECTORS {
                for (row, sum) in sums.iter_mut().enumerate() {
                    let x = S::load(x.add(row * stride + vector * LANES));
                    *sum = S::fma(x, S::load(weights.add((row * VECTORS + vector) * LANES)), *sum);
                }
            }
            let mut total = sums[0];
            for &sum in &sums[1..] {
                total = S::fma(S::splat(1.0), sum, total);
            }
            S::sum(total)
        }
    }

    #[inline(always)]
    unsafe fn add<S: Simd>(self, to: *mut f32, stride: usize, weights: *const f32, factor: f32) {
        // SAFETY: as the caller promises.
        unsafe {
            let factor = S::splat(factor);
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let to = to.add(row * stride + vector * LANES);
                    let weights = S::load(weights.add((row * VECTORS + vector) * LANES));
                    S::store(to, S::fma(factor, weights, S::load(to)));
                }
            }
        }
    }
}

/// Three by three pixels of one channel: the window of the first convolution.
#[derive(Clone, Copy)]
pub struct Pixels;

impl Window for Pixels {
    #[inline(always)]
    unsafe fn dot<S: Simd>(self, x: *const f32, stride: usize, weights: *const f32) -> f32 {
        let mut sums = [0.0f32; 3];
        for (row, sum) in sums.iter_mut().enumerate() {
            for column in 0..3 {
                // SAFETY: as the caller promises.
                unsafe { *sum = (*x.add(row * stride + column)).mul_add(*weights.add(3 * row + column), *sum) };
            }
        }
        sums[0] + sums[1] + sums[2]
    }

    #[inline(always)]
    unsafe fn add<S: Simd>(self, to: *mut f32, stride: usize, weights: *const f32, factor: f32) {
        for row in 0..3 {
            for column in 0..3 {
                // SAFETY: as the caller promises.
                unsafe {
                    let to = to.add(row * stride + column);
                    *to = factor.mul_add(*weights.add(3 * row + column), *to);
                }
            }
        }
    }
}

/// One run of so many vectors: the window of a dense layer.
#[derive(Clone, Copy)]
pub struct Line(pub usize);

impl Window for Line {
    #[inline(always)]
    unsafe fn dot<S: Simd>(self, x: *const f32, _: usize, weights: *const f32) -> f32 {
        // SAFETY: as the caller promises.
        unsafe {
            let mut sum = S::zero();
            for vector in 0..self.0 {
                sum = S::fma(S::load(x.add(vector * LANES)), S::load(weights.add(vector * LANES)), sum);
            }
            S::sum(sum)
        }
    }

    #[inline(always)]
    unsafe fn add<S: Simd>(self, to: *mut f32, _: usize, weights: *const f32, factor: f32) {
        // SAFETY: as the caller promises.
        unsafe {
            let factor = S::splat(factor);
            for vector in 0..self.0 {
                let to = to.add(vector * LANES);
                S::store(to, S::fma(factor, S::load(weights.add(vector * LANES)), S::load(to)));
            }
        }
    }
}
