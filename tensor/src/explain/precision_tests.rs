//! How far maps in float32 are from those of the same network in float64.
//!
//! The rules are those of [`LayerRule`], which `rule_tests` hold to their definitions; here they are carried out in double
//! precision, without kernels, from the prediction back to the pixels.

use rand::RngExt;
use tch::{Device, Kind, no_grad};
use xdlreg_core::explain::{Analyzer, Composite, Method, Options, Start};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::seed::stream;
use xdlreg_core::sim::SHAPE;

use super::network_tests::{ask, random_images, settings};
use super::parity_tests::{npy, reference};
use super::twin::computed_in;
use crate::net::{Network, Weights};

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
