//! Scores that ask the network, on networks whose answers are known.

use super::network::{Probe, ProbeError, Probed};
use super::*;
use crate::data::Truth;
use crate::metric::EvaluateSettings;
use crate::raster::RasterStack;
use crate::sim::{GrowthMode, Pumpkin, PumpkinTruth, SIDE, Without};

/// f(x) = 30 + sum_p w_p x_p with weights of both signs, explained by w_p (x_p - body_p): what differs from a pumpkin
/// without signs, at what it is worth.
struct Linear {
    body: Vec<f32>,
}

fn weight(pixel: usize) -> f32 {
    ((pixel * 7919) % 1009) as f32 / 1009.0 - 0.3
}

impl Probe for Linear {
    fn predict(&self, images: &RasterStack) -> Vec<f64> {
        let weigh = |(p, &x): (usize, &f32)| f64::from(weight(p)) * f64::from(x);
        images.iter().map(|image| 30.0 + image.pixels.iter().enumerate().map(weigh).sum::<f64>()).collect()
    }

    fn explain(&self, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        let mut maps = images.clone();
        for map in maps.pixels_mut().chunks_exact_mut(SIDE * SIDE) {
            map.iter_mut().zip(&self.body).enumerate().for_each(|(p, (x, body))| *x = weight(p) * (*x - body));
        }
        Ok(maps)
    }

    fn layers(&self) -> Vec<String> {
        ["output", "conv2", "conv1"].map(String::from).into()
    }

    /// One layer turns the map round, two leave it, and three divide by zero.
    fn explain_randomised(&self, images: &RasterStack, count: usize, _: u64) -> Result<RasterStack, ProbeError> {
        let mut maps = self.explain(images)?;
        match count {
            1 => maps.pixels_mut().iter_mut().for_each(|pixel| *pixel = -*pixel),
            2 => {}
            _ => return Err(ProbeError("it is not finite".into())),
        }
        Ok(maps)
    }
}

/// A network that says how bright an image is in sum.
struct Bright;

impl Probe for Bright {
    fn predict(&self, images: &RasterStack) -> Vec<f64> {
        images.iter().map(|image| image.sum()).collect()
    }

    fn explain(&self, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        Ok(images.clone())
    }

    fn layers(&self) -> Vec<String> {
        Vec::new()
    }

    fn explain_randomised(&self, _: &RasterStack, _: usize, _: u64) -> Result<RasterStack, ProbeError> {
        Err(ProbeError("it has no layers".into()))
    }
}

/// What is known of pumpkins that are these samples of a data set.
pub(super) fn placed(pumpkins: &[&Pumpkin], samples: &[usize]) -> PumpkinTruth {
    let length = samples.iter().max().map_or(0, |last| last + 1);
    let mut all = vec![pumpkins[0].clone(); length];
    samples.iter().zip(pumpkins).for_each(|(&sample, pumpkin)| all[sample] = (*pumpkin).clone());
    PumpkinTruth(all)
}

pub(super) fn ages(pumpkins: &[&Pumpkin]) -> Vec<f64> {
    pumpkins.iter().map(|pumpkin| pumpkin.age.into()).collect()
}

/// The scores of a metric for one pumpkin under the linear network.
fn ask(name: &str, pumpkin: &Pumpkin, blind: bool, settings: &EvaluateSettings) -> Vec<Score> {
    answers(name, pumpkin, blind, settings).scores
}

fn answers(name: &str, pumpkin: &Pumpkin, blind: bool, settings: &EvaluateSettings) -> Answers {
    let metric = NETWORK_METRICS.iter().find(|metric| metric.name == name).unwrap();
    let probe = Linear { body: pumpkin.redraw(Without::Signs) };
    let images = RasterStack::new(SIDE, SIDE, pumpkin.redraw(Without::Nothing));
    let maps = probe.explain(&images).unwrap();
    let (truth, targets) = (placed(&[pumpkin], &[3]), [f64::from(pumpkin.age)]);
    let truth = Some(&truth as &dyn Truth);
    let probed = Probed {
        samples: &[3],
        targets: &targets,
        truth,
        images: &images,
        maps: &maps,
        range: 60.0,
        relevance_unit: "years",
        blind,
        settings,
    };
    (metric.compute)(&probed, &probe).unwrap()
}

