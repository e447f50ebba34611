//! Convolution of images that are zero for the most part, as they are behind ReLU and pooling.
//!
//! Every input value that is not zero is added at the outputs that see it. An output gets its terms in the order of
//! [`convolve_row`](super::conv::convolve_row), so both give the same bits.

use super::buffer::Buffer;
use super::conv::Plane;
use super::layout::Block;
use super::simd::{LANES, Simd};

/// Windows are three by three here.
pub const SIDE: usize = 3;
const TAPS: usize = SIDE * SIDE;
/// The most channels of a plane.
const CHANNELS: usize = 64;

/// Weights in the order `[channels, taps, filters]` from those of a block, `[filters / 16, taps, channels, 16]`.
pub fn by_channel(block: &Block, weights: &[f32]) -> Buffer {
    let (channels, filters) = (block.input.channels, block.output.channels);
    let mut turned = Buffer::zeros(weights.len());
    for (vector, weights) in weights.chunks_exact(TAPS * channels * LANES).enumerate() {
        for (at, lanes) in weights.chunks_exact(LANES).enumerate() {
            let (tap, channel) = (at / channels, at % channels);
            turned[(channel * TAPS + tap) * filters + vector * LANES..][..LANES].copy_from_slice(lanes);
        }
    }
    turned
}

/// Adds what row `row` of an image contributes to the rows above, at and below it, `[width + 2, filters]` each.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn scatter_row<S: Simd>(
    (plane, image): (Plane, &[f32]),
    weights: &[f32],
    row: usize,
    out: [&mut [f32]; SIDE],
    filters: usize,
) {
    assert!(image.len() >= plane.len() && row < plane.height && plane.channels <= CHANNELS);
    assert!(weights.len() == plane.channels * TAPS * filters && filters.is_multiple_of(LANES));
    assert!(out.iter().all(|row| row.len() >= (plane.width + 2) * filters));
    let out = out.map(|row| row.as_mut_ptr());
    let (mut values, mut places) = ([0.0; CHANNELS + LANES], [0; CHANNELS + LANES]);
    for column in 0..plane.width {
        let pixel = image[plane.at(row + 1, column + 1)..][..plane.channels].as_ptr();
        let mut count = 0;
        if plane.channels == 1 {
            unsafe { values[0] = *pixel };
            count += usize::from(values[0] != 0.0);
        } else {
            for channel in (0..plane.channels).step_by(LANES) {
                let (values, places) = (values[count..].as_mut_ptr(), places[count..].as_mut_ptr());
                count += unsafe { S::compress(pixel.add(channel), channel as u32, values, places) };
            }
        }
        if count == 0 {
            continue;
        }
        let (values, places) = (&values[..count], &places[..count]);
        let at = column * filters;
        let mut filter = 0;
        while filter < filters {
            let (weights, out) = (weights[filter..].as_ptr(), out.map(|row| row.wrapping_add(at + filter)));
            unsafe {
                if filters - filter >= 2 * LANES {
                    add::<S, 2>(values, places, weights, out, filters);
                    filter += 2 * LANES;
                } else {
                    add::<S, 1>(values, places, weights, out, filters);
                    filter += LANES;
                }
            }
        }
    }
}

/// Adds one pixel's values at the nine outputs that see it, for `DEPTH` vectors of filters.
#[inline(always)]
unsafe fn add<S: Simd, const DEPTH: usize>(
    values: &[f32],
    places: &[u32],
    weights: *const f32,
    out: [*mut f32; SIDE],
    filters: usize,
) {
    unsafe {
        let mut sums = [[[S::zero(); DEPTH]; SIDE]; SIDE];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (column, sums) in sums.iter_mut().enumerate() {
                for (d, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(out[row].add(column * filters + d * LANES));
                }
            }
        }
        for (&value, &channel) in values.iter().zip(places) {
            let value = S::splat(value);
            let weights = weights.add(channel as usize * TAPS * filters);
            for (row, sums) in sums.iter_mut().enumerate() {
                for (column, sums) in sums.iter_mut().enumerate() {
                    // The output above sees this pixel in the last row of its window.
                    let tap = (SIDE - 1 - row) * SIDE + SIDE - 1 - column;
                    for (d, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(value, S::load(weights.add(tap * filters + d * LANES)), *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (column, sums) in sums.iter().enumerate() {
                for (d, &sum) in sums.iter().enumerate() {
                    S::store(out[row].add(column * filters + d * LANES), sum);
                }
            }
        }
    }
}
