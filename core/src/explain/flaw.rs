//! Maps that mean nothing, and what is said of them.
//!
//! A map can be wrong although the program did all that it was told: relevance that a stabiliser took, a rule outside of its
//! bounds, noise under which another question is answered. Such maps have no scores, and a run of mostly such maps is invalid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meaning::{Gaps, Meaning, Sum};
use crate::settings::number::plain;

/// Why a map means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Windows of occlusion cover less than half of the image.
    Uncovered,
    /// The image, or what a bounded layer gets of it, is outside of the rule's bounds.
    Outside,
    /// Stabilisers kept almost all relevance.
    Absorbed,
    /// It is 0 everywhere.
    Zero,
    /// Under noise it explains another difference than that of the image to the reference.
    Noise,
}

impl Flaw {
    /// Its name as a note in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncovered => "uncovered",
            Self::Outside => "outside",
            Self::Absorbed => "absorbed",
            Self::Zero => "zero",
            Self::Noise => "noise",
        }
    }
}

/// What is known of a map beside its pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts {
    /// What its relevance is meant to add up to; under noise the mean over the noisy images.
    pub total: Option<f64>,
    /// The same of the image itself.
    pub plain_total: Option<f64>,
    /// How far noise moved the explained output, in the mean over the noisy images.
    pub shift: f64,
    /// The correlation with the map of the image itself, where noise and a reference make it matter.
    pub likeness: Option<f64>,
    /// How many noisy images the reference cannot be reached from.
    pub unreached: usize,
    /// Whether a layer with a bounded rule got values outside of its bounds.
    pub outside: bool,
    /// The magnitude of what stabilisers kept, over all layers.
    pub stabilised: f64,
}

/// Stabilisers took a map where they kept this share of what they and the map have together ...
const ABSORBED: f64 = 0.99;
/// ... and the map has less than this share of what it should add up to.
const LEFT: f64 = 0.01;
/// Noise turns an explanation into another one where it moves the explained difference by this share of it ...
const MOVED: f64 = 0.5;
/// ... and by more than this share of the range of the targets, below which differences are not worth a word.
const WORTH_A_WORD: f64 = 0.01;
/// The least share of an image that windows of occlusion must cover.
const COVERED: f64 = 0.5;

impl Facts {
    /// What is wrong with the `map`, where the targets have this `range`.
    fn flaw(&self, map: &[f32], meaning: &Meaning, referred: bool, range: f64) -> Option<Flaw> {
        let size: f64 = map.iter().map(|pixel| f64::from(pixel.abs())).sum();
        if meaning.gaps.is_some_and(|gaps| gaps.covered < COVERED) {
            Some(Flaw::Uncovered)
        } else if self.outside {
            Some(Flaw::Outside)
        } else if self.stabilised > 0.0
            && self.kept(size) >= ABSORBED
            && self.total.is_some_and(|total| size <= LEFT * total.abs())
        {
            Some(Flaw::Absorbed)
        } else if size == 0.0 {
            Some(Flaw::Zero)
        } else if referred && self.is_turned(range) {
            Some(Flaw::Noise)
        } else {
            None
        }
    }

    /// The share that stabilisers kept of what biases left.
    fn kept(&self, size: f64) -> f64 {
        self.stabilised / (self.stabilised + size)
    }

    /// Whether noise made it the explanation of another difference.
    fn is_turned(&self, range: f64) -> bool {
        let moved = match (self.total, self.plain_total) {
            (Some(total), Some(plain)) => {
                let moved = (total - plain).abs();
                moved > MOVED * plain.abs() && moved > WORTH_A_WORD * range
            }
            _ => false,
        };
        moved || self.likeness.is_some_and(|likeness| likeness < 0.0)
    }
}

/// Something that a user must know of the maps of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Why these maps mean nothing; none where they only need care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
    /// How many maps it is about, of how many.
    pub maps: usize,
    pub of: usize,
    /// In a sentence, without a full stop.
    pub message: String,
}

impl Finding {
    /// Whether most maps of a run mean nothing.
    pub fn condemn(findings: &[Self]) -> bool {
        let flawed: usize = findings.iter().filter(|finding| finding.flaw.is_some()).map(|finding| finding.maps).sum();
        findings.first().is_some_and(|finding| 2 * flawed > finding.of)
    }

    /// All of them in a line; none where there are none.
    pub fn join(findings: &[Self]) -> Option<String> {
        let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        (!messages.is_empty()).then(|| messages.join("; "))
    }
}

/// Looks maps over as they are made.
#[derive(Debug)]
pub struct Review {
    meaning: Meaning,
    /// Whether maps explain a difference to something else than 0.
    referred: bool,
    /// Of the targets, in the output's unit; 0 where it is not known.
    range: f64,
    /// Index in the data set of each map.
    samples: Vec<usize>,
    maps: usize,
    /// For each flaw how many maps have it, and the first of them.
    flawed: BTreeMap<Flaw, (usize, usize)>,
    /// The least share that stabilisers kept of maps that they took.
    least_kept: f64,
    /// How many outputs noise moves by more than the range, and the farthest.
    moved: (usize, f64),
}

