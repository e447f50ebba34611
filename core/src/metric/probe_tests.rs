//! What scores ask of a network, and where they look: on maps that differ from the truth in one way at a time.

use std::sync::Mutex;

use super::network::{Probe, ProbeError, Probed};
use super::network_tests::{ages, placed};
use super::statistics::pearson;
use super::*;
use crate::data::Truth;
use crate::metric::EvaluateSettings;
use crate::raster::RasterStack;
use crate::sim::SIDE;
use crate::sim::{GrowthMode, Mask, Pumpkin, Without};

/// f(x) = sum_p w_p x_p, explained by the image itself. It notes all that it is asked.
#[derive(Default)]
struct Noting {
    predicted: Mutex<Vec<RasterStack>>,
    explained: Mutex<Vec<RasterStack>>,
}

fn weight(pixel: usize) -> f64 {
    ((pixel * 7919) % 1009) as f64 / 1009.0 - 0.3
}

impl Probe for Noting {
    fn predict(&self, images: &RasterStack) -> Vec<f64> {
        self.predicted.lock().unwrap().push(images.clone());
        let worth = |(pixel, &value): (usize, &f32)| weight(pixel) * f64::from(value);
        images.iter().map(|image| image.pixels.iter().enumerate().map(worth).sum()).collect()
    }

    fn explain(&self, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        self.explained.lock().unwrap().push(images.clone());
        Ok(images.clone())
    }

    fn layers(&self) -> Vec<String> {
        Vec::new()
    }

    fn explain_randomised(&self, images: &RasterStack, _: usize, _: u64) -> Result<RasterStack, ProbeError> {
        self.explain(images)
    }
}

/// Maps of what every pixel is worth beyond a pumpkin without signs.
fn truth(pumpkins: &[&Pumpkin]) -> RasterStack {
    let of_pumpkin = |pumpkin: &&Pumpkin| {
        let (image, body) = (pumpkin.redraw(Without::Nothing), pumpkin.redraw(Without::Signs));
        (0..SIDE * SIDE).map(|pixel| (weight(pixel) * f64::from(image[pixel] - body[pixel])) as f32).collect::<Vec<_>>()
    };
    RasterStack::new(SIDE, SIDE, pumpkins.iter().flat_map(of_pumpkin).collect())
}

fn images(pumpkins: &[&Pumpkin]) -> RasterStack {
    RasterStack::new(SIDE, SIDE, pumpkins.iter().flat_map(|pumpkin| pumpkin.redraw(Without::Nothing)).collect())
}

fn ask(
    name: &str,
    pumpkins: &[&Pumpkin],
    samples: &[usize],
    maps: &RasterStack,
    settings: &EvaluateSettings,
) -> (Vec<Score>, Noting) {
    let (metric, probe) = (NETWORK_METRICS.iter().find(|metric| metric.name == name).unwrap(), Noting::default());
    let (truth, targets) = (placed(pumpkins, samples), ages(pumpkins));
    let (truth, targets) = (Some(&truth as &dyn Truth), &targets);
    let probed = Probed {
        samples,
        targets,
        truth,
        images: &images(pumpkins),
        maps,
        range: 60.0,
        relevance_unit: "years",
        blind: false,
        settings,
    };
    ((metric.compute)(&probed, &probe).unwrap().scores, probe)
}

fn value(scores: &[Score], name: &str, sign: &str, image: Option<usize>) -> f64 {
    let found =
        scores.iter().find(|score| score.name() == name && score.sign.as_deref() == Some(sign) && score.image == image);
    found.unwrap_or_else(|| panic!("{name} of {sign:?}")).value
}

/// A pumpkin of lesions that are apart from each other, of which some pixels are atrophied.
fn eaten() -> Pumpkin {
    let fits = |pumpkin: &Pumpkin| {
        let blocks = pumpkin.lesions.iter().map(|lesion| lesion.mask().pixels().collect::<Vec<_>>());
        let apart = blocks.flatten().collect::<Mask>().count() == 9 * pumpkin.lesions.len();
        apart && pumpkin.lesions.len() > 3 && pumpkin.lesion_mask().count() < 9 * pumpkin.lesions.len()
    };
    (0..).map(|seed| Pumpkin::draw(48, GrowthMode::Human, seed)).find(fits).unwrap()
}

