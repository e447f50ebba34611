//! Gradients of a convolution's weights behind ReLU and pooling, where winners alone have a gradient.
//!
//! Of nine outputs that a pooling window sees, one is its winner, and windows overlap: no more than a quarter of a
//! convolution's outputs has any gradient. So windows are gone through instead of outputs, filter by filter, and what a
//! winner saw is added to its filter's gradient, which stays in registers meanwhile.

use std::ops::Range;

use super::buffer::Buffer;
use super::forward::seen_windows;
use super::layout::Block;
use super::simd::{LANES, Simd};

/// Values of a block's input that are looked at together: few enough to stay in the first cache.
const BAND: usize = 6 * 1024;

/// What pooling hands back to the winners of some rows of windows.
#[derive(Debug, Clone)]
pub struct Winners {
    /// Gradient of each window's winner, `[windows, filters]`; zero where nobody won.
    gradients: Buffer,
    /// Where that winner's window begins in the convolution's input.
    places: Vec<u32>,
}

impl Winners {
    /// For any of `blocks`.
    pub fn new(blocks: &[Block]) -> Self {
        let most = blocks.iter().map(|block| band(block) * block.pooled.width * block.output.channels).max();
        let most = most.unwrap_or(0);
        Self { gradients: Buffer::zeros(most), places: vec![0; most] }
    }

    /// Adds to `d_weights`, `[filters, side * side * channels]`, what an image contributes, given the gradient of the
    /// pooled plane and who won.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn weight_gradient<S: Simd>(
        &mut self,
        block: &Block,
        image: &[f32],
        routed: (&[f32], &[u8]),
        d_weights: &mut [f32],
    ) {
        assert!(image.len() >= block.input.len() && d_weights.len() >= block.weight_count());
        let rows = block.pooled.height;
        for start in (0..rows).step_by(band(block)) {
            // SAFETY: the caller has the instructions.
            let count = unsafe { self.collect::<S>(block, start..rows.min(start + band(block)), routed) };
            for filter in 0..block.output.channels {
                let window = block.side * block.side * block.input.channels;
                let job = Job {
                    image: image.as_ptr(),
                    stride: block.input.stride(),
                    gradients: self.gradients[filter..].as_ptr(),
                    places: self.places[filter..].as_ptr(),
                    filters: block.output.channels,
                    count,
                };
                let sums = d_weights[filter * window..][..window].as_mut_ptr();
                // SAFETY: the caller has the instructions. `collect` left `count` windows with a gradient and a place
                // for each filter; a place and the window that begins there lie in the image, whose length was
                // asserted; and `sums` is a window of this many rows and vectors long, which the arms spell out.
                unsafe {
                    match (S::COLUMNS, block.side, block.input.channels) {
                        (13, 3, 16) => job.whole::<S, 3, 3>(3, sums),
                        (13, 3, 32) => job.whole::<S, 3, 6>(3, sums),
                        (_, 3, 16) => job.whole::<S, 1, 3>(3, sums),
                        (_, 3, 32) => job.whole::<S, 1, 6>(3, sums),
                        (_, 3, 64) => job.whole::<S, 1, 12>(3, sums),
                        (_, 1, 16) => job.whole::<S, 1, 1>(1, sums),
                        (_, 1, 32) => job.whole::<S, 1, 2>(1, sums),
                        (_, 1, 64) => job.whole::<S, 1, 4>(1, sums),
                        (_, side, channels) => unreachable!("no kernel of {side} on {channels} channels"),
                    }
                }
            }
        }
    }

    /// The gradients and places of some rows of windows, and how many windows these are.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn collect<S: Simd>(
        &mut self,
        block: &Block,
        rows: Range<usize>,
        (d_pooled, winners): (&[f32], &[u8]),
    ) -> usize {
        let (input, output, pooled) = (block.input, block.output, block.pooled);
        assert!(d_pooled.len() >= pooled.len() && winners.len() >= pooled.len());
        let count = rows.len() * pooled.width;
        assert!(self.gradients.len() >= count * pooled.channels && self.places.len() >= count * pooled.channels);
        // Nobody's window is taken to be that of the middle pixel, which always lies in the image.
        let mut offsets = [(input.stride() + input.channels) as u32; LANES];
        for (winner, offset) in offsets.iter_mut().enumerate().take(9) {
            *offset = (winner / 3 * input.stride() + winner % 3 * input.channels) as u32;
        }
        // At odd sizes the first window begins one pixel beyond the edge, where nobody wins.
        let edge = (output.height % 2 * input.stride() + output.width % 2 * input.channels) as u32;
        let mut to = 0;
        for row in rows {
            for column in 0..pooled.width {
                let first = input.at(2 * row + 1 - block.side / 2, 2 * column + 1 - block.side / 2) as u32;
                for filter in (0..pooled.channels).step_by(LANES) {
                    let at = pooled.at(row + 1, column + 1) + filter;
                    // SAFETY: the caller has the instructions, and the lengths asserted above cover every window and
                    // filter.
                    unsafe {
                        let winner = winners.as_ptr().add(at);
                        let gradient = S::won(S::load(d_pooled.as_ptr().add(at)), winner);
                        S::store(self.gradients.as_mut_ptr().add(to), gradient);
                        S::places(winner, &offsets, first.wrapping_sub(edge), self.places.as_mut_ptr().add(to));
                    }
                    to += LANES;
                }
            }
        }
        count
    }
}

