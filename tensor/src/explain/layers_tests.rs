//! Explanations of networks of layers of all kinds, for images of any shape.

use rand::RngExt;
use tch::{Kind, Tensor};
use xdlreg_core::explain::Options;
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::{ImageShape, RasterStack};
use xdlreg_core::seed::stream;

use super::network_tests::{ask, given, random_net_for, settings};
use super::parity_tests::deviation;
use crate::net::Network;
use crate::net::network::to_tensor;

/// A network of layers of all kinds for images of three channels and more columns than rows.
fn layered(biased: bool) -> Network {
    let model: ModelSettings = toml::from_str(
        "architecture = 'layers'\nlayers = [\
         { type = 'conv', filters = 5, kernel = [3, 5], stride = 2, padding = 'valid' }, { type = 'relu' }, \
         { type = 'max_pool', kernel = 3, stride = 2, padding = 1 }, { type = 'conv', filters = 7, kernel = 2 }, \
         { type = 'relu' }, { type = 'max_pool', kernel = 2 }, { type = 'conv', filters = 4, padding = [0, 2], bias = false }, \
         { type = 'relu' }, { type = 'flatten' }, { type = 'dense', units = 6 }, { type = 'relu' }, { type = 'dropout' }, \
         { type = 'dense', units = 1 }]",
    )
    .expect("settings");
    random_net_for(COLOUR, &model, biased)
}

const COLOUR: ImageShape = ImageShape::new(3, 32, 40);

fn coloured(count: usize) -> RasterStack {
    let rng = &mut stream(9, "images", 0);
    RasterStack::of(COLOUR, (0..count * COLOUR.values()).map(|_| rng.random_range(0.0..1.0)).collect())
}

/// Libtorch's own derivative of what a network puts out is the gradient, through strides, paddings and channels.
#[test]
fn the_gradient_of_any_layers_is_that_of_automatic_differentiation() {
    let (net, images) = (layered(true), coloured(3));
    let input = to_tensor(&images, 0..3).set_requires_grad(true);
    let output = net.forward(&input).sum(Kind::Float);
    let gradient = Tensor::run_backward(&[output], &[&input], false, false).remove(0);
    let expected: Vec<f32> = Vec::try_from(gradient.contiguous().view(-1)).expect("f32 values");
    let maps = ask(&net, &images, &settings("gradient"), None).expect("maps").maps;
    assert_eq!((maps.shape(), maps.len()), (COLOUR, 3));
    assert!(expected.iter().any(|value| *value != 0.0));
    assert!(deviation(maps.pixels(), &expected) < 1e-5);
}

/// Without biases rules that only share out lose nothing, however windows move.
#[test]
fn relevance_is_conserved_through_any_layers() {
    let (net, images) = (layered(false), coloured(3));
    let predictions = net.predict(&images);
    for analyzer in ["lrp.z", "input_t_gradient", "lrp.alpha_1_beta_0"] {
        let explained = ask(&net, &images, &settings(analyzer), None).expect("maps");
        for (map, &prediction) in explained.maps.iter().zip(&predictions) {
            let lost = (map.sum() / f64::from(prediction) - 1.0).abs();
            assert!(lost < 2e-3, "{analyzer}: {} for {prediction}", map.sum());
        }
    }
}

/// A window covers all channels, and what it shows is shared between them.
#[test]
fn occlusion_covers_all_channels_of_its_pixels() {
    let (net, images) = (layered(true), coloured(1));
    let settings =
        given("occlusion", Options { window: Some(40), stride: Some(1), fill: Some(0.25), ..Options::default() });
    let maps = ask(&net, &images, &settings, None).expect("maps").maps;
    let grey = RasterStack::of(COLOUR, vec![0.25; COLOUR.values()]);
    let expected = net.predict(&images)[0] - net.predict(&grey)[0];
    let folded = maps.folded();
    assert!(folded.pixels().iter().all(|value| (value - expected).abs() < 1e-4 * (1.0 + expected.abs())), "{expected}");
}
