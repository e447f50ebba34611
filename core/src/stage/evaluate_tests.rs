//! What the network is asked about: images of their own samples, spread over all that are explained.

use super::*;
use crate::event::silent;
use crate::metric::ProbeError;
use crate::sim::{DataSettings, GrowthMode, simulate};
use crate::stage::Memory;
use crate::store::Store;

/// Notes the images that are explained; its maps are the images.
#[derive(Default)]
struct Noting(Mutex<Vec<RasterStack>>);

impl Probe for Noting {
    fn is_blind(&self) -> bool {
        false
    }

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
    let settings = DataSettings { n_samples: 100, growth_mode: GrowthMode::NoGrowth, ..DataSettings::default() };
    let data = simulate(&settings, &silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, memory) = (Store::new(folder.path()), Memory::default());
    let context = StageContext::new(&store, &silent, &memory);
    let explained: Vec<usize> = Split::Validation.range(100).collect();
    let maps = data.images.select(&explained);
    for (images, expected) in
        [(1, vec![80]), (4, vec![80, 82, 85, 87]), (10, (80..90).collect()), (99, (80..90).collect())]
    {
        let scores = ["sensitivity", "causal"].map(String::from).to_vec();
        let settings = EvaluateSettings { scores, images, draws: 1, ..EvaluateSettings::default() };
        let probe = Noting::default();
        let rows = ask(&data, &explained, &maps, Task::Regression, &settings, &probe, &context);
        assert!(probe.0.into_inner().unwrap()[0] == data.images.select(&expected), "{images} images");
        let told = |metric: &str| rows.iter().filter(|row| row.metric == metric).filter_map(|row| row.sample).collect();
        let samples: [Vec<usize>; 2] = ["max_sensitivity", "causal_years"].map(told);
        assert_eq!(samples, [expected.clone(), expected]);
    }
}
