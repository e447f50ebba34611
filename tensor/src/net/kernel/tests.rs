//! Every kernel against a naive twin in `f64`.

use rand::RngExt;
use xdlreg_core::net::ModelSettings;
use xdlreg_core::seed;
use xdlreg_core::sim::SHAPE;

use super::backward::{input_gradient, single_row};
use super::conv::{Plane, convolve_row};
use super::forward::seen_windows;
use super::layout::Block;
use super::order::{by_lanes, turned};
use super::pool::{Flat, no_winners, pool_row, route_row};
use super::scatter::Nonzero;
use super::simd::{Avx2, Avx512, LANES, NO_WINNER};
use super::winners::{SLACK, Winners, first_gradient};
use super::*;

/// Said where a test of kernels would otherwise pass without testing anything.
pub(super) const NO_KERNELS: &str = "this processor has no AVX2, without which the kernels cannot be tested";

pub(super) fn random(count: usize, purpose: &str) -> Vec<f32> {
    let mut stream = seed::stream(11, purpose, count as u64);
    (0..count).map(|_| stream.random_range(-1.0f32..1.0)).collect()
}

/// Random pixels within a border of zeros.
fn random_plane(plane: Plane, purpose: &str) -> Vec<f32> {
    let mut values = random(plane.len(), purpose);
    for row in 0..plane.height + 2 {
        for column in 0..plane.width + 2 {
            if row == 0 || column == 0 || row == plane.height + 1 || column == plane.width + 1 {
                values[plane.at(row, column)..][..plane.channels].fill(0.0);
            }
        }
    }
    values
}

pub(super) fn close(ours: &[f32], naive: &[f64], what: &str) {
    assert_eq!(ours.len(), naive.len(), "{what}");
    let scale = naive.iter().fold(1.0f64, |scale, value| scale.max(value.abs()));
    for (index, (&x, &y)) in ours.iter().zip(naive).enumerate() {
        assert!((f64::from(x) - y).abs() < 1e-5 * scale, "{what} at {index}: {x} against {y}");
    }
}

/// Runs a kernel with every instruction set of this machine and expects equal bits.
macro_rules! with_every_isa {
    (|$set:ident| $body:expr) => {{
        let mut results = Isa::available().into_iter().map(|isa| match isa {
            Isa::Avx512 => {
                type $set = Avx512;
                $body
            }
            Isa::Avx2 => {
                type $set = Avx2;
                $body
            }
        });
        let first = results.next();
        for other in results {
            assert_eq!(Some(&other), first.as_ref());
        }
        first
    }};
}

const SHAPES: [(usize, usize, usize, usize, usize); 7] = [
    (5, 98, 1, 16, 3),
    (4, 49, 16, 16, 3),
    (3, 25, 16, 32, 3),
    (2, 13, 32, 64, 3),
    (7, 7, 64, 32, 1),
    (3, 4, 64, 16, 3),
    (2, 1, 32, 32, 3),
];

/// Value of the weight for (filter, window row, window column, channel) in the kernels' order.
fn weight_place(side: usize, channels: usize, [filter, y, x, channel]: [usize; 4]) -> usize {
    ((filter / LANES * side + y) * side + x) * channels * LANES + channel * LANES + filter % LANES
}

#[test]
fn a_convolution_equals_its_definition() {
    for (height, width, channels, filters, side) in SHAPES {
        let plane = Plane { height, width, channels };
        let image = random_plane(plane, "image");
        let (weights, bias) = (random(side * side * channels * filters, "weights"), random(filters, "bias"));
        let Some(ours) = with_every_isa!(|S| {
            let mut out = vec![0.0; height * width * filters];
            for (row, out) in out.chunks_exact_mut(width * filters).enumerate() {
                // SAFETY: `with_every_isa` names none but instruction sets that this processor has.
                unsafe { convolve_row::<S>((plane, &image), side, &weights, &bias, (row, 0..width), out) };
            }
            out
        }) else {
            panic!("{NO_KERNELS}");
        };
        let mut naive = Vec::new();
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            for filter in 0..filters {
                let mut sum = f64::from(bias[filter]);
                for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                    let at = plane.at(row + 1 + y - side / 2, column + 1 + x - side / 2);
                    for channel in 0..channels {
                        let weight = weights[weight_place(side, channels, [filter, y, x, channel])];
                        sum += f64::from(image[at + channel]) * f64::from(weight);
                    }
                }
                naive.push(sum);
            }
        }
        close(&ours, &naive, &format!("{height} x {width}, {channels} -> {filters}"));
    }
}

/// The blocks of a network that has every number of channels.
fn blocks() -> Vec<Block> {
    let wide = ModelSettings { conv_filters: [16, 32, 64, 16, 32], ..ModelSettings::default() };
    let models = [ModelSettings::default(), wide];
    models.iter().flat_map(|m| Layout::new(&m.network(SHAPE).expect("a network")).expect("a layout").blocks).collect()
}

