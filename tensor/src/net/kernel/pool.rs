//! ReLU and SAME max-pooling (3 x 3, stride 2) in one, forward and backward, on images with channels innermost.

use std::ops::Range;

use super::conv::Plane;
use super::simd::{LANES, NO_WINNER, Simd};

/// Who wins a pooling window in which nothing is above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flat {
    Nobody,
    /// The first pixel of its row `row`, the first that lies in the image.
    First {
        row: u8,
    },
}

/// Some columns of a pooled row from three rows of convolution outputs, each `width + 2` pixels with a border of zeros.
///
/// Starting from zero makes ReLU part of the maximum. `pooled` and `winners` hold `width / 2` pixels, rounded up; a
/// winner is the first largest pixel of its window, counted in row-major order. Where nothing is above zero, `flat`
/// says who wins: nobody, because ReLU lets no gradient through, or the first pixel, among equal zeros.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn pool_row<S: Simd>(
    rows: [&[f32]; 3],
    (width, columns): (usize, Range<usize>),
    channels: usize,
    flat: Flat,
    pooled: &mut [f32],
    winners: &mut [u8],
) {
    let pooled_width = width.div_ceil(2);
    assert!(columns.end <= pooled_width);
    assert!(rows.iter().all(|row| row.len() >= (width + 2) * channels) && channels.is_multiple_of(LANES));
    assert!(pooled.len() >= pooled_width * channels && winners.len() >= pooled_width * channels);
    let left = 1 - width % 2;
    for column in columns {
        let nothing = match flat {
            Flat::Nobody => NO_WINNER,
            // At odd widths the first window begins beyond the edge.
            Flat::First { row } => 3 * row + if column == 0 { 1 - left as u8 } else { 0 },
        };
        let start = (2 * column + left) * channels;
        for channel in (0..channels).step_by(LANES) {
            // SAFETY: the caller has the instructions. The lengths asserted above cover three columns of each row from
            // `start` on, because `start + 2 * channels` ends within `width + 2` pixels, and column `column` of both
            // targets.
            unsafe {
                let (mut best, mut winner) = (S::zero(), S::index(nothing));
                for (y, row) in rows.iter().enumerate() {
                    for x in 0..3 {
                        let value = S::load(row.as_ptr().add(start + x * channels + channel));
                        (best, winner) = S::challenge(best, winner, value, (3 * y + x) as u8);
                    }
                }
                let to = column * channels + channel;
                S::store(pooled.as_mut_ptr().add(to), best);
                S::store_index(winners.as_mut_ptr().add(to), winner);
            }
        }
    }
}

/// Winners of a pooled plane before any row is pooled: none, which the border keeps.
pub fn no_winners(pooled: Plane) -> Vec<u8> {
    vec![NO_WINNER; pooled.len()]
}

/// Gradient of one row of convolution outputs: each takes the gradients of the windows that it won.
///
/// `d_out` holds `plane.width` pixels; their sum is added to `d_bias`, the gradient of the convolution's bias. What is
/// left of the relevance behind a pooling is routed in the same way.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn route_row<S: Simd>(
    plane: Plane,
    row: usize,
    pooled: Plane,
    (d_pooled, winners): (&[f32], &[u8]),
    d_out: &mut [f32],
    d_bias: &mut [f32],
) {
    let channels = pooled.channels;
    assert!(row < plane.height && channels.is_multiple_of(LANES) && d_bias.len() >= channels);
    assert!(d_pooled.len() >= pooled.len() && winners.len() >= pooled.len());
    assert!(pooled.height == plane.height.div_ceil(2) && pooled.width == plane.width.div_ceil(2));
    assert!(d_out.len() >= plane.width * channels);
    let (rows, row_count) = windows(row, plane.height);
    for channel in (0..channels).step_by(LANES) {
        // SAFETY: the caller has the instructions, and the lengths asserted above cover every window, pixel and
        // channel: `windows` names none beyond the border, and `channel` is a multiple of a vector below `channels`.
        unsafe {
            let mut bias = S::load(d_bias.as_ptr().add(channel));
            for column in 0..plane.width {
                let (columns, column_count) = windows(column, plane.width);
                let mut sum = S::zero();
                for &(window_row, y) in &rows[..row_count] {
                    for &(window_column, x) in &columns[..column_count] {
                        let at = pooled.at(window_row, window_column) + channel;
                        let value = S::load(d_pooled.as_ptr().add(at));
                        sum = S::add_where(sum, value, winners.as_ptr().add(at), 3 * y + x);
                    }
                }
                S::store(d_out.as_mut_ptr().add(column * channels + channel), sum);
                bias = S::fma(S::splat(1.0), sum, bias);
            }
            S::store(d_bias.as_mut_ptr().add(channel), bias);
        }
    }
}

/// The one or two windows along an axis that see pixel `position` of `side`: which, with the border counted, and as
/// their how manieth pixel. A window beyond the edge falls on the border, where nothing has won.
#[inline(always)]
fn windows(position: usize, side: usize) -> ([(usize, u8); 2], usize) {
    let position = position + side % 2;
    let window = position / 2 + 1;
    match position % 2 {
        0 => ([(window, 0), (window - 1, 2)], 2),
        _ => ([(window, 1), (window, 1)], 1),
    }
}
