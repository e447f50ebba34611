//! The same scores on the same maps as Quantus 0.6.0 (`tests/data/quantus_scores.py`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use super::network::{Probe, ProbeError, Probed};
use super::*;
use crate::data::Truth;
use crate::metric::EvaluateSettings;
use crate::raster::RasterStack;
use crate::sim::{GrowthMode, Pumpkin, PumpkinTruth, SIDE};

const AREA: usize = SIDE * SIDE;

#[derive(Deserialize)]
struct Fixtures {
    localisation: Vec<Case>,
    complexity: Vec<Case>,
    faithfulness: Vec<Curve>,
    sensitivity: Vec<Moved>,
    spearman: Vec<Pair>,
}

#[derive(Deserialize)]
struct Case {
    map: String,
    image: usize,
    #[serde(default)]
    part: String,
    #[serde(default)]
    mask: Vec<usize>,
    scores: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Curve {
    map: String,
    image: usize,
    variant: String,
    curve: Vec<f64>,
}

#[derive(Deserialize)]
struct Moved {
    map: String,
    others: Vec<String>,
    score: f64,
}

#[derive(Deserialize)]
struct Pair {
    one: String,
    other: String,
    score: f64,
}

fn fixtures() -> Fixtures {
    let path = format!("{}/tests/data/quantus_scores.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap()
}

/// The plane `index` of a file of float32 planes, of which there are two at its end.
fn plane(file: &str, index: usize) -> RasterStack {
    let path = format!("{}/../tensor/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let values = bytes[bytes.len() - 8 * AREA..].chunks_exact(4);
    let values = values.map(|four| f32::from_le_bytes(four.try_into().unwrap())).skip(index * AREA).take(AREA);
    RasterStack::new(SIDE, SIDE, values.collect())
}

fn map(name: &str, index: usize) -> RasterStack {
    plane(&format!("lrp/{name}.npy"), index)
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} is not {expected}");
}

#[test]
fn localisation_agrees() {
    for case in fixtures().localisation {
        let (part, map) =
            (if case.part == "positive" { Part::Positive } else { Part::Absolute }, map(&case.map, case.image));
        let located = Located::new(&Sorted::new(map.get(0), part), case.mask.iter().copied());
        assert_eq!(case.scores.len(), 4);
        for (name, &expected) in &case.scores {
            let metric = LOCALISATION_METRICS.iter().find(|metric| metric.about.name == name).unwrap();
            assert_close(
                (metric.compute)(&located),
                expected,
                2e-6,
                &format!("{name} of {} on {}", case.map, case.part),
            );
        }
    }
}

#[test]
fn complexity_agrees() {
    for case in fixtures().complexity {
        let map = map(&case.map, case.image);
        for (name, &expected) in &case.scores {
            let metric = MAP_METRICS.iter().find(|metric| metric.about.name == name).unwrap();
            let found = (metric.compute)(&ExplainedSample { relevance: map.get(0), total: Some(1.0) });
            // Quantus sums float32 values, and adds 1e-7 to each for the Gini index.
            assert_close(found.unwrap(), expected, 2e-4, &format!("{name} of {}", case.map));
        }
    }
}

/// A network that says 50 + 30 tanh(sum_p x_p sin(p) / 10), and whose maps are given.
struct Scripted {
    maps: RefCell<Vec<RasterStack>>,
}

impl Probe for Scripted {
    fn predict(&self, images: &RasterStack) -> Vec<f64> {
        let weigh = |(p, &x): (usize, &f32)| f64::from(x) * (p as f64).sin() / 10.0;
        let sum = |image: Raster| image.pixels.iter().enumerate().map(weigh).sum::<f64>();
        images.iter().map(|image| 50.0 + 30.0 * sum(image).tanh()).collect()
    }

    fn explain(&self, _: &RasterStack) -> Result<RasterStack, ProbeError> {
        Ok(self.maps.borrow_mut().remove(0))
    }

    fn layers(&self) -> Vec<String> {
        Vec::new()
    }

    fn explain_randomised(&self, _: &RasterStack, _: usize, _: u64) -> Result<RasterStack, ProbeError> {
        Err(ProbeError("nothing is random here".into()))
    }
}

/// The scores of `metric` for the first image with this map.
fn ask(metric: &str, map: &RasterStack, settings: &EvaluateSettings, maps: Vec<RasterStack>) -> Vec<Score> {
    let metric = NETWORK_METRICS.iter().find(|known| known.name == metric).unwrap();
    let (images, pumpkin) = (plane("keras_images.f32", 0), Pumpkin::draw(66, GrowthMode::Human, 0));
    let truth = PumpkinTruth(vec![pumpkin]);
    let (samples, targets, truth) = (&[0], &[66.0], Some(&truth as &dyn Truth));
    let probed = Probed {
        samples,
        targets,
        truth,
        images: &images,
        maps: map,
        range: 60.0,
        relevance_unit: "years",
        blind: false,
        settings,
    };
    (metric.compute)(&probed, &Scripted { maps: RefCell::new(maps) }).unwrap().scores
}

#[test]
fn faithfulness_agrees() {
    for case in fixtures().faithfulness {
        let steps = case.curve.len() - 1;
        let flipped = (steps * SIDE) as f64 / AREA as f64;
        let settings = EvaluateSettings { steps, flipped, ..EvaluateSettings::default() };
        let scores = ask("faithfulness", &map(&case.map, case.image), &settings, Vec::new());
        let found = scores.iter().find(|score| score.variant.as_ref() == Some(&case.variant)).unwrap().value;
        let mean = case.curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / steps as f64;
        let fall = case.curve[0] - mean;
        let expected = if case.variant == "positive" { fall } else { -fall };
        assert!(fall.abs() > 0.1, "the curve moves");
        assert_close(found, expected, 1e-4, &format!("{} first by {}", case.variant, case.map));
    }
}

#[test]
fn sensitivity_agrees() {
    for case in fixtures().sensitivity {
        let own = map(&case.map, 0);
        let settings = EvaluateSettings { draws: case.others.len(), ..EvaluateSettings::default() };
        let maps = [own.clone()].into_iter().chain(case.others.iter().map(|other| map(other, 0))).collect();
        let found = ask("sensitivity", &own, &settings, maps)[0].value;
        assert_close(found, case.score, 1e-5 * case.score.max(0.1), &case.map);
    }
}

#[test]
fn rank_correlation_agrees() {
    for Pair { one, other, score } in fixtures().spearman {
        let found = randomisation::rank_correlation(map(&one, 0).get(0), map(&other, 0).get(0));
        assert_close(found, score, 1e-9, &format!("{one} and {other}"));
    }
}
