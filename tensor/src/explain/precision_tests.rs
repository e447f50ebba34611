//! How far maps in float32 are from those of the same network in float64.
//!
//! The rules are those of [`LayerRule`], which `rule_tests` hold to their definitions; here they are carried out in double
//! precision, without kernels, from the prediction back to the pixels.

use rand::RngExt;
use tch::{Device, Kind, Tensor, no_grad};
use xdlreg_core::explain::{Analyzer, Composite, LayerSite, Method, Options, Start};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::seed::stream;
use xdlreg_core::sim::SHAPE;

use super::linear::Linear;
use super::network_tests::{ask, random_images, settings};
use super::parity_tests::{npy, reference};
use super::pool::{Winners, max_pool_by_libtorch};
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::network::to_tensor;
use crate::net::{Layer, Network, Weights};

/// A layer with its numbers in another kind.
fn converted(layer: &Layer, kind: Kind) -> Layer {
    let double = |tensor: &Tensor| tensor.to_kind(kind);
    match layer {
        Layer::Conv { weight, bias, window } => {
            Layer::Conv { weight: double(weight), bias: bias.as_ref().map(double), window: *window }
        }
        Layer::Dense { weight, bias } => Layer::Dense { weight: double(weight), bias: bias.as_ref().map(double) },
        Layer::BatchNorm { weight, bias, running_mean, running_var, epsilon } => Layer::BatchNorm {
            weight: double(weight),
            bias: double(bias),
            running_mean: double(running_mean),
            running_var: double(running_var),
            epsilon: *epsilon,
        },
        Layer::Relu => Layer::Relu,
        Layer::MaxPool(window) => Layer::MaxPool(*window),
        Layer::Flatten => Layer::Flatten,
        Layer::Dropout => Layer::Dropout,
    }
}

enum Step {
    Linear { rule: LayerRule, x: Tensor, z: Tensor },
    Pool(Winners),
    Flatten(Vec<i64>),
}

/// The maps of a composite whose relevance starts as the prediction, in numbers of this kind.
fn computed_in(kind: Kind, net: &Network, composite: &Composite, images: &RasterStack) -> Vec<f64> {
    assert_eq!(composite.start, Start::Prediction);
    let mut x = to_tensor(images, 0..images.len()).to_kind(kind);
    let mut steps = Vec::new();
    let mut sites = LayerSite::of(net.spec()).into_iter();
    for (_, layer) in &net.layers {
        let layer = converted(layer, kind);
        match (&layer, Linear::of(&layer)) {
            (_, Some(linear)) => {
                let rule = composite.rule(&sites.next().expect("a linear layer")).expect("a rule");
                let rule = LayerRule::new(rule, &linear, &x.narrow(0, 0, 1), false);
                let z = layer.forward(&x);
                steps.push(Step::Linear { rule, x, z: z.shallow_clone() });
                x = z;
            }
            (Layer::MaxPool(window), _) => {
                let shape = <[i64; 4]>::try_from(x.size()).expect("four dimensions");
                let (pooled, winners) = max_pool_by_libtorch(&x, shape, window, false);
                steps.push(Step::Pool(winners));
                x = pooled;
            }
            (Layer::Flatten, _) => {
                steps.push(Step::Flatten(x.size()));
                x = layer.forward(&x);
            }
            _ => x = layer.forward(&x),
        }
    }
    let mut relevance = x;
    for step in steps.iter().rev() {
        relevance = match step {
            Step::Linear { rule, x, z } => rule.propagate(x, Some(z), &Relevance::Dense(relevance)).0,
            Step::Pool(winners) => winners.route(&relevance),
            Step::Flatten(shape) => relevance.view(shape.as_slice()),
        };
    }
    Vec::try_from(relevance.to_kind(Kind::Double).contiguous().view(-1)).expect("values")
}

/// The maps of an analyzer as they are made.
fn maps(net: &Network, name: &str, images: &RasterStack) -> Vec<f64> {
    let maps = ask(net, images, &settings(name), None).expect("maps").maps;
    maps.pixels().iter().map(|&value| f64::from(value)).collect()
}

