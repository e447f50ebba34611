//! Scores as they are stored: one a row.

use serde::{Deserialize, Serialize};

use super::{Score, is_headline};
use crate::unit::Units;

/// One score, in long form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Index of the sample in the data set; none for a score of the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    pub metric: String,
    /// The region it is about, such as the pixels of a sign of age, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<String>,
    /// None where the score is not defined, such as a correlation with a constant.
    pub value: Option<f64>,
    pub unit: String,
    /// Why there is no value, where that needs to be told: "blind", or what is wrong with the map, such as "zero".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it is a column of the table of runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headline: bool,
}

impl Measurement {
    /// A score of the whole run that is a column of the table of runs.
    pub fn of_run(metric: impl Into<String>, value: f64, unit: &str) -> Self {
        let value = Some(value).filter(|value| value.is_finite());
        Self {
            sample: None,
            metric: metric.into(),
            sign: None,
            value,
            unit: unit.to_owned(),
            note: None,
            headline: true,
        }
    }

    /// A score of maps in a run of these units; `sample` is the one of its image.
    pub fn of_maps(score: &Score, sample: Option<usize>, units: &Units) -> Self {
        let headline = sample.is_none() && is_headline(&score.name(), score.sign.as_deref());
        let (sign, note) = (score.sign.as_deref().map(str::to_owned), score.note.clone());
        Self { sample, sign, note, headline, ..Self::of_run(score.name(), score.value, &score.about.unit.name(units)) }
    }

    /// Name of its column in the table of runs, if it has one.
    pub fn column(&self) -> Option<String> {
        let name =
            || [Some(self.metric.replace('.', "_")), self.sign.clone()].into_iter().flatten().collect::<Vec<_>>();
        self.headline.then(|| name().join("_"))
    }
}