fn value(scores: &[Score], name: &str, sign: Option<&str>, image: Option<usize>) -> f64 {
    let found =
        scores.iter().find(|score| score.name() == name && score.sign.as_deref() == sign && score.image == image);
    found.unwrap_or_else(|| panic!("{name} of {sign:?}")).value
}

#[test]
fn relevance_that_tells_the_truth_scores_one() {
    // Five lesions apart from each other, and many atrophies.
    let apart = |pumpkin: &Pumpkin| pumpkin.lesions.len() == 5 && pumpkin.lesion_mask().count() == 45;
    let pumpkin = (0..).map(|seed| Pumpkin::draw(45, GrowthMode::Human, seed)).find(apart).unwrap();
    let settings = EvaluateSettings { signs: 1000, ..EvaluateSettings::default() };
    let scores = ask("causal", &pumpkin, false, &settings);
    let atrophies = "atrophies";
    for sign in ["lesions", atrophies] {
        for (name, image) in
            [("causal_pearson", Some(0)), ("causal_spearman", Some(0)), ("causal_pearson.pooled", None)]
        {
            let found = value(&scores, name, Some(sign), image);
            assert!((found - 1.0).abs() < 1e-3, "{name} of {sign:?} is {found}");
        }
        assert!((value(&scores, "causal_slope.pooled", Some(sign), None) - 1.0).abs() < 1e-3);
        let noise = value(&scores, "causal_pearson.noise", Some(sign), None);
        assert!(noise.abs() < 0.95, "{noise}");
        let (years, relevance) = (
            value(&scores, "causal_years", Some(sign), Some(0)),
            value(&scores, "causal_relevance", Some(sign), Some(0)),
        );
        assert!((years - relevance).abs() < 1e-3 && years != 0.0, "{years} and {relevance}");
    }
    // An atrophied pixel that is healed brings its own tissue back, so the worth of one is known.
    let whole = pumpkin.redraw(Without::Atrophies);
    let worth = |pixel: &crate::sim::Pixel| -f64::from(weight(pixel.index())) * f64::from(whole[pixel.index()]);
    let mean = pumpkin.atrophies.iter().map(worth).sum::<f64>() / pumpkin.atrophies.len() as f64;
    assert!((value(&scores, "causal_years.each", Some(atrophies), None) - mean).abs() < 1e-6);
}

/// A network that adds up weighed pixels, so that what each lesion is worth can be worked out by hand.
#[test]
fn every_sign_that_is_left_out_is_kept_with_its_place_and_its_worth() {
    let apart = |pumpkin: &Pumpkin| pumpkin.lesions.len() == 5 && pumpkin.lesion_mask().count() == 45;
    let pumpkin = (0..).map(|seed| Pumpkin::draw(45, GrowthMode::Human, seed)).find(apart).unwrap();
    let settings = EvaluateSettings { signs: 4, ..EvaluateSettings::default() };
    let Answers { scores, signs } = answers("causal", &pumpkin, false, &settings);
    let kinds: Vec<(&str, &[usize], usize)> =
        signs.iter().map(|of_kind| (of_kind.kind.as_str(), &of_kind.radii[..], of_kind.signs.len())).collect();
    assert_eq!(kinds, [("lesions", &[0][..], 4), ("atrophies", &[0, 1, 2][..], 4)]);
    let (whole, body) = (pumpkin.redraw(Without::Nothing), pumpkin.redraw(Without::Signs));
    let map = |pixel: usize| f64::from(weight(pixel)) * f64::from(whole[pixel] - body[pixel]);
    for of_kind in &signs {
        assert_eq!(of_kind.relevance_unit, "years");
        for sign in &of_kind.signs {
            let [row, col] = match of_kind.kind.as_str() {
                "lesions" => [pumpkin.lesions[sign.index].row, pumpkin.lesions[sign.index].col],
                _ => [pumpkin.atrophies[sign.index].row, pumpkin.atrophies[sign.index].col],
            }
            .map(usize::from);
            assert_eq!((sign.sample, sign.middle), (3, [row, col]));
            if of_kind.kind == "atrophies" {
                let healed = pumpkin.redraw(Without::Atrophy(sign.index));
                let pixels = whole.iter().zip(&healed).enumerate();
                let worth: f64 = pixels.map(|(pixel, (a, b))| f64::from(weight(pixel)) * f64::from(a - b)).sum();
                assert!((sign.effect.unwrap() - worth).abs() < 1e-3, "{sign:?} is worth {worth}");
                for radius in 0..3 {
                    let near =
                        (row - radius..=row + radius).flat_map(|r| (col - radius..=col + radius).map(move |c| (r, c)));
                    let sum: f64 = near.map(|(r, c)| map(r * SIDE + c)).sum();
                    assert!((of_kind.relevance(sign, radius).unwrap() - sum).abs() < 1e-3, "{sign:?}: {sum}");
                }
            } else {
                assert_eq!(of_kind.relevance(sign, 1), None, "nobody asked");
            }
        }
        // The scores that tell how large effects are come from these rows.
        let mean = of_kind.signs.iter().map(|sign| sign.effect.unwrap().abs()).sum::<f64>() / 4.0;
        assert!((value(&scores, "causal_absolute_years", Some(&of_kind.kind), None) - mean).abs() < 1e-9);
        let years = value(&scores, "causal_years", Some(&of_kind.kind), Some(0));
        let share = value(&scores, "causal_range_share", Some(&of_kind.kind), None);
        assert!((share - years.abs() / 60.0).abs() < 1e-12 && share > 0.0, "{share} of {years}");
    }
}