/// The largest difference as a share of the largest value, over the images one by one.
fn deviation(ours: &[f64], exact: &[f64]) -> f64 {
    let each = ours.chunks_exact(SHAPE.values()).zip(exact.chunks_exact(SHAPE.values()));
    let off = each.map(|(ours, exact)| {
        let largest = exact.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let off = ours.iter().zip(exact).map(|(ours, exact)| (ours - exact).abs()).fold(0.0, f64::max);
        off / largest
    });
    off.fold(0.0, f64::max)
}

/// The composite of an analyzer that has one of its own, where relevance starts as the prediction.
fn composite(name: &str) -> Option<Composite> {
    match Analyzer::new(name, &mut Options::default()).expect(name).method() {
        Method::Propagation(composite) if name != "lrp" && composite.start == Start::Prediction => {
            composite.is_relevance().then_some(composite)
        }
        _ => None,
    }
}

/// A network of the default layers, whose sums nearly cancel: contributions of both signs are `strength` times as large as
/// those of a fresh network.
fn cancelling(strength: f32, seed: u64) -> Network {
    let network = ModelSettings::default().network(SHAPE).expect("a network");
    let rng = &mut stream(seed, "cancelling", 0);
    let weights = Weights::build(&network, |name, shape| {
        let fan_in = shape[1..].iter().product::<usize>() as f32;
        let mut value = || match name.ends_with("bias") {
            true => rng.random_range(-0.5..0.1),
            false => strength * rng.random_range(-1.0..1.0) / fan_in.sqrt(),
        };
        (0..shape.iter().product()).map(|_| value()).collect()
    });
    Network::new(&weights, Device::Cpu)
}

/// iNNvestigate's maps of the same network and images are in float32, too. What is off by no more than a few roundings is as
/// good as exact.
#[test]
fn maps_are_as_close_to_double_precision_as_those_of_innvestigate() {
    const ROUNDINGS: f64 = 2e-6;
    let (net, images) = reference();
    let mut compared = 0;
    for name in Analyzer::NAMES.iter().filter(|name| name.starts_with("lrp.")) {
        let file = format!("lrp/{}.npy", name.trim_start_matches("lrp."));
        let known = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(&file).exists();
        let Some(composite) = composite(name).filter(|_| known) else { continue };
        let exact = no_grad(|| computed_in(Kind::Double, &net, &composite, &images));
        let ours = deviation(&maps(&net, name, &images), &exact);
        let theirs = deviation(&npy(&file).iter().map(|&value| f64::from(value)).collect::<Vec<_>>(), &exact);
        println!("{name:32} {ours:.1e}, iNNvestigate {theirs:.1e}");
        assert!(ours <= theirs.max(ROUNDINGS), "{name} is off by {ours:e}, iNNvestigate by {theirs:e}");
        compared += 1;
    }
    assert!(compared >= 12, "{compared} analyzers have maps of iNNvestigate");
}

/// What a layer put out is what it is divided by: the rounding of a sum that nearly cancels falls out. Where epsilon is as small
/// as that rounding nothing falls out, in no way of computing in float32: there, maps are as close as those of libtorch.
#[test]
fn sums_that_nearly_cancel_leave_no_rounding_in_maps() {
    let images = random_images(4);
    for (strength, seed) in [(1.0, 1), (1.0, 2), (1.5, 3), (1.5, 4), (2.5, 5), (2.5, 6), (5.0, 7), (5.0, 8)] {
        let net = cancelling(strength, seed);
        for (name, within) in [("lrp.z", 1e-6), ("lrp.epsilon", 6e-6)] {
            let composite = composite(name).expect("a composite");
            let [exact, single] =
                [Kind::Double, Kind::Float].map(|kind| no_grad(|| computed_in(kind, &net, &composite, &images)));
            let off = [maps(&net, name, &images), single].map(|maps| deviation(&maps, &exact));
            println!("{strength} {seed} {name:12} {:.1e}, libtorch in float32 {:.1e}", off[0], off[1]);
            let of_float32 = if name == "lrp.epsilon" { 1.5 * off[1] } else { 0.0 };
            assert!(off[0] <= of_float32.max(within), "{name} is off by {:e}, libtorch by {:e}", off[0], off[1]);
        }
    }
}