#[test]
fn the_slope_is_that_of_relevance_over_years() {
    let pumpkins = [50, 55].map(|age| Pumpkin::draw(age, GrowthMode::Human, age.into()));
    let pumpkins: Vec<&Pumpkin> = pumpkins.iter().collect();
    let settings = EvaluateSettings { signs: 1000, ..EvaluateSettings::default() };
    let mut tripled = truth(&pumpkins);
    tripled.pixels_mut().iter_mut().for_each(|relevance| *relevance *= 3.0);
    let (scores, _) = ask("causal", &pumpkins, &[0, 1], &tripled, &settings);
    let atrophies = "atrophies";
    // Maps that say three times what a sign is worth rise by 3 a year, not by a third.
    for name in ["causal_slope.pooled", "causal_slope.kind"] {
        let found = value(&scores, name, atrophies, None);
        assert!((found - 3.0).abs() < 0.02, "{name} is {found}");
    }
}

#[test]
fn the_pixels_of_a_lesion_are_those_that_no_atrophy_took() {
    let pumpkin = eaten();
    let mut maps = truth(&[&pumpkin]);
    // Whatever a map says of atrophied pixels is no word on lesions.
    for pixel in pumpkin.atrophy_mask(0).pixels() {
        maps.pixels_mut()[pixel.index()] = 1e3;
    }
    let settings = EvaluateSettings { signs: 1000, ..EvaluateSettings::default() };
    let (scores, _) = ask("causal", &[&pumpkin], &[0], &maps, &settings);
    for name in ["causal_pearson", "causal_pearson.pooled", "causal_slope.pooled"] {
        let image = (name == "causal_pearson").then_some(0);
        let found = value(&scores, name, "lesions", image);
        assert!((found - 1.0).abs() < 1e-3, "{name} is {found}");
    }
    let [years, relevance] = ["causal_years", "causal_relevance"].map(|name| value(&scores, name, "lesions", Some(0)));
    assert!((years - relevance).abs() < 1e-3, "{years} and {relevance}");
}

#[test]
fn signs_are_chosen_anew_in_every_image() {
    let pumpkin = Pumpkin::draw(70, GrowthMode::Human, 1);
    let settings = EvaluateSettings { signs: 5, ..EvaluateSettings::default() };
    let (_, probe) = ask("causal", &[&pumpkin, &pumpkin], &[10, 11], &truth(&[&pumpkin, &pumpkin]), &settings);
    let predicted = probe.predicted.into_inner().unwrap();
    // Lesions of both images, then atrophies of both: the image, without all, and without each of five.
    assert_eq!(predicted.iter().map(RasterStack::len).collect::<Vec<_>>(), [7; 4]);
    for pair in predicted.chunks(2) {
        assert!(pair[0].slice(0..2) == pair[1].slice(0..2), "the same pumpkin with all signs and with none");
        assert!(pair[0].slice(2..7) != pair[1].slice(2..7), "the same signs were chosen twice");
    }
}

/// u is uniform within the radius: as often below zero as above, with a variance of radius^2 / 3.
#[test]
fn neighbours_lie_on_all_sides_of_an_image() {
    let pumpkins = [Pumpkin::draw(70, GrowthMode::Human, 1), Pumpkin::draw(40, GrowthMode::Human, 2)];
    let pumpkins: Vec<&Pumpkin> = pumpkins.iter().collect();
    let settings = EvaluateSettings { radius: 0.05, draws: 3, ..EvaluateSettings::default() };
    let (_, probe) = ask("sensitivity", &pumpkins, &[3, 8], &truth(&pumpkins), &settings);
    let explained = probe.explained.into_inner().unwrap();
    assert_eq!(explained.len(), 4, "the images, and three draws of neighbours");
    let own = images(&pumpkins);
    assert!(explained[0] == own);
    let mut noises: Vec<Vec<f64>> = Vec::new();
    for drawn in &explained[1..] {
        let moved = drawn.pixels().iter().zip(own.pixels()).map(|(moved, image)| f64::from(moved - image));
        noises.extend(moved.collect::<Vec<f64>>().chunks(SIDE * SIDE).map(<[f64]>::to_vec));
    }
    let count = (SIDE * SIDE) as f64;
    for (index, noise) in noises.iter().enumerate() {
        assert!(noise.iter().all(|by| by.abs() <= 0.05 + 1e-6));
        let mean = noise.iter().sum::<f64>() / count;
        let variance = noise.iter().map(|by| by * by).sum::<f64>() / count;
        assert!(mean.abs() < 5.0 * 0.05 / (3.0 * count).sqrt(), "noise {index} is {mean} on average");
        assert!((variance / (0.05 * 0.05 / 3.0) - 1.0).abs() < 0.05);
        for other in &noises[..index] {
            assert!(pearson(noise, other).abs() < 0.05, "two neighbours have the same noise");
        }
    }
}