#[test]
fn few_signs_are_chosen_by_the_seed() {
    let pumpkin = Pumpkin::draw(60, GrowthMode::Human, 1);
    let of_seed =
        |seed| ask("causal", &pumpkin, false, &EvaluateSettings { signs: 4, seed, ..EvaluateSettings::default() });
    assert_eq!(format!("{:?}", of_seed(0)), format!("{:?}", of_seed(0)));
    assert_ne!(format!("{:?}", of_seed(0)), format!("{:?}", of_seed(1)));
}

/// What signs are worth to the network, whatever explains it.
const OF_NETWORK: [&str; 3] = ["causal_years", "causal_absolute_years", "causal_range_share"];

#[test]
fn a_blind_explanation_is_marked_at_atrophied_pixels_alone() {
    let pumpkin = Pumpkin::draw(60, GrowthMode::Human, 1);
    let scores = ask("causal", &pumpkin, true, &EvaluateSettings::default());
    let is_trivial = |variant: &str| ["image", "edges", "noise"].iter().any(|name| variant.ends_with(name));
    for score in &scores {
        let hidden = score.sign.as_deref() == Some("atrophies")
            && !OF_NETWORK.contains(&score.about.name)
            && !score.variant.as_deref().is_some_and(is_trivial);
        assert_eq!(score.note.as_deref(), hidden.then_some("blind"), "{score:?}");
        assert!(!hidden || score.value.is_nan());
    }
}

#[test]
fn a_tumour_is_scored_over_images() {
    let pumpkin = Pumpkin::draw(60, GrowthMode::NoGrowth, 1);
    let scores = ask("causal", &pumpkin, false, &EvaluateSettings::default());
    assert!(scores.iter().all(|score| score.sign.as_deref() == Some("tumour")));
    let (years, relevance) = (
        value(&scores, "causal_years", Some("tumour"), Some(0)),
        value(&scores, "causal_relevance", Some("tumour"), Some(0)),
    );
    assert!((years - relevance).abs() < 1e-3 && years != 0.0);
    assert!(value(&scores, "causal_pearson.kind", Some("tumour"), None).is_nan(), "one image does not correlate");
}

