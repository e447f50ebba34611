//! Convolution of images that are zero for the most part, as they are behind ReLU and pooling, and as gradients are in
//! front of them.
//!
//! Every input value that is not zero is added at the outputs that see it. An output gets its terms in the order of
//! [`convolve_row`](super::conv::convolve_row), so both give the same bits.

use super::conv::Plane;
use super::simd::{LANES, Simd};

/// Floats that fit into the smallest first cache of processors in use, with room for what else is needed.
const FIRST_CACHE: usize = 7 * 1024;

/// The values of a row of an image that are not zero, column by column.
#[derive(Debug, Clone)]
pub struct Nonzero {
    values: Vec<f32>,
    channels: Vec<u32>,
    /// Where the values of each column end.
    ends: Vec<u32>,
}

impl Nonzero {
    /// Room for a row of any of `planes`.
    pub fn new(planes: impl Iterator<Item = Plane> + Clone) -> Self {
        let width = planes.clone().map(|plane| plane.width).max().unwrap_or(0);
        let row = planes.map(|plane| plane.width * plane.channels).max().unwrap_or(0);
        Self { values: vec![0.0; row + LANES], channels: vec![0; row + LANES], ends: vec![0; width] }
    }

    /// Takes row `row` of an image.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn collect<S: Simd>(&mut self, (plane, image): (Plane, &[f32]), row: usize) {
        assert!(image.len() >= plane.len() && row < plane.height && plane.channels.is_multiple_of(LANES));
        assert!(self.values.len() >= plane.width * plane.channels + LANES && self.ends.len() >= plane.width);
        let pixels = image[plane.at(row + 1, 1)..].as_ptr();
        let (values, channels) = (self.values.as_mut_ptr(), self.channels.as_mut_ptr());
        let mut count = 0;
        for (column, end) in self.ends[..plane.width].iter_mut().enumerate() {
            for channel in (0..plane.channels).step_by(LANES) {
                let from = pixels.wrapping_add(column * plane.channels + channel);
                // SAFETY: the caller has the instructions. The pixel lies in the image, as asserted; at most so many
                // values as there are channels up to here came before, so both lists have room for a vector more.
                count += unsafe { S::compress(from, channel as u32, values.add(count), channels.add(count)) };
            }
            *end = count as u32;
        }
    }
}

/// Adds what row `row` of an image contributes to the `SIDE` rows around it, `[width + 2, filters]` each. `weights` are
/// `[channels, SIDE * SIDE, filters]`.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn scatter_row<S: Simd, const SIDE: usize>(
    (plane, image): (Plane, &[f32]),
    weights: &[f32],
    row: usize,
    out: [&mut [f32]; SIDE],
    filters: usize,
    nonzero: &mut Nonzero,
) {
    assert!(weights.len() == plane.channels * SIDE * SIDE * filters && filters.is_multiple_of(LANES));
    assert!(out.iter().all(|row| row.len() >= (plane.width + 2) * filters));
    // SAFETY: the caller has the instructions.
    unsafe { nonzero.collect::<S>((plane, image), row) };
    let first = (1 - SIDE / 2) * filters;
    let out = out.map(|row| row[first..].as_mut_ptr());
    let mut filter = 0;
    // Two vectors of filters share the loads of values, if the weights that they need stay in the first cache.
    let pairs = plane.channels * SIDE * SIDE * 2 * LANES <= FIRST_CACHE;
    while filter < filters {
        let (weights, out) = (weights[filter..].as_ptr(), out.map(|row| row.wrapping_add(filter)));
        // SAFETY: the caller has the instructions. `nonzero` holds a row of `plane.width` pixels with channels of
        // `plane`; the lengths asserted above cover their weights, and `width + 2` pixels of so many filters in each
        // row.
        unsafe {
            if pairs && filters - filter >= 2 * LANES {
                slide::<S, SIDE, 2>(nonzero, plane.width, weights, out, filters);
                filter += 2 * LANES;
            } else {
                slide::<S, SIDE, 1>(nonzero, plane.width, weights, out, filters);
                filter += LANES;
            }
        }
    }
}

/// `DEPTH` vectors of filters: the sums of the outputs that a pixel is seen by are kept in registers, and those that the
/// next pixel is seen by as well stay there.
///
/// # Safety
/// Needs the instructions of `S`; in `nonzero` a row of `width` pixels; at `weights` those of each of its channels, and
/// at each of `out` that many pixels and `SIDE - 1` more, all of `filters` values a pixel, of which `DEPTH` vectors are
/// touched.
#[inline(always)]
unsafe fn slide<S: Simd, const SIDE: usize, const DEPTH: usize>(
    nonzero: &Nonzero,
    width: usize,
    weights: *const f32,
    out: [*mut f32; SIDE],
    filters: usize,
) {
    // SAFETY: columns go up to `width + SIDE - 2`, channels and entries are those of `nonzero`, as the caller promises.
    unsafe {
        let mut sums = [[[S::zero(); DEPTH]; SIDE]; SIDE];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (column, sums) in sums.iter_mut().enumerate().take(SIDE - 1) {
                for (d, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(out[row].add(column * filters + d * LANES));
                }
            }
        }
        let mut entry = 0;
        for column in 0..width {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (d, sum) in sums[SIDE - 1].iter_mut().enumerate() {
                    *sum = S::load(out[row].add((column + SIDE - 1) * filters + d * LANES));
                }
            }
            let end = *nonzero.ends.get_unchecked(column) as usize;
            while entry < end {
                let value = S::splat(*nonzero.values.get_unchecked(entry));
                let channel = *nonzero.channels.get_unchecked(entry) as usize;
                let weights = weights.add(channel * SIDE * SIDE * filters);
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (column, sums) in sums.iter_mut().enumerate() {
                        // The output above sees this pixel in the last row of its window.
                        let tap = (SIDE - 1 - row) * SIDE + SIDE - 1 - column;
                        for (d, sum) in sums.iter_mut().enumerate() {
                            *sum = S::fma(value, S::load(weights.add(tap * filters + d * LANES)), *sum);
                        }
                    }
                }
                entry += 1;
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                for (d, &sum) in sums[0].iter().enumerate() {
                    S::store(out[row].add(column * filters + d * LANES), sum);
                }
                for column in 1..SIDE {
                    sums[column - 1] = sums[column];
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (column, sums) in sums.iter().enumerate().take(SIDE - 1) {
                for (d, &sum) in sums.iter().enumerate() {
                    S::store(out[row].add((width + column) * filters + d * LANES), sum);
                }
            }
        }
    }
}
