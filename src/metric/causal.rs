//! Whether relevance tells what every sign of age is worth to the network.
//!
//! The simulation draws the same pumpkin again without one sign, all else equal to the bit. How far the prediction falls
//! then is what this sign is worth, in years: the causal truth, against which the relevance over its pixels is held.

use super::intervention::{Effects, Kind, sum};
use super::statistics::{line, mean, mean_of_defined, pearson, spearman};
use super::{About, Direction, NetworkMetric, Probe, ProbeError, Probed, Score, Sign, Trivial};
use crate::raster::RasterStack;
use crate::spec::Task;

const CITATION: &str = "Pearl, Causality (2009), 3.2 (the effect of an intervention); here on a simulated image";

const fn about(name: &'static str, unit: &'static str, direction: Direction) -> About {
    About { name, unit, direction, citation: CITATION }
}

const PEARSON: About = about("causal_pearson", "1", Direction::Higher);
const SPEARMAN: About = about("causal_spearman", "1", Direction::Higher);
const SLOPE: About = about("causal_slope", "1", Direction::Towards(1.0));
const YEARS: About = about("causal_years", "years", Direction::None);
const RELEVANCE: About = about("causal_relevance", "years", Direction::None);

/// Fewer signs than this in an image correlate by chance alone.
const FEWEST: usize = 3;

/// Years f(x) - f(x without a sign) against the sum of relevance over the sign's pixels.
///
/// For lesions and for atrophies, of which the pixel itself (r = 0) or all within r = 1, 2 rows and columns count:
/// - of an image: Pearson's and Spearman's correlation over its signs, where there are at least three; the mean over images
///   is the score of the run, with those of trivial maps as variants `image`, `edges`, `noise`;
/// - `pooled`: the same over the signs of all images together, with the slope of relevance over years.
///
/// For every kind, also the tumour:
/// - of an image, `causal_years` and `causal_relevance` of all signs of the kind together; `each` is the mean worth of one;
/// - `kind`: correlations and slope of these over images, with correlations of trivial maps as variants `kind.image`,
///   `kind.edges`, `kind.noise`. An image has one tumour at most, so for tumours this is the score.
///
/// Where an explanation is blind to pixels that are 0, the relevance of atrophies at r = 0 says nothing, and is marked so.
pub const CAUSAL: NetworkMetric = NetworkMetric {
    name: "causal",
    measures: &[PEARSON, SPEARMAN, SLOPE, YEARS, RELEVANCE],
    task: Some(Task::Regression),
    compute,
};

fn compute(probed: &Probed, probe: &dyn Probe) -> Result<Vec<Score>, ProbeError> {
    let mut scores = Vec::new();
    for kind in Kind::ALL {
        let effects: Vec<Effects> =
            (0..probed.len()).filter_map(|image| Effects::of(kind, probed, image, probe)).collect();
        if effects.is_empty() {
            continue;
        }
        for sign in kind.signs() {
            let mut told = within_images(sign, &effects, probed);
            told.extend(over_images(sign, &effects, probed));
            if probed.blind && sign.is_zero_in_images() {
                told.iter_mut().for_each(Score::mark_blind);
            }
            told.extend(trivial_maps(sign, &effects, probed));
            told.extend(trivial_over_images(sign, &effects, probed));
            told.extend(worth(&effects));
            scores.extend(told.into_iter().map(|score| score.of_sign(sign)));
        }
    }
    Ok(scores)
}

fn correlations(years: &[f64], relevance: &[f64]) -> [Score; 2] {
    [Score::new(&PEARSON, pearson(years, relevance)), Score::new(&SPEARMAN, spearman(years, relevance))]
}

/// The images with enough signs to correlate over them.
fn many(effects: &[Effects]) -> impl Iterator<Item = &Effects> {
    effects.iter().filter(|effects| effects.years.len() >= FEWEST)
}

/// Correlations over the signs of each image.
fn within_images(sign: Sign, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let of_image = |effects: &Effects| {
        let relevance = effects.relevance(probed.maps.get(effects.image), sign);
        correlations(&effects.years, &relevance).map(|score| score.of_image(effects.image))
    };
    many(effects).flat_map(of_image).collect()
}

/// The same of trivial maps, in the mean over images.
fn trivial_maps(sign: Sign, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let mut scores = Vec::new();
    for trivial in Trivial::ALL.into_iter().filter(|_| many(effects).next().is_some()) {
        let of_image = |effects: &Effects| {
            let map = probed.trivial(trivial, effects.image);
            correlations(&effects.years, &effects.relevance(map.get(0), sign))
        };
        let of_images: Vec<[Score; 2]> = many(effects).map(of_image).collect();
        for (which, about) in [&PEARSON, &SPEARMAN].into_iter().enumerate() {
            let value = mean_of_defined(of_images.iter().map(|scores| scores[which].value));
            scores.push(Score::new(about, value).variant(trivial.name()));
        }
    }
    scores
}

/// Correlations over the signs of all images together, and over the images' sums of all signs of the kind.
fn over_images(sign: Sign, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let mut scores = Vec::new();
    let mut correlate = |variant: &str, years: &[f64], relevance: &[f64]| {
        let slope = Score::new(&SLOPE, line(years, relevance).slope);
        scores.extend(correlations(years, relevance).into_iter().chain([slope]).map(|score| score.variant(variant)));
    };
    if sign != Sign::Tumour {
        let years: Vec<f64> = effects.iter().flat_map(|effects| effects.years.iter().copied()).collect();
        let relevance: Vec<f64> =
            effects.iter().flat_map(|effects| effects.relevance(probed.maps.get(effects.image), sign)).collect();
        correlate("pooled", &years, &relevance);
    }
    let (years, relevance) = (of_kind(effects), over_kind(sign, effects, probed, |image| probed.maps.select(&[image])));
    correlate("kind", &years, &relevance);
    let of_images = effects.iter().zip(relevance);
    scores.extend(of_images.map(|(effects, sum)| Score::new(&RELEVANCE, sum).of_image(effects.image)));
    scores
}

/// What all signs of the kind are worth in each image.
fn of_kind(effects: &[Effects]) -> Vec<f64> {
    effects.iter().map(|effects| effects.all).collect()
}

/// The sum of a map of each image over all signs of the kind.
fn over_kind(sign: Sign, effects: &[Effects], probed: &Probed, map: impl Fn(usize) -> RasterStack) -> Vec<f64> {
    let of_image = |effects: &Effects| sum(map(effects.image).get(0), &sign.mask(probed.pumpkins[effects.image]));
    effects.iter().map(of_image).collect()
}

/// The same correlations over images of trivial maps.
fn trivial_over_images(sign: Sign, effects: &[Effects], probed: &Probed) -> Vec<Score> {
    let of_trivial = |trivial: Trivial| {
        let relevance = over_kind(sign, effects, probed, |image| probed.trivial(trivial, image));
        correlations(&of_kind(effects), &relevance).map(|score| score.variant(format!("kind.{}", trivial.name())))
    };
    Trivial::ALL.into_iter().flat_map(of_trivial).collect()
}

/// What the signs are worth, whatever an explanation says.
fn worth(effects: &[Effects]) -> Vec<Score> {
    let of_kind = effects.iter().map(|effects| Score::new(&YEARS, effects.all).of_image(effects.image));
    let years: Vec<f64> = effects.iter().flat_map(|effects| effects.years.iter().copied()).collect();
    of_kind.chain([Score::new(&YEARS, mean(years.into_iter())).variant("each")]).collect()
}
