//! What the network is asked about: images of their own samples, spread over all that are explained.

use std::collections::BTreeMap;

use super::*;
use crate::event::silent;
use crate::explain::{ExplainedNetwork, LayerKind, LayerSite};
use crate::metric::ProbeError;
use crate::sim::{GrowthMode, PumpkinSettings, simulate};
use crate::stage::Memory;
use crate::store::Store;

/// Notes the images that are explained; its maps are the images.
#[derive(Default)]
struct Noting(Mutex<Vec<RasterStack>>);

impl Probe for Noting {
    fn predict(&self, images: &RasterStack) -> Vec<f64> {
        images.iter().map(|image| image.sum()).collect()
    }

    fn explain(&self, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        self.0.lock().unwrap().push(images.clone());
        Ok(images.clone())
    }

    fn layers(&self) -> Vec<String> {
        Vec::new()
    }

    fn explain_randomised(&self, _: &RasterStack, _: usize, _: u64) -> Result<RasterStack, ProbeError> {
        Err(ProbeError("it has no layers".into()))
    }
}

#[test]
fn images_are_spread_evenly_over_those_that_are_explained() {
    let settings = PumpkinSettings { n_samples: 100, growth_mode: GrowthMode::NoGrowth, ..PumpkinSettings::default() };
    let data: Dataset = simulate(&settings, &silent).unwrap().into();
    let folder = tempfile::tempdir().unwrap();
    let (store, memory) = (Store::new(folder.path()), Memory::default());
    let context = StageContext::new(&store, &silent, &memory);
    let explained: Vec<usize> = Split::Validation.range(100).collect();
    let maps = data.images.select(&explained);
    let about = about(BTreeMap::new());
    let scored = Scored { data: &data, samples: &explained, maps: &maps, about: &about, range: 60.0 };
    for (images, expected) in
        [(1, vec![80]), (4, vec![80, 82, 85, 87]), (10, (80..90).collect()), (99, (80..90).collect())]
    {
        let scores = ["sensitivity", "causal"].map(String::from).to_vec();
        let settings = EvaluateSettings { scores, images, draws: 1, ..EvaluateSettings::default() };
        let probe = Noting::default();
        let (rows, _) = ask(&scored, Task::Regression, &settings, &probe, &context);
        assert!(probe.0.into_inner().unwrap()[0] == data.images.select(&expected), "{images} images");
        let told = |metric: &str| rows.iter().filter(|row| row.metric == metric).filter_map(|row| row.sample).collect();
        let samples: [Vec<usize>; 2] = ["max_sensitivity", "causal_years"].map(told);
        assert_eq!(samples, [expected.clone(), expected]);
    }
}

/// Facts of maps that are images, of which some mean nothing.
fn about(flaws: BTreeMap<usize, Flaw>) -> stage::Explained {
    let method = crate::explain::Method::Input;
    let entry = LayerSite { name: "conv1", kind: LayerKind::Conv, depth: 0, last: false };
    let network =
        ExplainedNetwork { task: Task::Regression, target: &crate::sim::age(), entry, shape: crate::sim::SHAPE };
    let meaning = crate::explain::Meaning::of(&method, &network);
    stage::Explained { meaning, reference: 0.0, totals: vec![], layers: vec![], flaws, findings: vec![] }
}

/// Maps that mean nothing are in no mean and no question, and their rows say why.
#[test]
fn maps_that_mean_nothing_have_no_scores() {
    let settings = PumpkinSettings { n_samples: 100, growth_mode: GrowthMode::Human, ..PumpkinSettings::default() };
    let data: Dataset = simulate(&settings, &silent).unwrap().into();
    let folder = tempfile::tempdir().unwrap();
    let (store, memory) = (Store::new(folder.path()), Memory::default());
    let context = StageContext::new(&store, &silent, &memory);
    let explained: Vec<usize> = Split::Validation.range(100).collect();
    let maps = data.images.select(&explained);
    let settings = EvaluateSettings { scores: vec!["sensitivity".into()], draws: 1, ..EvaluateSettings::default() };
    let ask = |flaws: BTreeMap<usize, Flaw>| {
        let probe = Noting::default();
        let scored = Scored { data: &data, samples: &explained, maps: &maps, about: &about(flaws), range: 60.0 };
        let (rows, _) = ask(&scored, Task::Regression, &settings, &probe, &context);
        (rows, probe.0.into_inner().unwrap())
    };
    let (all, _) = ask(BTreeMap::new());
    let (rows, asked) = ask([(1, Flaw::Zero), (4, Flaw::Absorbed)].into());
    assert_eq!(asked[0].len(), 8, "nobody is asked about them");
    let of = |rows: &[Measurement], sample| rows.iter().find(|row| row.sample == sample).cloned().unwrap();
    for (sample, note) in [(81, "zero"), (84, "absorbed")] {
        let row = of(&rows, Some(sample));
        assert_eq!((row.value, row.note.as_deref()), (None, Some(note)));
    }
    assert_eq!(of(&rows, Some(82)), of(&all, Some(82)), "the others keep their scores");
    let kept = [80, 82, 83, 85, 86, 87, 88, 89].map(|sample| of(&all, Some(sample)).value.unwrap());
    let mean = kept.iter().sum::<f64>() / 8.0;
    assert!((of(&rows, None).value.unwrap() - mean).abs() < 1e-12);
    let (rows, asked) = ask((0..10).map(|place| (place, Flaw::Zero)).collect());
    assert!(asked.is_empty() && rows.iter().all(|row| row.value.is_none() && row.note.as_deref() == Some("zero")));
    assert_eq!(rows.len(), 11);
}