/// One sign an image: what counts is whether relevance grows with years from image to image, and the image itself is what
/// it has to exceed.
#[test]
fn tumours_are_correlated_from_image_to_image() {
    let pumpkins: Vec<Pumpkin> = (0..7).map(|k| Pumpkin::draw(20 + 10 * k, GrowthMode::NoGrowth, k.into())).collect();
    let pumpkins: Vec<&Pumpkin> = pumpkins.iter().collect();
    let pixels = pumpkins.iter().flat_map(|pumpkin| pumpkin.redraw(Without::Nothing)).collect();
    let images = RasterStack::new(SIDE, SIDE, pixels);
    // Maps of what a tumour is worth, and the image itself.
    let bodies = pumpkins.iter().flat_map(|pumpkin| pumpkin.redraw(Without::Signs));
    let worth = images.pixels().iter().zip(bodies).map(|(image, body)| image - body).collect();
    let (told, shown) = (RasterStack::new(SIDE, SIDE, worth), Bright.explain(&images).unwrap());
    let settings = EvaluateSettings::default();
    let scores = |maps: &RasterStack| {
        let samples = [0, 1, 2, 3, 4, 5, 6];
        let (truth, targets) = (placed(&pumpkins, &samples), ages(&pumpkins));
        let (images, targets, truth) = (&images, &targets, Some(&truth as &dyn Truth));
        let probed = Probed {
            samples: &samples,
            targets,
            truth,
            images,
            maps,
            range: 60.0,
            relevance_unit: "years",
            blind: true,
            settings: &settings,
        };
        (NETWORK_METRICS.iter().find(|metric| metric.name == "causal").unwrap().compute)(&probed, &Bright)
            .unwrap()
            .scores
    };
    let (told, shown) = (scores(&told), scores(&shown));
    let of = |scores: &[Score], name: &str| value(scores, name, Some("tumour"), None);
    for name in ["causal_pearson.kind", "causal_spearman.kind", "causal_slope.kind"] {
        assert!((of(&told, name) - 1.0).abs() < 1e-3, "{name} is {}", of(&told, name));
    }
    for name in ["causal_pearson.kind", "causal_spearman.kind"] {
        assert!((of(&shown, name) - of(&shown, &format!("{name}.image"))).abs() < 1e-6);
        assert_eq!(of(&told, &format!("{name}.image")), of(&shown, &format!("{name}.image")));
    }
    // A tumour of 20 years is darker than tissue, one of 80 brighter.
    let years = |image| value(&told, "causal_years", Some("tumour"), Some(image));
    assert!(years(0) < 0.0 && years(6) > 0.0, "{} and {}", years(0), years(6));
    assert!(told.iter().all(|score| score.note.is_none()));
}

#[test]
fn over_images_trivial_maps_stand_beside_and_age_is_held_constant() {
    let pumpkins: Vec<Pumpkin> = (0..24).map(|k| Pumpkin::draw(25 + 2 * k, GrowthMode::NoGrowth, k.into())).collect();
    let pumpkins: Vec<&Pumpkin> = pumpkins.iter().collect();
    let stack = |of: &dyn Fn(&Pumpkin) -> Vec<f32>| {
        RasterStack::new(SIDE, SIDE, pumpkins.iter().flat_map(|pumpkin| of(pumpkin)).collect())
    };
    let images = stack(&|pumpkin| pumpkin.redraw(Without::Nothing));
    // A map that says over every tumour how old its pumpkin is, and nothing more.
    let maps = stack(&|pumpkin| {
        let share = pumpkin.age as f32 / pumpkin.tumour_mask().count() as f32;
        pumpkin.tumour_mask().to_bools().into_iter().map(|inside| if inside { share } else { 0.0 }).collect()
    });
    let samples: Vec<usize> = (0..pumpkins.len()).collect();
    let settings = &EvaluateSettings::default();
    let (truth, targets) = (placed(&pumpkins, &samples), ages(&pumpkins));
    let (truth, targets) = (Some(&truth as &dyn Truth), &targets);
    let probed = Probed {
        samples: &samples,
        targets,
        truth,
        images: &images,
        maps: &maps,
        range: 60.0,
        relevance_unit: "years",
        blind: false,
        settings,
    };
    let probe = Bright;
    let metric = NETWORK_METRICS.iter().find(|metric| metric.name == "causal").unwrap();
    let scores = (metric.compute)(&probed, &probe).unwrap().scores;
    let of = |variant: &str| value(&scores, &format!("causal_spearman.{variant}"), Some("tumour"), None);
    assert!(of("kind") > 0.9, "{}", of("kind"));
    assert!(of("beyond_age").is_nan(), "nothing is left of it at equal age: {}", of("beyond_age"));
    // The same of the image as a map, added up anew.
    let bright = |image: Vec<f32>| image.into_iter().map(f64::from).sum::<f64>();
    let worth = |pumpkin: &&Pumpkin| bright(pumpkin.redraw(Without::Nothing)) - bright(pumpkin.redraw(Without::Signs));
    let inside = |pumpkin: &&Pumpkin| {
        let pixels = pumpkin.redraw(Without::Nothing).into_iter().zip(pumpkin.tumour_mask().to_bools());
        pixels.filter(|(_, inside)| *inside).map(|(pixel, _)| f64::from(pixel)).sum::<f64>()
    };
    let years: Vec<f64> = pumpkins.iter().map(worth).collect();
    let image: Vec<f64> = pumpkins.iter().map(inside).collect();
    let ages: Vec<f64> = pumpkins.iter().map(|pumpkin| pumpkin.age.into()).collect();
    assert!((of("kind.image") - statistics::spearman(&years, &image)).abs() < 1e-9);
    assert!((of("beyond_age.image") - statistics::partial_spearman(&years, &image, &ages)).abs() < 1e-9);
    assert!(of("beyond_age.image").abs() < 0.999 && of("kind.noise").is_finite() && of("kind.edges").is_finite());
}