impl Review {
    /// Of the maps of these samples. `with_reference`: `explain.reference` is given.
    pub fn new(meaning: Meaning, with_reference: bool, range: f64, samples: Vec<usize>) -> Self {
        let referred = with_reference || matches!(meaning.sum, Some(Sum::FromBaseline(_)));
        let (maps, flawed, least_kept, moved) = (0, BTreeMap::new(), 1.0, (0, 0.0));
        Self { meaning, referred, range, samples, maps, flawed, least_kept, moved }
    }

    /// Looks at the next map; returns what is wrong with it.
    pub fn look(&mut self, map: &[f32], facts: &Facts) -> Option<Flaw> {
        let flaw = facts.flaw(map, &self.meaning, self.referred && self.meaning.smoothing.is_some(), self.range);
        let sample = self.samples[self.maps];
        self.maps += 1;
        if let Some(flaw) = flaw {
            self.flawed.entry(flaw).or_insert((0, sample)).0 += 1;
        }
        if flaw == Some(Flaw::Absorbed) {
            let size = map.iter().map(|pixel| f64::from(pixel.abs())).sum();
            self.least_kept = self.least_kept.min(facts.kept(size));
        }
        if self.range > 0.0 && facts.shift.abs() > self.range {
            self.moved = (self.moved.0 + 1, self.moved.1.max(facts.shift.abs()));
        }
        flaw
    }

    /// What there is to say of all maps, the flaws first.
    pub fn findings(&self) -> Vec<Finding> {
        let of = self.maps;
        let flaws = self.flawed.iter().map(|(&flaw, &(maps, first))| {
            let message = self.describe(flaw, &format!("{maps} of {of}"), first);
            Finding { flaw: Some(flaw), maps, of, message }
        });
        let care = |maps, message| Finding { flaw: None, maps, of, message };
        let gaps = self.meaning.gaps.filter(|gaps| gaps.covered >= COVERED).map(|gaps| care(of, describe_gaps(gaps)));
        let moved = (self.moved.0 > 0).then(|| care(self.moved.0, self.describe_noise()));
        flaws.chain(gaps).chain(moved).collect()
    }

    /// `share` is "9 of 20".
    fn describe(&self, flaw: Flaw, share: &str, first: usize) -> String {
        match flaw {
            Flaw::Uncovered => self.meaning.gaps.map(describe_gaps).unwrap_or_default(),
            Flaw::Outside => format!(
                "{share} images go beyond the bounds of a bounded rule (the first is sample {first}), for which the rule is \
                 not made: `low` and `high` must hold all that its layer gets{}",
                if self.meaning.smoothing.is_some() { ", noise included" } else { "" }
            ),
            Flaw::Absorbed => {
                // Rounded down, because almost all is not all.
                let kept = (1000.0 * self.least_kept).floor() / 10.0;
                let kept = if kept < 100.0 { format!("at least {kept:.1} %") } else { "all".to_owned() };
                format!("stabilisers keep {kept} of the relevance of {share} maps: a smaller epsilon leaves more")
            }
            Flaw::Zero if self.meaning.sum == Some(Sum::PositiveOutput) => {
                format!(
                    "{share} maps are 0 everywhere: this analyzer explains outputs above 0 only, and theirs are not"
                )
            }
            Flaw::Zero => format!("{share} maps are 0 everywhere (the first is of sample {first})"),
            Flaw::Noise => format!(
                "noise of sigma {} turns {share} maps into explanations of another difference to the reference (the first is \
                 of sample {first}): a smaller sigma keeps it",
                self.sigma()
            ),
        }
    }

    fn describe_noise(&self) -> String {
        let (moved, farthest) = self.moved;
        let output = &self.meaning.units.output;
        format!(
            "noise of sigma {} moves the predictions of {moved} of {} images by more than the range of the targets, {:.1} \
             {output} (the farthest by {farthest:.1}): their maps explain what the network says of noise",
            self.sigma(),
            self.maps,
            self.range
        )
    }

    fn sigma(&self) -> String {
        plain(self.meaning.smoothing.map_or(0.0, |smoothing| smoothing.sigma))
    }
}

fn describe_gaps(Gaps { window, stride, covered }: Gaps) -> String {
    format!(
        "occlusion covers {:.1} % of the pixels only (window {window}, stride {stride}): elsewhere relevance is 0 whatever the \
         network sees there; a stride of at most the window covers all",
        100.0 * covered
    )
}

#[cfg(test)]
#[path = "flaw_tests.rs"]
mod tests;
