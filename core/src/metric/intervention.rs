//! The same image without a sign: what signs are worth to a network.

use rand::seq::index;

use super::{Probe, Probed};
use crate::data::{Interventions, LeftOut};
use crate::raster::Raster;
use crate::seed::stream;

/// What signs of one kind are worth in one image.
#[derive(Debug)]
pub(super) struct Effects {
    /// Index among the images that are looked at.
    pub image: usize,
    /// f(x) - f(x without the sign), in the target's unit, of some signs.
    pub effects: Vec<f64>,
    /// Which signs these are, by their indices.
    pub chosen: Vec<usize>,
    /// The same of all signs of the kind together.
    pub all: f64,
}

impl Effects {
    /// Leaves signs of a kind out of an image; nothing where it has none. Of many, some are chosen at random.
    pub fn of(
        source: &dyn Interventions,
        kind: usize,
        probed: &Probed,
        image: usize,
        probe: &dyn Probe,
    ) -> Option<Self> {
        let sample = probed.samples[image];
        let count = source.count(kind, sample);
        if count == 0 {
            return None;
        }
        let mut rng = stream(probed.settings.seed, source.kinds()[kind].name, sample as u64);
        let mut chosen = index::sample(&mut rng, count, count.min(probed.settings.signs)).into_vec();
        chosen.sort_unstable();
        let each = chosen.iter().map(|&sign| LeftOut::One { kind, sign });
        let ways: Vec<LeftOut> = [LeftOut::Nothing, LeftOut::All { kind }].into_iter().chain(each).collect();
        let predictions = probe.predict(&probed.without(image, &ways, source));
        let (whole, rest) = predictions.split_first().expect("one prediction a way");
        let falls: Vec<f64> = rest.iter().map(|without| whole - without).collect();
        Some(Self { image, effects: falls[1..].to_vec(), chosen, all: falls[0] })
    }

    /// What a map says over the pixels within `dilation` rows and columns of each sign of this `kind`.
    pub fn relevance(
        &self,
        map: Raster,
        (source, kind, dilation): (&dyn Interventions, usize, usize),
        probed: &Probed,
    ) -> Vec<f64> {
        let sample = probed.samples[self.image];
        self.chosen.iter().map(|&sign| sum(map, &source.pixels(kind, sample, sign, dilation))).collect()
    }
}

/// Sum of a map over some pixels.
pub(super) fn sum(map: Raster, pixels: &[usize]) -> f64 {
    pixels.iter().map(|&pixel| f64::from(map.pixels[pixel])).sum()
}
