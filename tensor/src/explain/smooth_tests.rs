//! Explanations under noise. The map of the analyzer `input` is its image, so that its mean under noise tells the noise.

use xdlreg_core::explain::{ExplainSettings, Options};
use xdlreg_core::explain::{SigmaUnit, Smoothing};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::RasterStack;

use super::network_tests::{ask, given, random_images, random_net, settings};
use super::parity_tests::deviation;
use crate::net::Network;

const SIGMA: f64 = 0.1;

fn noise(samples: usize, seed: u64) -> Smoothing {
    Smoothing { samples, sigma: SIGMA, sigma_unit: SigmaUnit::Absolute, seed }
}

fn smoothed(analyzer: &str, smoothing: Smoothing) -> ExplainSettings {
    ExplainSettings { smooth: Some(smoothing), ..settings(analyzer) }
}

fn maps(net: &Network, images: &RasterStack, settings: &ExplainSettings) -> Vec<f32> {
    ask(net, images, settings, None).expect("maps").maps.pixels().to_vec()
}

/// The mean over so many draws of the noise that is put on images.
fn mean_noise(net: &Network, images: &RasterStack, smoothing: Smoothing) -> Vec<f64> {
    let noisy = maps(net, images, &smoothed("input", smoothing));
    noisy.iter().zip(images.pixels()).map(|(noisy, image)| f64::from(noisy - image)).collect()
}

fn spread(values: &[f64]) -> f64 {
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
}

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let product = one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() / one.len() as f64;
    product / (spread(one) * spread(other))
}

#[test]
fn noise_is_drawn_anew_for_every_draw_image_and_seed() {
    let net = random_net(&ModelSettings::default(), true);
    let one = random_images(1);
    // The same image twice, so that only the noise can differ.
    let twice = RasterStack::new(98, 98, [one.pixels(), one.pixels()].concat());
    let first = mean_noise(&net, &twice, noise(1, 0));
    let (image, copy) = first.split_at(98 * 98);
    assert!((spread(image) / SIGMA - 1.0).abs() < 0.03, "{}", spread(image));
    assert!((image.iter().sum::<f64>() / image.len() as f64).abs() < 5.0 * SIGMA / 98.0);
    assert!(correlation(image, copy).abs() < 0.05, "two images have the same noise");
    let other = mean_noise(&net, &one, noise(1, 1));
    assert!(correlation(image, &other).abs() < 0.05, "two seeds have the same noise");
    // The mean of independent draws shrinks with the root of their number; that of one draw repeated would not.
    for samples in [4, 25] {
        let shrunk = spread(&mean_noise(&net, &one, noise(samples, 0))) * (samples as f64).sqrt() / SIGMA;
        assert!((shrunk - 1.0).abs() < 0.05, "{samples} draws: {shrunk}");
    }
}

/// Relative noise is a share of what lies between an image's extremes, wherever these are.
#[test]
fn relative_noise_follows_the_range_of_each_image() {
    let net = random_net(&ModelSettings::default(), true);
    let image = random_images(1);
    let scaled = |low: f32, width: f32| image.pixels().iter().map(move |pixel| low + width * pixel);
    let images = RasterStack::new(98, 98, scaled(0.0, 1.0).chain(scaled(5.0, 1.0)).chain(scaled(-3.0, 2.0)).collect());
    let relative = Smoothing { sigma_unit: SigmaUnit::Relative, ..noise(1, 0) };
    let drawn = mean_noise(&net, &images, relative);
    for (noise, width) in drawn.chunks_exact(98 * 98).zip([1.0, 1.0, 2.0]) {
        let share = spread(noise) / (SIGMA * width);
        assert!((share - 1.0).abs() < 0.03, "{share} of what was asked for");
    }
}

#[test]
fn smoothgrad_is_the_mean_of_the_gradients_at_noisy_images() {
    let net = random_net(&ModelSettings::default(), true);
    let images = random_images(3);
    // What two draws have beyond the first is the second.
    let (first, both) = (mean_noise(&net, &images, noise(1, 3)), mean_noise(&net, &images, noise(2, 3)));
    let second: Vec<f64> = both.iter().zip(&first).map(|(both, first)| 2.0 * both - first).collect();
    let gradient = |noise: &[f64]| {
        let pixels = images.pixels().iter().zip(noise).map(|(pixel, noise)| pixel + *noise as f32).collect();
        maps(&net, &RasterStack::new(98, 98, pixels), &settings("gradient"))
    };
    let (one, other) = (gradient(&first), gradient(&second));
    let mean: Vec<f32> = one.iter().zip(&other).map(|(one, other)| (one + other) / 2.0).collect();
    let own = Options {
        samples: Some(2),
        sigma: Some(SIGMA),
        sigma_unit: Some(SigmaUnit::Absolute),
        seed: Some(3),
        ..Options::default()
    };
    let own = given("smoothgrad", own);
    // Noise is known to float32, and a pixel near the border of a ReLU or a pooling window may fall on its other side.
    let close = |found: &[f32]| {
        let scale = mean.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        let off = found.iter().zip(&mean).filter(|(found, mean)| (*found - *mean).abs() > 1e-3 * scale).count();
        assert!(off * 100 < mean.len(), "{off} of {} pixels are off", mean.len());
    };
    close(&maps(&net, &images, &own));
    close(&maps(&net, &images, &smoothed("gradient", noise(2, 3))));
    assert!(deviation(&one, &mean) > 1e-2, "one draw is not the mean");
}

/// Pixels under noise may be below zero even where no image has such, which rules for positive inputs must not be told.
#[test]
fn noise_makes_inputs_of_both_signs() {
    let net = random_net(&ModelSettings::default(), true);
    let black = RasterStack::zeros(1, 98, 98);
    let drawn = mean_noise(&net, &black, noise(1, 0));
    let noisy = RasterStack::new(98, 98, drawn.iter().map(|&value| value as f32).collect());
    assert!(noisy.pixels().iter().any(|&pixel| pixel < 0.0));
    for analyzer in ["lrp.sequential_preset_a", "lrp.alpha_2_beta_1", "lrp.z_plus", "zennit.epsilon_plus"] {
        let (ours, expected) =
            (maps(&net, &black, &smoothed(analyzer, noise(1, 0))), maps(&net, &noisy, &settings(analyzer)));
        assert!(deviation(&ours, &expected) < 1e-4, "{analyzer}");
    }
}

/// The mean of the ledgers and the mean of the maps account for the mean of what was explained.
#[test]
fn ledgers_under_noise_are_means() {
    let net = random_net(&ModelSettings::default(), true);
    let images = random_images(2);
    let of = |samples| ask(&net, &images, &smoothed("lrp.epsilon", noise(samples, 0)), None).expect("maps");
    let (one, many) = (of(1), of(5));
    for image in 0..2 {
        let total = |maps: &super::RelevanceMaps| {
            let kept: f64 = maps.ledger.as_ref().expect("a ledger").of(image).iter().map(super::Taken::sum).sum();
            kept + maps.maps.get(image).sum()
        };
        // Predictions under a little noise are near each other; sums over five draws would be five times as large.
        let (one, many) = (total(&one), total(&many));
        assert!((many / one - 1.0).abs() < 0.3, "{many} for {one}");
    }
}
