//! Maps against those that iNNvestigate and Zennit make of the same network and images (`tests/data/lrp`).

use tch::Device;
use xdlreg_core::explain::Analyzer;
use xdlreg_core::raster::RasterStack;

use super::network_tests::{ask, settings};
use crate::net::{Network, Weights};

fn read(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

/// The values of a .npy file of version 1, float32.
pub(super) fn npy(name: &str) -> Vec<f32> {
    let bytes = read(name);
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    floats(&bytes[10 + header..])
}

/// Network and images of the reference.
pub(super) fn reference() -> (Network, RasterStack) {
    let weights = Weights::from_bytes(&read("keras_pumpkin_net.safetensors")).expect("weights of Keras");
    let images = RasterStack::new(98, 98, floats(&read("keras_images.f32")));
    (Network::new(&weights, Device::Cpu), images)
}

/// Largest difference of two sets of maps as a share of the largest value.
pub(super) fn deviation(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let difference = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    difference / theirs.iter().fold(0.0, |max: f32, v| max.max(v.abs()))
}

#[test]
fn every_analyzer_gives_the_maps_of_its_origin() {
    let (net, images) = reference();
    // Without maps of their origin, or with other parameters; what they do is tested elsewhere.
    let others = [
        "lrp",
        "lrp.epsilon_IB",
        "lrp.z_IB",
        "lrp.alpha_beta",
        "lrp.sequential_preset_b_flat_until_idx",
        "gradient.baseline",
        "smoothgrad",
        "occlusion",
        "input",
        "random",
    ];
    for &name in Analyzer::NAMES.iter().filter(|name| !others.contains(name)) {
        // These divide by sums that cross zero, where float32 itself is worth no more.
        let tolerance = match name {
            "lrp.sequential_preset_b" | "lrp.sequential_preset_b_flat" | "lrp.alpha_2_beta_1" => 1e-2,
            _ => 1e-4,
        };
        let file = name.strip_prefix("lrp.").unwrap_or(name);
        let ours = ask(&net, &images, &settings(name), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let deviation = deviation(ours.maps.pixels(), &npy(&format!("lrp/{file}.npy")));
        println!("{name:32} {deviation:.1e}");
        assert!(deviation <= tolerance, "{name}: off by {deviation} of the maximum");
    }
}
