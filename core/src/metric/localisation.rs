//! What all scores of localisation work with: how many pixels of every level of relevance lie on a sign.

use super::{About, Direction, LOCALISATION_METRICS, Score, Trivial, UnitOf};
use crate::data::Region;
use crate::raster::Raster;

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

/// A map's pixels by how relevant they are.
#[derive(Debug, Clone)]
pub struct Sorted {
    /// From the most to the least relevant.
    levels: Vec<Level>,
    /// The level of each pixel, in row-major order.
    level_of: Vec<u32>,
    /// Sum over all pixels.
    total: f64,
}

impl Sorted {
    /// Sorts `part` of a finite map.
    pub fn new(map: Raster, part: Part) -> Self {
        let value = |pixel: f32| match part {
            Part::Positive => pixel.max(0.0),
            Part::Absolute => pixel.abs(),
        };
        // The bits of floats that are not negative are in the floats' order, so that plain integers are sorted: value, then
        // pixel. Pixels without relevance, most of them, are the last level and need no sorting.
        let key = |(index, &pixel): (usize, &f32)| (u64::from(!value(pixel).to_bits()) << 32) | index as u64;
        let relevant = map.pixels.iter().enumerate().filter(|&(_, &pixel)| value(pixel) != 0.0);
        let mut keys: Vec<u64> = relevant.map(key).collect();
        keys.sort_unstable();
        let (mut levels, mut level_of) = (Vec::new(), vec![0; map.pixels.len()]);
        for same in keys.chunk_by(|one, other| one >> 32 == other >> 32) {
            let above = levels.last().map_or(0, Level::end);
            for &key in same {
                level_of[key as u32 as usize] = levels.len() as u32;
            }
            let value = f64::from(f32::from_bits(!((same[0] >> 32) as u32)));
            levels.push(Level { value, above, pixels: same.len(), inside: 0 });
        }
        let total = levels.iter().map(|level| level.value * level.pixels as f64).sum();
        let above = keys.len();
        if above < map.pixels.len() {
            for (level, _) in level_of.iter_mut().zip(map.pixels).filter(|(_, pixel)| value(**pixel) == 0.0) {
                *level = levels.len() as u32;
            }
            levels.push(Level { value: 0.0, above, pixels: map.pixels.len() - above, inside: 0 });
        }
        Self { levels, level_of, total }
    }
}

/// Pixels of equal relevance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Their relevance, at least 0.
    pub value: f64,
    /// How many pixels of the map are more relevant.
    pub above: usize,
    /// How many there are.
    pub pixels: usize,
    /// How many of them lie on the sign.
    pub inside: usize,
}

impl Level {
    /// How many pixels of the map are at least as relevant.
    pub fn end(&self) -> usize {
        self.above + self.pixels
    }
}

/// A map against the pixels of a sign.
///
/// Pixels of one level have no order among them. A score that needs one takes its mean over all orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The levels that have a pixel on the sign, from the most to the least relevant.
    pub levels: Vec<Level>,
    /// Pixels of the map.
    pub pixels: usize,
    /// Pixels of the sign.
    pub inside: usize,
    /// Sum of relevance over the map.
    pub total: f64,
}

impl Located {
    /// Counts the pixels of every level that lie on a sign, given by their places in the row-major map.
    ///
    /// # Panics
    /// Panics when a place is not in the map.
    pub fn new(sorted: &Sorted, sign: impl Iterator<Item = usize>) -> Self {
        let (mut counts, mut inside) = (vec![0_u32; sorted.levels.len()], 0);
        for place in sign {
            counts[sorted.level_of[place] as usize] += 1;
            inside += 1;
        }
        let on_sign = sorted.levels.iter().zip(counts).filter(|(_, count)| *count > 0);
        let levels = on_sign.map(|(&level, count)| Level { inside: count as usize, ..level }).collect();
        Self { levels, pixels: sorted.level_of.len(), inside, total: sorted.total }
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
    unit: UnitOf::One,
    direction: Direction::None,
    citation: "Arras, Osman and Samek, Information Fusion 81 (2022) 14, doi 10.1016/j.inffus.2021.11.008",
};

/// Every score of where a map puts its relevance, for every region that is known in the image. A map that is blind to pixels
/// of 0 has no score where a region is nothing but such.
pub fn locate(map: Raster, image: Raster, regions: &[Region], blind: bool) -> Vec<Score> {
    let mut scores = score_parts(map, regions, &[Part::Positive, Part::Absolute], Part::name);
    for region in regions.iter().filter(|region| blind && is_zero(image, &region.pixels)) {
        scores.iter_mut().filter(|score| score.sign.as_ref() == Some(&region.name)).for_each(Score::mark_blind);
    }
    scores
        .extend(regions.iter().map(|region| Score::new(&SIGN_SHARE, share(region, map)).of_sign(region.name.clone())));
    scores
}

/// What trivial maps of the image and chance score, in the place of an explanation.
pub fn locate_trivial(image: Raster, regions: &[Region], seed: u64, sample: usize) -> Vec<Score> {
    let of_trivial = |trivial: Trivial| {
        let map = trivial.map(image, seed, sample);
        score_parts(map.get(0), regions, &[Part::Positive], |_| trivial.name())
    };
    let mut scores: Vec<Score> = Trivial::ALL.into_iter().flat_map(of_trivial).collect();
    for region in regions {
        let share = share(region, image);
        let chance = |metric: &'static LocalisationMetric| Score::new(&metric.about, (metric.chance)(share));
        let of_region = LOCALISATION_METRICS.iter().map(|metric| chance(metric).variant("chance"));
        scores.extend(of_region.map(|score| score.of_sign(region.name.clone())));
    }
    scores
}

/// Whether every one of these pixels is 0 in all channels of an image.
pub(super) fn is_zero(image: Raster, pixels: &[usize]) -> bool {
    let area = image.height * image.width;
    image.pixels.chunks_exact(area).all(|channel| pixels.iter().all(|&pixel| channel[pixel] == 0.0))
}

fn score_parts(map: Raster, regions: &[Region], parts: &[Part], variant: impl Fn(Part) -> &'static str) -> Vec<Score> {
    let mut scores = Vec::new();
    for &part in parts {
        let sorted = Sorted::new(map, part);
        for region in regions {
            let located = Located::new(&sorted, region.pixels.iter().copied());
            let metrics = LOCALISATION_METRICS.iter().filter(|metric| metric.parts.contains(&part));
            let score = |metric: &'static LocalisationMetric| Score::new(&metric.about, (metric.compute)(&located));
            scores.extend(metrics.map(|metric| score(metric).variant(variant(part)).of_sign(region.name.clone())));
        }
    }
    scores
}

/// How much of an image a region takes.
fn share(region: &Region, image: Raster) -> f64 {
    region.pixels.len() as f64 / (image.height * image.width) as f64
}

#[cfg(test)]
#[path = "localisation_tests.rs"]
mod tests;
