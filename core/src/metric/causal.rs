//! Whether relevance tells what every sign is worth to the network.
//!
//! The simulation draws the same image again without one sign, all else equal to the bit. How far the prediction falls
//! then is what this sign is worth, in the target's unit: the causal truth, against which the relevance over its pixels is
//! held.

use super::intervention::{Effects, sum};
use super::localisation::is_zero;
use super::network::Needs;
use super::statistics::{line, mean, mean_of_defined, partial_spearman, pearson, spearman};
use super::{
    About, Answers, Direction, LeftOutSign, LeftOutSigns, NetworkMetric, Probe, ProbeError, Probed, Score, Trivial,
    UnitOf,
};
use crate::data::{Interventions, Variant};
use crate::raster::{Raster, RasterStack};
use crate::task::Task;

const CITATION: &str = "Pearl, Causality (2009), 3.2 (the effect of an intervention); here on a simulated image";

const fn about(name: &'static str, unit: UnitOf, direction: Direction) -> About {
    About { name, unit, direction, citation: CITATION }
}

const PEARSON: About = about("causal_pearson", UnitOf::One, Direction::Higher);
const SPEARMAN: About = about("causal_spearman", UnitOf::One, Direction::Higher);
const SLOPE: About = about("causal_slope", UnitOf::RelevancePerOutput, Direction::Towards(1.0));
const YEARS: About = about("causal_years", UnitOf::Output, Direction::None);
const RELEVANCE: About = about("causal_relevance", UnitOf::Relevance, Direction::None);
const ABSOLUTE_YEARS: About = about("causal_absolute_years", UnitOf::Output, Direction::None);
const RANGE_SHARE: About = about("causal_range_share", UnitOf::One, Direction::None);

/// Fewer signs than this in an image correlate by chance alone.
const FEWEST: usize = 3;

/// Effects f(x) - f(x without a sign), of pumpkins in years, against the sum of relevance over the sign's pixels.
///
/// For kinds of which an image may have many signs (lesions; atrophies, of which the pixel itself or all within 1 or 2 rows
/// and columns count):
/// - of an image: Pearson's and Spearman's correlation over its signs, where there are at least three; the mean over images
///   is the score of the run, with those of trivial maps as variants `image`, `edges`, `noise`;
/// - `pooled`: the same over the signs of all images together, with the slope of relevance over years.
///
/// For every kind, also one of which an image has a single sign (the tumour):
/// - of an image, `causal_years` and `causal_relevance` of all signs of the kind together; `each` is the mean worth of one;
/// - how large the effects are that are correlated: `causal_absolute_years`, the mean size of what one sign is worth, and
///   `causal_range_share`, that of all signs of an image together as a share of the range of the predictions;
/// - `kind`: correlations and slope of these over images;
/// - `beyond_age`: the rank correlation over images of equal target (partial): older pumpkins have more to show, so maps that
///   merely grow with age correlate too.
///
/// With those of trivial maps beside, as `kind.image` and so on.
///
/// Where an explanation is blind to pixels that are 0, the relevance of a region of such pixels (atrophies themselves) says
/// nothing, and is marked so.
pub const CAUSAL: NetworkMetric = NetworkMetric {
    name: "causal",
    measures: &[PEARSON, SPEARMAN, SLOPE, YEARS, RELEVANCE, ABSOLUTE_YEARS, RANGE_SHARE],
    task: Some(Task::Regression),
    needs: Needs::Interventions,
    compute,
};

/// The signs of a kind as one of its regions shows them.
#[derive(Clone, Copy)]
struct Signs<'a> {
    source: &'a dyn Interventions,
    kind: usize,
    variant: Variant,
}

