//! Every rule against its definition, written connection by connection in f64.
//!
//! All values lie on a coarse grid, so sums are exact and zeros of inputs, weights, biases and denominators are real.

use rand::{Rng, RngExt};
use tch::{Kind, Tensor};
use xdlreg_core::explain::Bias;
use xdlreg_core::explain::{Denominator, Rule};
use xdlreg_core::net::{BATCH_NORM_EPSILON, Padding};
use xdlreg_core::raster::ImageShape;
use xdlreg_core::seed::stream;

use super::linear::Linear;
use super::pool::max_pool;
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::Layer;
use crate::net::layer::Window;

/// A linear layer as a list of its connections.
struct Wiring {
    /// (input, output, weight).
    connections: Vec<(usize, usize, f64)>,
    bias: Vec<f64>,
    inputs: usize,
}

/// A rule's message from an input to an output, given x, w and what `Sums` holds of that output.
type Share = dyn Fn(f64, f64, &Sums) -> f64;

/// What a rule may need to know of all connections of one output.
#[derive(Clone, Copy, Default)]
struct Sums {
    bias: f64,
    z: f64,
    excites: f64,
    inhibits: f64,
    x_positive_weight: f64,
    weight_squared: f64,
    connections: f64,
    bounded: f64,
    bounded_by_zero: f64,
}

const LOW: f64 = -0.5;
const HIGH: f64 = 2.0;

impl Wiring {
    fn sums(&self, x: &[f64]) -> Vec<Sums> {
        let mut sums: Vec<Sums> = self.bias.iter().map(|&bias| Sums { bias, z: bias, ..Sums::default() }).collect();
        for &(input, output, w) in &self.connections {
            let (x, sums) = (x[input], &mut sums[output]);
            sums.z += x * w;
            sums.excites += (x * w).max(0.0);
            sums.inhibits += (x * w).min(0.0);
            sums.x_positive_weight += x * w.max(0.0);
            sums.weight_squared += w * w;
            sums.connections += 1.0;
            sums.bounded += x * w - LOW * w.max(0.0) - HIGH * w.min(0.0);
            sums.bounded_by_zero += x * w - HIGH * w.min(0.0);
        }
        sums
    }

    fn relevance(&self, x: &[f64], relevance: &[f64], share: &Share) -> Vec<f64> {
        let sums = self.sums(x);
        let mut total = vec![0.0; self.inputs];
        for &(input, output, w) in &self.connections {
            total[input] += share(x[input], w, &sums[output]) * relevance[output];
        }
        total
    }
}

fn safe(d: f64) -> f64 {
    if d == 0.0 { 1e-7 } else { d }
}

fn shifted(d: f64, epsilon: f64) -> f64 {
    if d < 0.0 { d - epsilon } else { d + epsilon }
}

fn rules() -> Vec<(&'static str, Rule, Box<Share>)> {
    let mut rules: Vec<(&'static str, Rule, Box<Share>)> = vec![
        ("z", Rule::z(Bias::Full), Box::new(|x, w, s| x * w / safe(s.z))),
        ("z without bias", Rule::z(Bias::Ignore), Box::new(|x, w, s| x * w / safe(s.z - s.bias))),
        ("epsilon", Rule::epsilon(0.25, Bias::Full), Box::new(|x, w, s| x * w / shifted(s.z, 0.25))),
        ("epsilon 0", Rule::epsilon(0.0, Bias::Full), Box::new(|x, w, s| x * w / safe(s.z))),
        (
            "epsilon without bias",
            Rule::epsilon(0.25, Bias::Ignore),
            Box::new(|x, w, s| x * w / shifted(s.z - s.bias, 0.25)),
        ),
        ("z+", Rule::z_plus(), Box::new(|x, w, s| (x * w).max(0.0) / safe(s.excites))),
        ("z+ fast", Rule::z_plus_fast(), Box::new(|x, w, s| x * w.max(0.0) / safe(s.x_positive_weight))),
        ("w^2", Rule::w_square(Denominator::Safe), Box::new(|_, w, s| w * w / safe(s.weight_squared))),
        ("flat", Rule::flat(Denominator::Safe), Box::new(|_, _, s| 1.0 / s.connections)),
        ("flat of Zennit", Rule::flat(Denominator::Epsilon(0.5)), Box::new(|_, _, s| 1.0 / (s.connections + 0.5))),
        (
            "z^B",
            Rule::z_bounded(LOW, HIGH, Denominator::Safe),
            Box::new(|x, w, s| (x * w - LOW * w.max(0.0) - HIGH * w.min(0.0)) / safe(s.bounded)),
        ),
        (
            "z^B from 0",
            Rule::z_bounded(0.0, HIGH, Denominator::Safe),
            Box::new(|x, w, s| (x * w - HIGH * w.min(0.0)) / safe(s.bounded_by_zero)),
        ),
        ("gradient", Rule::gradient(), Box::new(|_, w, _| w)),
    ];
    for (alpha, beta) in [(1.0, 0.0), (2.0, 1.0), (1.5, 0.5)] {
        for bias in [Bias::Full, Bias::Signed, Bias::Ignore] {
            let share = move |x: f64, w: f64, s: &Sums| {
                let (up, down) = match bias {
                    Bias::Full => (s.bias, s.bias),
                    Bias::Signed => (s.bias.max(0.0), s.bias.min(0.0)),
                    Bias::Ignore => (0.0, 0.0),
                };
                let (excites, inhibits) = ((x * w).max(0.0), (x * w).min(0.0));
                alpha * excites / safe(s.excites + up) - beta * inhibits / safe(s.inhibits + down)
            };
            rules.push(("alpha-beta", Rule::alpha_beta(alpha, beta, bias, Denominator::Safe), Box::new(share)));
        }
    }
    for bias in [Bias::Full, Bias::Signed, Bias::Ignore] {
        let share = move |x: f64, w: f64, s: &Sums| {
            let b = if bias == Bias::Ignore { 0.0 } else { s.bias };
            let favoured = |c: f64, up: bool| c + 0.25 * if up { c.max(0.0) } else { c.min(0.0) };
            match s.z {
                z if z > 0.0 => {
                    let sum = s.excites + s.inhibits + 0.25 * s.excites + favoured(b, true);
                    favoured(x * w, true) / shifted(sum, 0.125)
                }
                z if z < 0.0 => {
                    let sum = s.excites + s.inhibits + 0.25 * s.inhibits + favoured(b, false);
                    favoured(x * w, false) / shifted(sum, 0.125)
                }
                _ => 0.0,
            }
        };
        rules.push(("gamma", Rule::gamma(0.25, bias, Denominator::Epsilon(0.125)), Box::new(share)));
    }
    rules
}