/// Rows of windows that are looked at together.
fn band(block: &Block) -> usize {
    ((BAND / block.input.stride()).saturating_sub(3) / 2).clamp(1, block.pooled.height)
}

/// One filter's part of what [`Winners`] collected: pointers to `count` gradients and places, `filters` apart, and to
/// the image that these are places in.
struct Job {
    image: *const f32,
    stride: usize,
    gradients: *const f32,
    places: *const u32,
    filters: usize,
    count: usize,
}

impl Job {
    /// A window of `side` runs of vectors, in parts whose sums fit into registers.
    ///
    /// # Safety
    /// Needs the instructions of `S`, pointers that are valid as [`Job`] says, windows of `side` runs of `VECTORS`
    /// vectors that lie in the image at every place, and so many vectors at `sums`.
    #[inline(always)]
    unsafe fn whole<S: Simd, const ROWS: usize, const VECTORS: usize>(&self, side: usize, sums: *mut f32) {
        for row in (0..side).step_by(ROWS) {
            // SAFETY: these are some of the runs that the caller promises.
            unsafe { self.part::<S, ROWS, VECTORS>(row * self.stride, sums.add(row * VECTORS * LANES)) };
        }
    }

    /// `ROWS` runs of `VECTORS` vectors.
    ///
    /// # Safety
    /// As [`Self::whole`], for the runs that begin `offset` values after each place.
    #[inline(always)]
    unsafe fn part<S: Simd, const ROWS: usize, const VECTORS: usize>(&self, offset: usize, to: *mut f32) {
        // SAFETY: `window` stays below `count`, and rows and vectors are those that the caller promises.
        unsafe {
            let mut sums = [[S::zero(); VECTORS]; ROWS];
            for (row, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(to.add((row * VECTORS + vector) * LANES));
                }
            }
            let image = self.image.add(offset);
            for window in 0..self.count {
                let gradient = S::splat(*self.gradients.add(window * self.filters));
                let pixels = image.add(*self.places.add(window * self.filters) as usize);
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(S::load(pixels.add(row * self.stride + vector * LANES)), gradient, *sum);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (vector, &sum) in sums.iter().enumerate() {
                    S::store(to.add((row * VECTORS + vector) * LANES), sum);
                }
            }
        }
    }
}

/// As [`Winners::weight_gradient`] for a block that reads one channel, with the gradient of the bias: all filters of a
/// vector at a time, each of which has its winner's window picked out of the five by five pixels that the pooling
/// window sees. `seen` are the columns outside of which each row is empty; `d_weights` is `[filters / 16, 9, 16]`.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn first_gradient<S: Simd>(
    block: &Block,
    (image, seen): (&[f32], &[Range<usize>]),
    (d_pooled, winners): (&[f32], &[u8]),
    d_weights: &mut [f32],
    d_bias: &mut [f32],
) {
    let (input, pooled) = (block.input, block.pooled);
    assert!((block.side, input.channels) == (3, 1) && block.output.height.is_multiple_of(2));
    assert!(block.output.width.is_multiple_of(2) && image.len() >= input.len() + SLACK);
    assert!(d_pooled.len() >= pooled.len() && winners.len() >= pooled.len());
    for filter in (0..pooled.channels).step_by(LANES) {
        let (d_weights, d_bias) = (&mut d_weights[filter * 9..][..9 * LANES], &mut d_bias[filter..][..LANES]);
        // SAFETY: the caller has the instructions. The lengths asserted above cover every window; its five rows of
        // pixels begin in the image or its border, and a vector that begins in the last of them ends within the slack
        // behind the image.
        unsafe {
            let mut sums = [S::zero(); 9];
            let mut bias = S::zero();
            for row in 0..pooled.height {
                // Below the border there are no windows of winners.
                let last = image.as_ptr().add(input.at((2 * row + 4).min(input.height + 1), 0));
                let above = image.as_ptr().add(input.at(2 * row, 0));
                let stride = input.stride();
                let seen = seen_windows(seen, pooled, row);
                for column in 0..pooled.width {
                    let at = pooled.at(row + 1, column + 1) + filter;
                    let winner = winners.as_ptr().add(at);
                    let gradient = S::won(S::load(d_pooled.as_ptr().add(at)), winner);
                    bias = S::fma(S::splat(1.0), gradient, bias);
                    // Where the image is empty there is nothing to multiply with.
                    if seen.contains(&column) {
                        let first = above.add(2 * column);
                        let (second, third, fourth) = (first.add(stride), first.add(2 * stride), first.add(3 * stride));
                        let windows = S::windows([first, second, third, fourth, last.add(2 * column)], winner);
                        for (sum, pixels) in sums.iter_mut().zip(windows) {
                            *sum = S::fma(pixels, gradient, *sum);
                        }
                    }
                }
            }
            for (to, sum) in d_weights.chunks_exact_mut(LANES).zip(sums).chain([(d_bias, bias)]) {
                S::store(to.as_mut_ptr(), S::fma(S::splat(1.0), sum, S::load(to.as_ptr())));
            }
        }
    }
}

/// Values behind a plane that [`first_gradient`] reads without using them.
pub const SLACK: usize = LANES;
