//! Every kernel against a naive twin in `f64`, and whole trainings against automatic differentiation.

use rand::RngExt;
use tch::Device;
use xdlreg::raster::SIDE;
use xdlreg::seed;
use xdlreg::spec::{ModelSettings, Optimizer, Task};

use super::conv::{Plane, convolve_row, weight_gradient};
use super::pool::{Flat, no_winners, pool_row, route_row};
use super::simd::{Avx2, Avx512, LANES};
use super::*;
use crate::net::architecture::Architecture;
use crate::net::autograd::Autograd;
use crate::net::init::initial_weights;

fn random(count: usize, purpose: &str) -> Vec<f32> {
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

fn close(ours: &[f32], naive: &[f64], what: &str) {
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
                unsafe { convolve_row::<S>((plane, &image), side, &weights, Some(&bias), row, out) };
            }
            out
        }) else {
            return;
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

#[test]
fn a_weight_gradient_equals_its_definition() {
    for (height, width, channels, filters, side) in SHAPES {
        let (plane, out_plane) = (Plane { height, width, channels }, Plane { height, width, channels: filters });
        let (image, d_out) = (random_plane(plane, "image"), random_plane(out_plane, "gradient"));
        let Some(ours) = with_every_isa!(|S| {
            let mut gradient = vec![0.0; side * side * channels * filters];
            let split = height / 2;
            for rows in [0..split, split..height] {
                unsafe { weight_gradient::<S>((plane, &image), (out_plane, &d_out), side, rows, &mut gradient) };
            }
            gradient
        }) else {
            return;
        };
        let mut naive = vec![0.0; ours.len()];
        for (row, column) in (1..=height).flat_map(|row| (1..=width).map(move |column| (row, column))) {
            for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                let at = plane.at(row + y - side / 2, column + x - side / 2);
                for (filter, channel) in (0..filters).flat_map(|f| (0..channels).map(move |c| (f, c))) {
                    naive[weight_place(side, channels, [filter, y, x, channel])] +=
                        f64::from(image[at + channel]) * f64::from(d_out[out_plane.at(row, column) + filter]);
                }
            }
        }
        close(&ours, &naive, &format!("{height} x {width}, {channels} -> {filters}"));
    }
}