/// Multiples of a quarter from `low` on, `steps` of them equally likely.
fn grid(rng: &mut impl Rng, count: usize, low: f64, steps: u32) -> Vec<f64> {
    (0..count).map(|_| low + f64::from(rng.random_range(0..steps)) * 0.25).collect()
}

fn tensor(values: &[f64], size: &[i64]) -> Tensor {
    Tensor::from_slice(values).to_kind(Kind::Float).reshape(size)
}

fn conv(
    rng: &mut impl Rng,
    image: ImageShape,
    filters: usize,
    (kernel, stride, padding): ([usize; 2], [usize; 2], Padding),
) -> (Layer, Wiring) {
    let (channels, window) = (image.channels, Window::new(image, kernel, stride, padding));
    let weights = grid(rng, filters * channels * kernel[0] * kernel[1], -0.75, 7);
    let bias = grid(rng, filters, -0.5, 5);
    let [rows, columns] = window.outputs([image.height as i64, image.width as i64]).map(|side| side as usize);
    let mut connections = Vec::new();
    for (filter, channel) in (0..filters).flat_map(|f| (0..channels).map(move |c| (f, c))) {
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            for (y, x) in (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x))) {
                let from_row = (row * stride[0] + y).wrapping_sub(window.padding[0][0] as usize);
                let from_column = (column * stride[1] + x).wrapping_sub(window.padding[1][0] as usize);
                if from_row < image.height && from_column < image.width {
                    let input = (channel * image.height + from_row) * image.width + from_column;
                    let w = weights[((filter * channels + channel) * kernel[0] + y) * kernel[1] + x];
                    connections.push((input, (filter * rows + row) * columns + column, w));
                }
            }
        }
    }
    let size = [filters, channels, kernel[0], kernel[1]].map(|side| side as i64);
    let layer = Layer::Conv { weight: tensor(&weights, &size), bias: Some(tensor(&bias, &[filters as i64])), window };
    let bias = bias.iter().flat_map(|&b| vec![b; rows * columns]).collect();
    (layer, Wiring { connections, bias, inputs: image.values() })
}

fn dense(rng: &mut impl Rng, inputs: usize, outputs: usize, with_bias: bool) -> (Layer, Wiring) {
    let weights = grid(rng, inputs * outputs, -0.75, 7);
    let bias = if with_bias { grid(rng, outputs, -0.5, 5) } else { vec![0.0; outputs] };
    let connections = weights.iter().enumerate().map(|(at, &weight)| (at % inputs, at / inputs, weight)).collect();
    let layer = Layer::Dense {
        weight: tensor(&weights, &[outputs as i64, inputs as i64]),
        bias: with_bias.then(|| tensor(&bias, &[outputs as i64])),
    };
    (layer, Wiring { connections, bias, inputs })
}