#[test]
fn healing_what_speaks_for_age_lowers_a_linear_prediction() {
    let pumpkin = Pumpkin::draw(70, GrowthMode::Human, 2);
    let settings = EvaluateSettings { steps: 7, flipped: 1.0, ..EvaluateSettings::default() };
    let scores = ask("faithfulness", &pumpkin, false, &settings);
    let of = |variant: &str| value(&scores, &format!("faithfulness.{variant}"), None, Some(0));
    assert!(of("positive") > 0.0 && of("negative") > 0.0);
    assert!(of("positive") > of("noise"));
    // Every step predicts once, and so does the image itself: the fall is exact for a linear network.
    let image = pumpkin.redraw(Without::Nothing);
    let body = pumpkin.redraw(Without::Signs);
    let relevance: Vec<f32> = (0..SIDE * SIDE).map(|p| weight(p) * (image[p] - body[p])).collect();
    let mut order: Vec<usize> = (0..SIDE * SIDE).filter(|&p| relevance[p] > 0.0).collect();
    order.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]));
    let fall = |count: usize| -> f64 {
        order.iter().take(count).map(|&p| f64::from(weight(p)) * f64::from(image[p] - 0.8)).sum()
    };
    let falls: Vec<f64> =
        (0..=7).map(|step| fall((step as f64 * (SIDE * SIDE) as f64 / 7.0).round() as usize)).collect();
    let mean = falls.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / 7.0;
    assert!((of("positive") - mean).abs() < 1e-4, "{} and {mean}", of("positive"));
}

#[test]
fn sensitivity_grows_with_the_neighbourhood() {
    let pumpkin = Pumpkin::draw(70, GrowthMode::Human, 2);
    let of_radius = |radius| {
        let settings = EvaluateSettings { radius, draws: 3, ..EvaluateSettings::default() };
        ask("sensitivity", &pumpkin, false, &settings)[0].value
    };
    let (near, far) = (of_radius(0.01), of_radius(0.1));
    // The map of a linear network moves as far as the image does.
    assert!(near > 0.0 && (far / near - 10.0).abs() < 1e-2, "{near} and {far}");
}

#[test]
fn randomisation_tells_every_layer_and_survives_maps_that_are_not_finite() {
    let scores = ask("randomisation", &Pumpkin::draw(70, GrowthMode::Human, 2), false, &EvaluateSettings::default());
    let told: Vec<_> = scores.iter().map(|score| (score.name(), score.value, score.note.clone())).collect();
    assert_eq!(told[0].0, "randomisation_spearman.output");
    assert!((told[0].1 + 1.0).abs() < 1e-9 && (told[1].1 - 1.0).abs() < 1e-9);
    assert!(told[2].1.is_nan());
    assert_eq!((told[2].0.as_str(), told[2].2.as_deref()), ("randomisation_spearman.conv1", Some("it is not finite")));
}