#[test]
fn turned_weights_give_the_gradient_of_the_input() {
    let model = ModelSettings { conv_filters: [16, 32, 64, 16, 32], ..ModelSettings::default() };
    let layout = Layout::new(Architecture::of(&model), (98, 98)).expect("a layout");
    for block in &layout.blocks[1..] {
        let (input, output, side) = (block.input, block.output, block.side);
        let (channels, filters) = (input.channels, output.channels);
        let (weights, d_out) = (random(block.weight_count(), "weights"), random_plane(output, "gradient"));
        let mut turned = vec![0.0; weights.len()];
        turn_weights(block, &weights, &mut turned);
        let Some(ours) = with_every_isa!(|S| {
            let mut d_input = vec![0.0; input.height * input.width * channels];
            for (row, d_input) in d_input.chunks_exact_mut(input.width * channels).enumerate() {
                unsafe { convolve_row::<S>((output, &d_out), side, &turned, None, row, d_input) };
            }
            d_input
        }) else {
            return;
        };
        let mut naive = vec![0.0; input.len()];
        for (row, column) in (1..=input.height).flat_map(|r| (1..=input.width).map(move |c| (r, c))) {
            for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                let at = input.at(row + y - side / 2, column + x - side / 2);
                for (filter, channel) in (0..filters).flat_map(|f| (0..channels).map(move |c| (f, c))) {
                    naive[at + channel] += f64::from(d_out[output.at(row, column) + filter])
                        * f64::from(weights[weight_place(side, channels, [filter, y, x, channel])]);
                }
            }
        }
        let inner: Vec<f64> = (1..=input.height)
            .flat_map(|row| naive[input.at(row, 1)..input.at(row, input.width + 1)].iter().copied())
            .collect();
        close(&ours, &inner, &format!("{channels} -> {filters}"));
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
                unsafe {
                    pool_row::<S>(rows, width, channels, Flat::Nobody, &mut values[start..], &mut winners[start..])
                };
            }
            let (mut d_image, mut d_bias) = (vec![0.0; height * width * channels], vec![0.0; channels]);
            for (row, d_row) in d_image.chunks_exact_mut(width * channels).enumerate() {
                unsafe { route_row::<S>(plane, row, pooled, (&d_pooled, &winners), d_row, &mut d_bias) };
            }
            (values, d_image, d_bias)
        }) else {
            return;
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

/// A few random images and ages.
fn samples(count: usize) -> (RasterStack, Vec<f32>) {
    let pixels = random(count * SIDE * SIDE, "pixels").iter().map(|value| value.abs()).collect();
    (RasterStack::new(SIDE, SIDE, pixels), (0..count).map(|i| 20.0 + ((i * 37) % 61) as f32).collect())
}

/// Raw outputs and final weights of training steps with dropout.
fn steps(engine: &mut dyn Engine, count: usize, features: usize) -> (Vec<f32>, Vec<f32>, Weights) {
    let mut stream = seed::stream(1, "steps", 0);
    for step in 0..count {
        let batch: Vec<usize> = (0..5 - step % 2).map(|index| (step * 7 + index * 3) % 12).collect();
        let mask: Vec<f32> = (0..batch.len() * features).map(|_| 2.0 * f32::from(stream.random::<bool>())).collect();
        engine.step(&batch, &mask, 1e-3);
    }
    (engine.take_outputs(), engine.evaluate(0..12), engine.weights())
}

#[test]
fn a_training_equals_that_by_automatic_differentiation() {
    let odd = ModelSettings { conv_filters: [3, 20, 16, 40, 7], dense_units: 21, ..ModelSettings::default() };
    let classes = ModelSettings { task: Task::Classification, ..ModelSettings::default() };
    let trainings =
        [(ModelSettings::default(), Optimizer::Adam, 100), (odd, Optimizer::Adamw, 20), (classes, Optimizer::Sgd, 20)];
    for (model, optimizer, count) in trainings {
        let settings = TrainSettings { optimizer, weight_decay: 0.01, momentum: 0.5, ..TrainSettings::default() };
        let (images, ages) = samples(12);
        let objective = Objective::new(model.task, &ages);
        let architecture = Architecture::of(&model);
        let weights = initial_weights(architecture, 50.0, 3);
        let moments = Moments::zeros(trainable_values(&weights).len());
        let Some(&isa) = Isa::available().first() else { return };
        let run = |isa, threads| {
            let mut kernels =
                Kernels::with_isa(isa, &images, &objective, &settings, (&weights, &moments), threads).expect("kernels");
            steps(&mut kernels, count, architecture.features())
        };
        let ours = run(isa, 1);
        for &other in &Isa::available()[1..] {
            assert!(run(other, 1) == ours, "{other:?} against {isa:?}");
        }
        let shared = run(isa, 2);
        assert!(run(isa, 2) == shared, "two threads repeat themselves");
        let mut autograd = Autograd::new(&images, &objective, &settings, &weights, &moments, Device::Cpu);
        let theirs = steps(&mut autograd, count, architecture.features());
        let scale = theirs.0.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
        for ours in [&ours, &shared] {
            for (index, (x, y)) in ours.0.iter().zip(&theirs.0).enumerate() {
                // Training amplifies differences in rounding, from some twenty steps on visibly.
                let tolerance = if index < 60 { 1e-4 } else { 2e-2 };
                assert!((x - y).abs() < tolerance * scale, "{optimizer:?}: output {index} is {x} against {y}");
            }
            for (x, y) in ours.1.iter().zip(&theirs.1) {
                assert!((x - y).abs() < 2e-2 * scale, "{optimizer:?}: evaluation {x} against {y}");
            }
        }
    }
}

#[test]
fn a_gradient_equals_that_by_automatic_differentiation() {
    let odd = ModelSettings { conv_filters: [3, 20, 16, 40, 7], dense_units: 21, ..ModelSettings::default() };
    for model in [ModelSettings::default(), odd] {
        // One step of plain gradient descent at rate 1 takes the gradient from the weights.
        let settings = TrainSettings { optimizer: Optimizer::Sgd, momentum: 0.0, ..TrainSettings::default() };
        let (images, ages) = samples(4);
        let objective = Objective::new(model.task, &ages);
        let weights = initial_weights(Architecture::of(&model), 50.0, 3);
        let moments = Moments::zeros(trainable_values(&weights).len());
        let mask = vec![1.0; 4 * weights.architecture().features()];
        let Some(mut kernels) = Kernels::new(&images, &objective, &settings, (&weights, &moments), 1) else { return };
        let mut autograd = Autograd::new(&images, &objective, &settings, &weights, &moments, Device::Cpu);
        kernels.step(&[0, 1, 2, 3], &mask, 1.0);
        autograd.step(&[0, 1, 2, 3], &mask, 1.0);
        // The velocity of SGD is the negative gradient.
        let (ours, theirs) = (kernels.moments().first, autograd.moments().first);
        let mut start = 0;
        for parameter in weights.parameters() {
            let end = start + parameter.values.len();
            let theirs: Vec<f64> = theirs[start..end].iter().map(|&value| f64::from(value)).collect();
            assert!(theirs.iter().any(|&value| value != 0.0), "{} gets a gradient", parameter.name);
            close(&ours[start..end], &theirs, &parameter.name);
            start = end;
        }
    }
}