#[test]
fn trivial_maps_are_those_of_their_image_and_sample() {
    let pumpkins = [Pumpkin::draw(70, GrowthMode::Human, 1), Pumpkin::draw(40, GrowthMode::Human, 2)];
    let pumpkins: Vec<&Pumpkin> = pumpkins.iter().collect();
    let (own, maps, settings) = (images(&pumpkins), truth(&pumpkins), EvaluateSettings::default());
    let (samples, targets) = (&[3, 8], &ages(&pumpkins));
    let probed = Probed {
        samples,
        targets,
        truth: None,
        images: &own,
        maps: &maps,
        range: 60.0,
        relevance_unit: "years",
        blind: false,
        settings: &settings,
    };
    for index in 0..2 {
        assert!(probed.trivial(Trivial::Image, index) == own.slice(index..index + 1));
        let edges = Trivial::Edges.map(own.get(index), 0, 0);
        assert!(probed.trivial(Trivial::Edges, index) == edges);
    }
    let noise = [(0, 3), (0, 8), (1, 3)].map(|(seed, sample)| Trivial::Noise.map(own.get(0), seed, sample));
    let wide = |stack: &RasterStack| stack.pixels().iter().copied().map(f64::from).collect::<Vec<_>>();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        assert!(pearson(&wide(&noise[one]), &wide(&noise[other])).abs() < 0.05, "two noise maps are alike");
    }
    assert!(probed.trivial(Trivial::Noise, 1) == noise[1]);
}

/// Two signs always correlate, three need not.
#[test]
fn three_signs_of_an_image_are_enough_to_correlate_and_two_are_not() {
    let of = |count: usize| {
        let is_so = |pumpkin: &Pumpkin| pumpkin.lesions.len() == count;
        (0..).map(|seed| Pumpkin::draw(43, GrowthMode::Human, seed)).find(is_so).unwrap()
    };
    for count in [2, 3, 4] {
        let pumpkin = of(count);
        let settings = EvaluateSettings { signs: 1000, ..EvaluateSettings::default() };
        let (scores, _) = ask("causal", &[&pumpkin], &[0], &truth(&[&pumpkin]), &settings);
        for name in ["causal_pearson", "causal_spearman"] {
            let own = |score: &&Score| score.name() == name && score.sign.as_deref() == Some("lesions");
            let images: Vec<Option<usize>> = scores.iter().filter(own).map(|score| score.image).collect();
            let expected = if count < 3 { vec![] } else { vec![Some(0)] };
            assert_eq!(images, expected, "{name} over {count} lesions");
        }
    }
}

/// What a map must exceed is the body's pixels in a random order: black background that is filled would be another image.
#[test]
fn a_random_order_takes_pixels_of_the_body_alone() {
    let pumpkin = Pumpkin::draw(60, GrowthMode::Human, 1);
    let settings = EvaluateSettings { steps: 4, flipped: 0.2, fill: 0.5, ..EvaluateSettings::default() };
    let (_, probe) = ask("faithfulness", &[&pumpkin], &[0], &truth(&[&pumpkin]), &settings);
    let curves = probe.predicted.into_inner().unwrap();
    assert_eq!(curves.iter().map(RasterStack::len).collect::<Vec<_>>(), [5; 3], "positive, negative and noise");
    let (image, body) = (pumpkin.redraw(Without::Nothing), pumpkin.body());
    let changed = |step: usize| -> Vec<usize> {
        let pixels = curves[2].get(step).pixels;
        (0..SIDE * SIDE).filter(|&pixel| pixels[pixel].to_bits() != image[pixel].to_bits()).collect()
    };
    let flipped = (0.2 * (SIDE * SIDE) as f64).round() as usize;
    assert_eq!((changed(0).len(), changed(2).len(), changed(4).len()), (0, flipped / 2, flipped));
    assert!(changed(4).iter().all(|&pixel| body.contains(pixel / SIDE, pixel % SIDE)), "the background is changed");
}