/// Random winners of a block's pooling windows: any pixel of the image, or nobody.
fn random_winners(block: &Block) -> Vec<u8> {
    let (output, pooled, mut winners) = (block.output, block.pooled, no_winners(block.pooled));
    let mut stream = seed::stream(11, "winners", pooled.len() as u64);
    for (row, column) in (0..pooled.height).flat_map(|row| (0..pooled.width).map(move |column| (row, column))) {
        for filter in 0..pooled.channels {
            let pixel = stream.random_range(0..=NO_WINNER);
            let is_there = pixel == NO_WINNER || winner_pixel(output, (row, column), pixel).is_some();
            winners[pooled.at(row + 1, column + 1) + filter] = if is_there { pixel } else { NO_WINNER };
        }
    }
    winners
}

/// The pixel of a convolution's output that is the `pixel`th of a window; none where that lies beyond the edge.
fn winner_pixel(output: Plane, (row, column): (usize, usize), pixel: u8) -> Option<(usize, usize)> {
    let along = |window: usize, position: u8, side: usize| {
        (2 * window + usize::from(position)).checked_sub(side % 2).filter(|&at| at < side)
    };
    Some((along(row, pixel / 3, output.height)?, along(column, pixel % 3, output.width)?))
}

/// The gradient of a convolution's output `[height, width, filters]`, with a border.
fn routed(block: &Block, d_pooled: &[f32], winners: &[u8]) -> Vec<f64> {
    let (output, pooled) = (block.output, block.pooled);
    let mut d_out = vec![0.0; output.len()];
    for (row, column) in (0..pooled.height).flat_map(|row| (0..pooled.width).map(move |column| (row, column))) {
        for filter in 0..pooled.channels {
            let at = pooled.at(row + 1, column + 1) + filter;
            if winners[at] != NO_WINNER {
                let (r, c) = winner_pixel(output, (row, column), winners[at]).expect("winners lie in the image");
                d_out[output.at(r + 1, c + 1) + filter] += f64::from(d_pooled[at]);
            }
        }
    }
    d_out
}

/// Every product that a convolution is made of: places of input, weight and output.
fn products(block: &Block, mut each: impl FnMut(usize, usize, usize)) {
    let (input, output, side) = (block.input, block.output, block.side);
    for (row, column) in (1..=output.height).flat_map(|row| (1..=output.width).map(move |column| (row, column))) {
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            let at = input.at(row + y - side / 2, column + x - side / 2);
            for (filter, channel) in
                (0..output.channels).flat_map(|filter| (0..input.channels).map(move |channel| (filter, channel)))
            {
                let weight = weight_place(side, input.channels, [filter, y, x, channel]);
                each(at + channel, weight, output.at(row, column) + filter);
            }
        }
    }
}

#[test]
fn gradients_behind_pooling_equal_their_definition() {
    for block in &blocks() {
        let (input, output, pooled) = (block.input, block.output, block.pooled);
        let mut image = random_plane(input, "image");
        image.resize(input.len() + SLACK, 0.0);
        // Rows of which only a part is there, as in images of pumpkins.
        for row in 1..input.height.min(7) {
            image[input.at(row, 0)..input.at(row, input.width / 2)].fill(0.0);
        }
        let (weights, d_pooled) = (random(block.weight_count(), "weights"), random_plane(pooled, "gradient"));
        let winners = random_winners(block);
        let given = (&d_pooled[..], &winners[..]);
        let Some((d_weights, d_bias, d_input)) = with_every_isa!(|S| {
            let (mut d_weights, mut d_bias) = (vec![0.0; block.weight_count()], vec![0.0; output.channels]);
            let mut d_input = vec![0.0; input.len()];
            if input.channels == 1 {
                let is_seen = |row: usize| {
                    let pixels = &image[input.at(row, 0)..][..input.stride()];
                    let mut seen = (0..pixels.len()).filter(|&column| pixels[column] != 0.0);
                    seen.next().map_or(0..0, |first| first..seen.next_back().unwrap_or(first) + 1)
                };
                let seen: Vec<_> = (0..input.height + 2).map(is_seen).collect();
                assert!(!seen_windows(&seen, pooled, 0).contains(&0) && seen_windows(&seen, pooled, 5).contains(&0));
                // SAFETY: `with_every_isa` names none but instruction sets that this processor has.
                unsafe { first_gradient::<S>(block, (&image, &seen), given, &mut d_weights, &mut d_bias) };
            } else {
                let mut by_filter = vec![0.0; block.weight_count()];
                let mut order = by_filter.clone();
                turned(block, &weights, &mut order);
                let mut row = vec![0.0; single_row(block).len()];
                let mut nonzero = Nonzero::new([output].into_iter());
                let buffers = (&mut row[..], &mut nonzero);
                // SAFETY: `with_every_isa` names none but instruction sets that this processor has.
                unsafe {
                    let mut hits = Winners::new(std::slice::from_ref(block));
                    hits.weight_gradient::<S>(block, &image, given, &mut by_filter);
                    let to = &mut d_input[..];
                    match block.side {
                        3 => input_gradient::<S, 3>(block, &order, given, to, &mut d_bias, buffers),
                        _ => input_gradient::<S, 1>(block, &order, given, to, &mut d_bias, buffers),
                    }
                }
                by_lanes(block, &by_filter, &mut d_weights);
            }
            (d_weights, d_bias, d_input)
        }) else {
            panic!("{NO_KERNELS}");
        };
        let d_out = routed(block, &d_pooled, &winners);
        let (mut naive_weights, mut naive_input) = (vec![0.0; d_weights.len()], vec![0.0; input.len()]);
        products(block, |at, weight, out| {
            naive_weights[weight] += f64::from(image[at]) * d_out[out];
            naive_input[at] += f64::from(weights[weight]) * d_out[out];
        });
        let what = format!("{} x {}, {} -> {}", output.height, output.width, input.channels, output.channels);
        close(&d_weights, &naive_weights, &format!("weights of {what}"));
        let of_filter = |filter: usize| d_out.iter().skip(filter).step_by(output.channels).sum::<f64>();
        close(&d_bias, &(0..output.channels).map(of_filter).collect::<Vec<_>>(), &format!("bias of {what}"));
        if input.channels > 1 {
            for row in 1..=input.height {
                let row = input.at(row, 1)..input.at(row, input.width + 1);
                close(&d_input[row.clone()], &naive_input[row], &format!("input of {what}"));
            }
        }
    }
}