impl Signs<'_> {
    /// What a map says over the pixels of each sign.
    fn each(&self, effects: &Effects, map: Raster, probed: &Probed) -> Vec<f64> {
        effects.relevance(map, (self.source, self.kind, self.variant.dilation), probed)
    }

    /// The pixels of all of them in an image.
    fn region(&self, effects: &Effects, probed: &Probed) -> Vec<usize> {
        let regions = probed.truth.map(|truth| truth.regions(probed.samples[effects.image])).unwrap_or_default();
        let own = regions.into_iter().find(|region| region.name == self.variant.region);
        own.map(|region| region.pixels).unwrap_or_default()
    }

    /// Whether every pixel of theirs is 0 in every image.
    fn are_zero(&self, effects: &[Effects], probed: &Probed) -> bool {
        let zero = |effects: &Effects| is_zero(probed.images.get(effects.image), &self.region(effects, probed));
        effects.iter().all(zero)
    }
}

fn compute(probed: &Probed, probe: &dyn Probe) -> Result<Answers, ProbeError> {
    let Some(source) = probed.interventions() else { return Ok(Answers::default()) };
    let Answers { mut scores, mut signs } = Answers::default();
    for (kind, of_kind) in source.kinds().iter().enumerate() {
        let effects: Vec<Effects> =
            (0..probed.len()).filter_map(|image| Effects::of(source, kind, probed, image, probe)).collect();
        if effects.is_empty() {
            continue;
        }
        for &variant in of_kind.variants {
            let signs = Signs { source, kind, variant };
            let mut told = within_images(signs, &effects, probed);
            told.extend(over_images(signs, of_kind.single, &effects, probed));
            if probed.blind && signs.are_zero(&effects, probed) {
                told.iter_mut().for_each(Score::mark_blind);
            }
            told.extend(trivial_maps(signs, &effects, probed));
            told.extend(worth(&effects, probed.range));
            scores.extend(told.into_iter().map(|score| score.of_sign(variant.region)));
        }
        signs.push(left_out(source, kind, &effects, probed));
    }
    Ok(Answers { scores, signs })
}

/// Every sign of a kind that was left out alone, with what the map of its image says over it.
fn left_out(source: &dyn Interventions, kind: usize, effects: &[Effects], probed: &Probed) -> LeftOutSigns {
    let radii: Vec<usize> = source.kinds()[kind].variants.iter().map(|variant| variant.dilation).collect();
    let mut signs = Vec::new();
    for effects in effects {
        let (map, sample) = (probed.maps.get(effects.image), probed.samples[effects.image]);
        let relevance = |&radius| effects.relevance(map, (source, kind, radius), probed);
        let relevance: Vec<Vec<f64>> = radii.iter().map(relevance).collect();
        let defined = |value: f64| Some(value).filter(|value| value.is_finite());
        signs.extend(effects.chosen.iter().zip(&effects.effects).enumerate().map(|(place, (&index, &effect))| {
            LeftOutSign {
                sample,
                index,
                middle: source.middle(kind, sample, index),
                effect: defined(effect),
                relevance: relevance.iter().map(|of_radius| defined(of_radius[place])).collect(),
            }
        }));
    }
    let (kind, relevance_unit) = (source.kinds()[kind].name.to_owned(), probed.relevance_unit.to_owned());
    LeftOutSigns { kind, radii, relevance_unit, signs }
}

fn correlations(effects: &[f64], relevance: &[f64]) -> [Score; 2] {
    [Score::new(&PEARSON, pearson(effects, relevance)), Score::new(&SPEARMAN, spearman(effects, relevance))]
}

/// The images with enough signs to correlate over them.
fn many(effects: &[Effects]) -> impl Iterator<Item = &Effects> {
    effects.iter().filter(|effects| effects.effects.len() >= FEWEST)
}

/// Correlations over the signs of each image.
fn within_images(signs: Signs, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let of_image = |effects: &Effects| {
        let relevance = signs.each(effects, probed.maps.get(effects.image), probed);
        correlations(&effects.effects, &relevance).map(|score| score.of_image(effects.image))
    };
    many(effects).flat_map(of_image).collect()
}

