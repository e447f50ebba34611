//! Scores for which the network is asked again: what they are given, and what they give.

use thiserror::Error;

use super::{About, Sign, Trivial};
use crate::metric::EvaluateSettings;
use crate::raster::{RasterStack, SIDE};
use crate::sim::{Pumpkin, Without};
use crate::task::Task;

/// Why an explanation has no score where images are 0.
pub const BLIND: &str = "blind";

/// The network cannot answer: relevance that is not finite, for instance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ProbeError(pub String);

/// A network and the way in which it is explained, as scores see them.
pub trait Probe {
    /// What the network says to every image, `[count]`: for a regression its age in years.
    fn predict(&self, images: &RasterStack) -> Vec<f64>;

    /// The map of every image. Whatever an explanation draws at random depends on an image's place in the stack alone.
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
    /// The record of each.
    pub pumpkins: &'a [&'a Pumpkin],
    pub images: &'a RasterStack,
    pub maps: &'a RasterStack,
    /// Whether relevance is 0 wherever an image is.
    pub blind: bool,
    pub settings: &'a EvaluateSettings,
}

impl Probed<'_> {
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

    /// The image at `index` painted without each of these signs in turn.
    pub fn without(&self, index: usize, signs: &[Without]) -> RasterStack {
        let mut images = RasterStack::zeros(signs.len(), SIDE, SIDE);
        for (image, without) in images.pixels_mut().chunks_exact_mut(SIDE * SIDE).zip(signs) {
            self.pumpkins[index].paint(*without, image);
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
    pub sign: Option<Sign>,
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

    pub(super) fn of_sign(self, sign: Sign) -> Self {
        Self { sign: Some(sign), ..self }
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

/// A score, or several that come of the same questions to the network.
pub struct NetworkMetric {
    /// Name as written in `evaluate.scores`.
    pub name: &'static str,
    pub measures: &'static [About],
    /// The only task for which it makes sense, if it is one.
    pub task: Option<Task>,
    pub compute: fn(&Probed, &dyn Probe) -> Result<Vec<Score>, ProbeError>,
}

impl NetworkMetric {
    /// What is told where there is nothing to compute, and why: the network could not answer, or a map means nothing.
    pub fn undefined(&self, reason: &str) -> Vec<Score> {
        let undefined = |about| Score { note: Some(reason.to_owned()), ..Score::new(about, f64::NAN) };
        self.measures.iter().map(undefined).collect()
    }
}