#[test]
fn pooling_routes_to_the_first_winner_above_zero() {
    for (height, width, channels) in [(6, 6, 16), (7, 5, 32), (6, 9, 16), (1, 1, 64)] {
        let plane = Plane { height, width, channels };
        let pooled = Plane { height: height.div_ceil(2), width: width.div_ceil(2), channels };
        // Few distinct values, so that there are ties and windows without anything above zero.
        let image: Vec<f32> = random_plane(plane, "image").iter().map(|v| (v * 2.0).round() - 0.5).collect();
        let image: Vec<f32> =
            image.iter().zip(random_plane(plane, "image")).map(|(&v, r)| if r == 0.0 { 0.0 } else { v }).collect();
        let d_pooled = random_plane(pooled, "gradient");
        let Some((values, d_image, d_bias)) = with_every_isa!(|S| {
            let (mut values, mut winners) = (vec![0.0; pooled.len()], no_winners(pooled));
            let border = vec![0.0; plane.stride()];
            for row in 0..pooled.height {
                let rows = [0, 1, 2].map(|y| match 2 * row + y + 1 - height % 2 {
                    above if above <= height => &image[plane.at(above, 0)..][..plane.stride()],
                    _ => &border[..],
                });
                let start = pooled.at(row + 1, 1);
                // SAFETY: `with_every_isa` names none but instruction sets that this processor has.
                unsafe {
                    pool_row::<S>(
                        rows,
                        (width, 0..pooled.width),
                        channels,
                        Flat::Nobody,
                        &mut values[start..],
                        &mut winners[start..],
                    )
                };
            }
            let (mut d_image, mut d_bias) = (vec![0.0; height * width * channels], vec![0.0; channels]);
            for (row, d_row) in d_image.chunks_exact_mut(width * channels).enumerate() {
                // SAFETY: `with_every_isa` names none but instruction sets that this processor has.
                unsafe { route_row::<S>(plane, row, pooled, (&d_pooled, &winners), d_row, &mut d_bias) };
            }
            (values, d_image, d_bias)
        }) else {
            panic!("{NO_KERNELS}");
        };
        let mut naive = vec![0.0f64; d_image.len()];
        for (row, column) in (0..pooled.height).flat_map(|r| (0..pooled.width).map(move |c| (r, c))) {
            for channel in 0..channels {
                let at = pooled.at(row + 1, column + 1) + channel;
                let mut best = (0.0, None);
                for (y, x) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
                    let (r, c) = (2 * row + y, 2 * column + x);
                    let (r, c) = (r.wrapping_sub(height % 2), c.wrapping_sub(width % 2));
                    if r < height && c < width && image[plane.at(r + 1, c + 1) + channel] > best.0 {
                        best = (image[plane.at(r + 1, c + 1) + channel], Some((r * width + c) * channels + channel));
                    }
                }
                assert_eq!(values[at], best.0);
                if let Some(winner) = best.1 {
                    naive[winner] += f64::from(d_pooled[at]);
                }
            }
        }
        close(&d_image, &naive, "gradient of the image");
        let bias: Vec<f64> =
            (0..channels).map(|channel| naive.iter().skip(channel).step_by(channels).sum::<f64>()).collect();
        close(&d_bias, &bias, "gradient of the bias");
    }
}
