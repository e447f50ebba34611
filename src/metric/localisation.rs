//! What all scores of localisation work with: how many pixels of every level of relevance lie on a sign.

use super::{About, Direction, LOCALISATION_METRICS, Score, Sign, Trivial};
use crate::raster::{Raster, SIDE};
use crate::sim::{Mask, Pumpkin};

/// What is taken of a map's relevance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// R+ = max(R, 0): what speaks for a higher age.
    Positive,
    /// |R|: what matters either way.
    Absolute,
}

impl Part {
    /// Name as written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Absolute => "absolute",
        }
    }
}

/// The pixels of a map from the most to the least relevant.
#[derive(Debug, Clone)]
pub struct Sorted {
    /// Value and index into the row-major map.
    pixels: Vec<(f32, u32)>,
}

impl Sorted {
    /// Sorts `part` of a finite map.
    pub fn new(map: Raster, part: Part) -> Self {
        let value = |pixel: f32| match part {
            Part::Positive => pixel.max(0.0),
            Part::Absolute => pixel.abs(),
        };
        // The bits of floats that are not negative are in the floats' order, so that plain integers are sorted.
        let descending =
            |(index, &pixel): (usize, &f32)| (u64::from(!value(pixel).abs().to_bits()) << 32) | index as u64;
        let mut keys: Vec<u64> = map.pixels.iter().enumerate().map(descending).collect();
        keys.sort_unstable();
        Self { pixels: keys.into_iter().map(|key| (f32::from_bits(!((key >> 32) as u32)), key as u32)).collect() }
    }
}

/// Pixels of equal relevance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Their relevance, at least 0.
    pub value: f64,
    /// How many there are.
    pub pixels: usize,
    /// How many of them lie on the sign.
    pub inside: usize,
}

/// A map against the pixels of a sign: its levels from the most to the least relevant.
///
/// Pixels of one level have no order among them. A score that needs one takes its mean over all orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    pub levels: Vec<Level>,
}

impl Located {
    /// Counts the pixels of every level on and beside a sign, given by a flag a pixel.
    ///
    /// # Panics
    /// Panics when there is not a flag for each pixel.
    pub fn new(sorted: &Sorted, sign: &[bool]) -> Self {
        assert_eq!(sorted.pixels.len(), sign.len(), "a flag a pixel");
        let mut levels: Vec<Level> = Vec::new();
        for &(value, index) in &sorted.pixels {
            let value = f64::from(value);
            if levels.last().is_none_or(|level| level.value != value) {
                levels.push(Level { value, pixels: 0, inside: 0 });
            }
            let level = levels.last_mut().expect("at least one level");
            level.pixels += 1;
            level.inside += usize::from(sign[index as usize]);
        }
        Self { levels }
    }

    /// Pixels of the map.
    pub fn pixels(&self) -> usize {
        self.levels.iter().map(|level| level.pixels).sum()
    }

    /// Pixels of the sign.
    pub fn inside(&self) -> usize {
        self.levels.iter().map(|level| level.inside).sum()
    }
}

/// A score of where relevance lies. It is not defined (NaN) where a map gives it nothing to go by.
pub struct LocalisationMetric {
    pub about: About,
    /// What it is computed on.
    pub parts: &'static [Part],
    pub compute: fn(&Located) -> f64,
    /// What a map expects that knows nothing, from the sign's share of the image.
    pub chance: fn(f64) -> f64,
}

/// Both parts of relevance.
pub(super) const BOTH: &[Part] = &[Part::Positive, Part::Absolute];

/// How much of the image a sign takes: what chance would score.
pub const SIGN_SHARE: About = About {
    name: "sign_share",
    unit: "1",
    direction: Direction::None,
    citation: "Arras, Osman and Samek, Information Fusion 81 (2022) 14, doi 10.1016/j.inffus.2021.11.008",
};

/// Every score of where a map puts its relevance, for every sign that the pumpkin has. A map that is blind to pixels of 0
/// has no score where a sign is nothing but such.
pub fn locate(map: Raster, pumpkin: &Pumpkin, blind: bool) -> Vec<Score> {
    let mut scores = score_parts(map, pumpkin, &[Part::Positive, Part::Absolute], Part::name);
    scores
        .iter_mut()
        .filter(|score| blind && score.sign.is_some_and(Sign::is_zero_in_images))
        .for_each(Score::mark_blind);
    let share = |(sign, mask): (Sign, Mask)| Score::new(&SIGN_SHARE, share(&mask)).of_sign(sign);
    scores.extend(masks(pumpkin).map(share));
    scores
}

/// What trivial maps of the image and chance score, in the place of an explanation.
pub fn locate_trivial(image: Raster, pumpkin: &Pumpkin, seed: u64, sample: usize) -> Vec<Score> {
    let of_trivial = |trivial: Trivial| {
        let map = trivial.map(image, seed, sample);
        score_parts(map.get(0), pumpkin, &[Part::Positive], |_| trivial.name())
    };
    let mut scores: Vec<Score> = Trivial::ALL.into_iter().flat_map(of_trivial).collect();
    for (sign, mask) in masks(pumpkin) {
        let chance = |metric: &'static LocalisationMetric| Score::new(&metric.about, (metric.chance)(share(&mask)));
        scores.extend(LOCALISATION_METRICS.iter().map(|metric| chance(metric).variant("chance").of_sign(sign)));
    }
    scores
}

fn score_parts(map: Raster, pumpkin: &Pumpkin, parts: &[Part], variant: impl Fn(Part) -> &'static str) -> Vec<Score> {
    let mut scores = Vec::new();
    for &part in parts {
        let sorted = Sorted::new(map, part);
        for (sign, mask) in masks(pumpkin) {
            let located = Located::new(&sorted, &mask.to_bools());
            let metrics = LOCALISATION_METRICS.iter().filter(|metric| metric.parts.contains(&part));
            let score = |metric: &'static LocalisationMetric| Score::new(&metric.about, (metric.compute)(&located));
            scores.extend(metrics.map(|metric| score(metric).variant(variant(part)).of_sign(sign)));
        }
    }
    scores
}

/// The signs that a pumpkin has, with their pixels.
fn masks(pumpkin: &Pumpkin) -> impl Iterator<Item = (Sign, Mask)> {
    Sign::ALL.into_iter().map(|sign| (sign, sign.mask(pumpkin))).filter(|(_, mask)| !mask.is_empty())
}

fn share(mask: &Mask) -> f64 {
    mask.count() as f64 / (SIDE * SIDE) as f64
}

#[cfg(test)]
#[path = "localisation_tests.rs"]
mod tests;