fn check(layer: &Layer, wiring: &Wiring, rng: &mut impl Rng, input: &[i64]) {
    let linear = Linear::of(layer, &tensor(&vec![0.0; wiring.inputs], input)).expect("a linear layer");
    for non_negative in [false, true] {
        // Half of what is never negative is zero, as behind a ReLU.
        let x: Vec<f64> = match non_negative {
            true => grid(rng, wiring.inputs, -1.0, 9).into_iter().map(|value| value.max(0.0)).collect(),
            false => grid(rng, wiring.inputs, -1.0, 9),
        };
        let x_tensor = tensor(&x, input);
        let z = layer.forward(&x_tensor);
        for (relevance, r_tensor) in relevances(rng, &z) {
            for (name, rule, share) in rules() {
                let rule = LayerRule::new(&rule, &linear, &x_tensor, non_negative);
                let z = rule.needs_output().then_some(&z);
                let ours = doubles(&rule.propagate(&x_tensor, z, &r_tensor).0);
                let expected = wiring.relevance(&x, &relevance, &*share);
                // Messages may cancel, so float32 is held to their sizes.
                let sizes: Vec<f64> = relevance.iter().map(|value| value.abs()).collect();
                let sizes = wiring.relevance(&x, &sizes, &move |x, w, sums| share(x, w, sums).abs());
                let scale = sizes.into_iter().fold(1e-3, f64::max);
                for (input, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
                    assert!((ours - expected).abs() < 1e-5 * scale, "{name}, input {input}: {ours} for {expected}");
                }
            }
        }
    }
}

/// Relevance of the output z of a layer, with zeros: as it is, and behind a max-pool if z has rows and columns.
fn relevances(rng: &mut impl Rng, z: &Tensor) -> Vec<(Vec<f64>, Relevance)> {
    let mut random = |size: &[i64]| tensor(&grid(rng, size.iter().product::<i64>() as usize, -2.0, 17), size);
    let dense = random(&z.size());
    let mut relevances = vec![(doubles(&dense), Relevance::Dense(dense))];
    if z.dim() == 4 {
        let size = z.size();
        let image = ImageShape::plane(size[2] as usize, size[3] as usize);
        let window = Window::new(image, [3, 3], [2, 2], Padding::Same);
        let (pooled, winners) = max_pool(z, &window, true);
        let values = random(&pooled.size());
        relevances.push((doubles(&winners.route(&values)), Relevance::Pooled { values, winners }));
    }
    relevances
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.contiguous().view(-1).to_kind(Kind::Double)).expect("values")
}

#[test]
fn every_rule_shares_relevance_as_defined() {
    for seed in 0..4 {
        let rng = &mut stream(seed, "rules", 0);
        let same = |side| ([side; 2], [1; 2], Padding::Same);
        for (channels, [height, width], filters, window) in [
            (1, [5, 5], 3, same(3)),
            (3, [4, 4], 2, same(3)),
            (4, [3, 3], 3, same(1)),
            (1, [5, 6], 3, ([2, 3], [2, 1], Padding::Same)),
            (3, [6, 5], 2, ([3, 2], [2, 3], Padding::Valid)),
            (2, [4, 5], 2, ([3, 3], [2, 2], Padding::Pixels([2, 1]))),
        ] {
            let (layer, wiring) = conv(rng, ImageShape::new(channels, height, width), filters, window);
            let size = [1, channels, height, width].map(|side| side as i64);
            check(&layer, &wiring, rng, &size);
        }
        for with_bias in [true, false] {
            let (layer, wiring) = dense(rng, 6, 4, with_bias);
            check(&layer, &wiring, rng, &[1, 6]);
        }
    }
}

/// iNNvestigate's rule for batch norm as it is written there: R_in = x (y - beta) / (x - mu) * R / y.
#[test]
fn batch_norm_follows_innvestigate() {
    let values = |list: &[f64]| tensor(list, &[list.len() as i64]);
    let (gamma, beta, mean, var) = ([1.5, -0.5], [0.25, 0.5], [0.5, -1.0], [2.0, 0.5]);
    let layer = Layer::BatchNorm {
        weight: values(&gamma),
        bias: values(&beta),
        running_mean: values(&mean),
        running_var: values(&var),
        epsilon: BATCH_NORM_EPSILON,
    };
    let x = grid(&mut stream(0, "batch norm", 0), 2 * 9, -0.9, 9);
    let relevance = grid(&mut stream(1, "batch norm", 0), 2 * 9, -1.0, 9);
    let input = tensor(&x, &[1, 2, 3, 3]);
    let rule =
        LayerRule::new(&Rule::epsilon(1e-7, Bias::Full), &Linear::of(&layer, &input).expect("linear"), &input, false);
    let output = layer.forward(&input);
    let (ours, _) = rule.propagate(&input, Some(&output), &Relevance::Dense(tensor(&relevance, &[1, 2, 3, 3])));
    for (at, ours) in doubles(&ours).iter().enumerate() {
        let channel = at / 9;
        let y = (x[at] - mean[channel]) / (var[channel] + BATCH_NORM_EPSILON).sqrt() * gamma[channel] + beta[channel];
        let expected = x[at] * (y - beta[channel]) / (x[at] - mean[channel]) * relevance[at] / y;
        assert!((ours - expected).abs() < 1e-4 * expected.abs().max(1.0), "{ours} for {expected}");
    }
}
