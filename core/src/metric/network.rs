//! Scores for which the network is asked again: what they are given, and what they give.

use std::borrow::Cow;

use thiserror::Error;

use super::sign::LeftOutSigns;
use super::{About, Trivial};
use crate::data::{Interventions, LeftOut, Truth};
use crate::metric::EvaluateSettings;
use crate::raster::RasterStack;
use crate::task::Task;

/// Why an explanation has no score where images are 0.
pub const BLIND: &str = "blind";

/// The network cannot answer: relevance that is not finite, for instance.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ProbeError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A network and the way in which it is explained, as scores see them.
pub trait Probe {
    /// What the network says to every image, `[count]`: for a regression its target.
    fn predict(&self, images: &RasterStack) -> Vec<f64>;

    /// The map of every image, a number a pixel. Whatever an explanation draws at random depends on an image's place in the
    /// stack alone.
    fn explain(&self, images: &RasterStack) -> Result<RasterStack, ProbeError>;

    /// The layers that have parameters, from the output to the input.
    fn layers(&self) -> Vec<String>;

    /// As [`explain`](Self::explain), for a network whose `count` uppermost layers have parameters drawn anew.
    fn explain_randomised(&self, images: &RasterStack, count: usize, seed: u64) -> Result<RasterStack, ProbeError>;
}

/// Some explained images, with all that is known of them.
pub struct Probed<'a> {
    /// Index in the data set of each.
    pub samples: &'a [usize],
    /// The target of each.
    pub targets: &'a [f64],
    /// What is known of the data set's images beforehand.
    pub truth: Option<&'a dyn Truth>,
    pub images: &'a RasterStack,
    /// A number a pixel.
    pub maps: &'a RasterStack,
    /// From the least to the largest prediction of all explained images, in the target's unit.
    pub range: f64,
    /// The unit of relevance.
    pub relevance_unit: &'a str,
    /// Whether relevance is 0 wherever an image is.
    pub blind: bool,
    pub settings: &'a EvaluateSettings,
}

impl<'a> Probed<'a> {
    /// How many images there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// A trivial map of the image at `index`.
    pub fn trivial(&self, trivial: Trivial, index: usize) -> RasterStack {
        trivial.map(self.images.get(index), self.settings.seed, self.samples[index])
    }

    /// How images are made again without a sign, where the data set's source can do that.
    pub fn interventions(&self) -> Option<&'a dyn Interventions> {
        self.truth.and_then(Truth::interventions)
    }

    /// The image at `index` made without each of these signs in turn.
    pub(super) fn without(&self, index: usize, signs: &[LeftOut], source: &dyn Interventions) -> RasterStack {
        let shape = self.images.shape();
        let mut images = RasterStack::of(shape, vec![0.0; signs.len() * shape.values()]);
        for (image, left_out) in images.pixels_mut().chunks_exact_mut(shape.values()).zip(signs) {
            source.paint(self.samples[index], *left_out, image);
        }
        images
    }
}

/// One value of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub about: &'static About,
    /// Which variant it is, if there are several.
    pub variant: Option<String>,
    /// Index among the images that were looked at; none for a score of all of them.
    pub image: Option<usize>,
    /// The region that it is about, where it is about one.
    pub sign: Option<Cow<'static, str>>,
    /// NaN where it is not defined.
    pub value: f64,
    /// Why it is not defined, where there is more to say than that nothing varied.
    pub note: Option<String>,
}

impl Score {
    pub fn new(about: &'static About, value: f64) -> Self {
        Self { about, variant: None, image: None, sign: None, value, note: None }
    }

    pub fn of_image(self, index: usize) -> Self {
        Self { image: Some(index), ..self }
    }

    pub(super) fn of_sign(self, sign: impl Into<Cow<'static, str>>) -> Self {
        Self { sign: Some(sign.into()), ..self }
    }

    pub(super) fn variant(self, variant: impl Into<String>) -> Self {
        Self { variant: Some(variant.into()), ..self }
    }

    /// Takes the value away: an explanation that is blind to pixels of 0 says nothing there, rather than "nothing".
    pub(super) fn mark_blind(&mut self) {
        self.withdraw(BLIND);
    }

    /// Takes the value away, with the reason why.
    pub fn withdraw(&mut self, note: &str) {
        self.value = f64::NAN;
        self.note = Some(note.to_owned());
    }

    /// Name as written in tables.
    pub fn name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}.{variant}", self.about.name),
            None => self.about.name.to_owned(),
        }
    }
}

/// What a score needs beyond images, maps and a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// Images that can be made again without a sign.
    Interventions,
}

impl Needs {
    /// Why there is no score, where the data set has not what it needs.
    pub fn missing_in(self, truth: Option<&dyn Truth>) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Interventions if truth.and_then(Truth::interventions).is_some() => None,
            Self::Interventions => Some("these images cannot be made again without a sign"),
        }
    }
}

/// What came of the questions to a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    pub scores: Vec<Score>,
    /// The signs that were left out one at a time, a kind each.
    pub signs: Vec<LeftOutSigns>,
}

impl From<Vec<Score>> for Answers {
    fn from(scores: Vec<Score>) -> Self {
        Self { scores, signs: Vec::new() }
    }
}

/// A score, or several that come of the same questions to the network.
pub struct NetworkMetric {
    /// Name as written in `evaluate.scores`.
    pub name: &'static str,
    pub measures: &'static [About],
    /// The only task for which it makes sense, if it is one.
    pub task: Option<Task>,
    pub needs: Needs,
    pub compute: fn(&Probed, &dyn Probe) -> Result<Answers, ProbeError>,
}

impl NetworkMetric {
    /// What is told where there is nothing to compute, and why: the network could not answer, or a map means nothing.
    pub fn undefined(&self, reason: &str) -> Vec<Score> {
        let undefined = |about| Score { note: Some(reason.to_owned()), ..Score::new(about, f64::NAN) };
        self.measures.iter().map(undefined).collect()
    }
}