/// The same of trivial maps: in the mean over images, and over images.
fn trivial_maps(signs: Signs, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let mut scores = Vec::new();
    for trivial in Trivial::ALL {
        let maps: Vec<RasterStack> = effects.iter().map(|effects| probed.trivial(trivial, effects.image)).collect();
        let of_images: Vec<[Score; 2]> = (effects.iter().zip(&maps))
            .filter(|(effects, _)| effects.effects.len() >= FEWEST)
            .map(|(effects, map)| correlations(&effects.effects, &signs.each(effects, map.get(0), probed)))
            .collect();
        if !of_images.is_empty() {
            for (which, about) in [&PEARSON, &SPEARMAN].into_iter().enumerate() {
                let value = mean_of_defined(of_images.iter().map(|scores| scores[which].value));
                scores.push(Score::new(about, value).variant(trivial.name()));
            }
        }
        let relevance = of_kind(signs, effects, &maps.iter().map(|map| map.get(0)).collect::<Vec<_>>(), probed);
        let named = |variant: &str| format!("{variant}.{}", trivial.name());
        scores.extend(kinds(effects, &relevance, probed).map(|(variant, score)| score.variant(named(variant))));
    }
    scores
}

/// Correlations over the signs of all images together, and over the images' sums of all signs of the kind.
fn over_images(signs: Signs, single: bool, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let mut scores = Vec::new();
    let maps: Vec<Raster> = effects.iter().map(|effects| probed.maps.get(effects.image)).collect();
    let slope = |worth: &[f64], relevance: &[f64]| Score::new(&SLOPE, line(worth, relevance).slope);
    if !single {
        let worth: Vec<f64> = effects.iter().flat_map(|effects| effects.effects.iter().copied()).collect();
        let relevance: Vec<f64> =
            effects.iter().zip(&maps).flat_map(|(effects, map)| signs.each(effects, *map, probed)).collect();
        let pooled = correlations(&worth, &relevance).into_iter().chain([slope(&worth, &relevance)]);
        scores.extend(pooled.map(|score| score.variant("pooled")));
    }
    let relevance = of_kind(signs, effects, &maps, probed);
    scores.extend(kinds(effects, &relevance, probed).map(|(variant, score)| score.variant(variant)));
    let worth: Vec<f64> = effects.iter().map(|effects| effects.all).collect();
    scores.push(slope(&worth, &relevance).variant("kind"));
    let of_images = effects.iter().zip(relevance);
    scores.extend(of_images.map(|(effects, sum)| Score::new(&RELEVANCE, sum).of_image(effects.image)));
    scores
}

/// What maps say of all signs of a kind in each image.
fn of_kind(signs: Signs, effects: &[Effects], maps: &[Raster], probed: &Probed) -> Vec<f64> {
    let of_image = |(effects, map): (&Effects, &Raster)| sum(*map, &signs.region(effects, probed));
    effects.iter().zip(maps).map(of_image).collect()
}

/// Correlations over images of what all signs of a kind are worth with what a map says of them, with their variants.
fn kinds(effects: &[Effects], relevance: &[f64], probed: &Probed) -> impl Iterator<Item = (&'static str, Score)> {
    let worth: Vec<f64> = effects.iter().map(|effects| effects.all).collect();
    let targets: Vec<f64> = effects.iter().map(|effects| probed.targets[effects.image]).collect();
    let beyond_age = Score::new(&SPEARMAN, partial_spearman(&worth, relevance, &targets));
    correlations(&worth, relevance).map(|score| ("kind", score)).into_iter().chain([("beyond_age", beyond_age)])
}

/// What the signs are worth, whatever an explanation says.
fn worth(effects: &[Effects], range: f64) -> Vec<Score> {
    let of_kind = effects.iter().map(|effects| Score::new(&YEARS, effects.all).of_image(effects.image));
    let each: Vec<f64> = effects.iter().flat_map(|effects| effects.effects.iter().copied()).collect();
    let size = mean(each.iter().map(|effect| effect.abs()));
    let together = mean(effects.iter().map(|effects| effects.all.abs()));
    let of_all = [
        Score::new(&YEARS, mean(each.into_iter())).variant("each"),
        Score::new(&ABSOLUTE_YEARS, size),
        Score::new(&RANGE_SHARE, together / range),
    ];
    of_kind.chain(of_all).collect()
}
