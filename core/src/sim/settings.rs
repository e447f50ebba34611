//! `[data]`: which pumpkins are simulated.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SHAPE;
use crate::settings::Invalid;
use crate::settings::number::{Bound, count, number, seed};
use crate::settings::{Need, image_bytes};

/// How ages are distributed over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Distribution {
    /// Every age between `min_age` and `max_age` is equally likely.
    Uniform,
    /// A share of `1 - skew_factor` of the ages lies around `target_bias` (XDLreg's "non-uniform").
    Biased,
}

/// What ageing does to a pumpkin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum GrowthMode {
    /// Grows until 20, then gains lesions (from 40) and atrophies (all life long).
    Human,
    /// Grows all life long, without any signs.
    Eternal,
    /// Gets flatter and wider all life long, without any signs.
    TangPing,
    /// Keeps its size and grows a tumour that brightens with age.
    NoGrowth,
}

/// `[data]`: the simulated pumpkins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PumpkinSettings {
    /// Number of pumpkins, at least 100. The first 80 % train, the next 10 % validate and the last 10 % test.
    pub n_samples: usize,
    /// How ages are distributed.
    pub distribution: Distribution,
    /// Age in years around which a biased distribution is concentrated. Only with `distribution = "biased"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bias: Option<f64>,
    /// Share of a biased distribution that remains uniform, from 0 to 1.
    pub skew_factor: f64,
    /// What ageing does.
    pub growth_mode: GrowthMode,
    /// Youngest age in years.
    pub min_age: u32,
    /// Oldest age in years.
    pub max_age: u32,
    /// Seed of all that is random in the data.
    pub seed: u64,
}

impl Default for PumpkinSettings {
    fn default() -> Self {
        Self {
            n_samples: 2000,
            distribution: Distribution::Uniform,
            target_bias: None,
            skew_factor: 0.8,
            growth_mode: GrowthMode::Human,
            min_age: 20,
            max_age: 80,
            seed: 0,
        }
    }
}

/// Fewest pumpkins that can be split into train, validation and test.
const MIN_SAMPLES: usize = 100;

/// Oldest age that the simulation is meant for, in years.
const MAX_AGE: u32 = 120;

impl PumpkinSettings {
    /// Checks the settings, and names every one that cannot be used.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut problems: Vec<Invalid> =
            count("data.n_samples", self.n_samples, MIN_SAMPLES..=usize::MAX).into_iter().collect();
        problems.extend(self.problems_of_ages());
        problems.extend(seed("data.seed", self.seed));
        problems
    }

    /// Memory of the data set: a worker holds all images while it trains, and of each pumpkin the record of its signs.
    pub fn memory(&self) -> Need {
        /// A name, a mask and on average some dozens of signs.
        const RECORD: u128 = 2000;
        let bytes = (image_bytes(SHAPE) + RECORD).saturating_mul(self.n_samples as u128);
        Need::new("data.n_samples", bytes, format!("{} pumpkins", self.n_samples))
    }

    /// What keeps ages from being drawn, whatever the number of samples.
    pub(super) fn problems_of_ages(&self) -> Vec<Invalid> {
        let mut problems = Vec::new();
        let mut reject = |key: &str, message: String, help: String| {
            problems.push(Invalid::new(format!("data.{key}"), message, help));
        };
        if self.min_age >= self.max_age {
            reject(
                "min_age",
                format!("data.min_age must be below data.max_age, {}, got {}", self.max_age, self.min_age),
                "choose a min_age that is below max_age".into(),
            );
        }
        if self.max_age > MAX_AGE {
            reject(
                "max_age",
                format!("data.max_age must be at most {MAX_AGE}, got {}", self.max_age),
                format!("use at most {MAX_AGE}"),
            );
        } else if self.growth_mode == GrowthMode::TangPing && self.max_age >= 100 {
            reject(
                "max_age",
                "a tang_ping pumpkin has no height left at 100 years".into(),
                "use a max_age below 100, or another growth_mode".into(),
            );
        }
        problems.extend(number("data.skew_factor", self.skew_factor, Bound::From(0.0, 1.0)));
        let mut reject = |message: &str, help: String| problems.push(Invalid::new("data.target_bias", message, help));
        let (min, max) = (self.min_age, self.max_age);
        match (self.distribution, self.target_bias) {
            (Distribution::Biased, None) => reject(
                "a biased distribution needs the age that its ages gather around",
                format!("add target_bias, in years between {min} and {max}, or use distribution = \"uniform\""),
            ),
            (Distribution::Uniform, Some(_)) => reject(
                "the ages of a uniform distribution gather around no age",
                "remove target_bias, or use distribution = \"biased\"".into(),
            ),
            (Distribution::Biased, Some(bias)) if min < max => {
                problems.extend(number("data.target_bias", bias, Bound::From(min.into(), max.into())));
            }
            _ => {}
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &PumpkinSettings) -> Vec<String> {
        settings.validate().into_iter().map(|invalid| invalid.key).collect()
    }

    #[test]
    fn defaults_and_a_biased_distribution_are_valid() {
        assert_eq!(keys(&PumpkinSettings::default()), [""; 0]);
        let biased = PumpkinSettings {
            distribution: Distribution::Biased,
            target_bias: Some(55.0),
            ..PumpkinSettings::default()
        };
        assert_eq!(keys(&biased), [""; 0]);
    }

    #[test]
    fn every_setting_that_cannot_be_is_named() {
        let base = PumpkinSettings::default;
        let biased = |bias| PumpkinSettings { distribution: Distribution::Biased, target_bias: bias, ..base() };
        let cases = [
            (PumpkinSettings { n_samples: 99, ..base() }, "data.n_samples"),
            (PumpkinSettings { min_age: 80, ..base() }, "data.min_age"),
            (PumpkinSettings { max_age: 121, ..base() }, "data.max_age"),
            (PumpkinSettings { max_age: 100, growth_mode: GrowthMode::TangPing, ..base() }, "data.max_age"),
            (PumpkinSettings { skew_factor: 1.01, ..base() }, "data.skew_factor"),
            (PumpkinSettings { skew_factor: f64::NAN, ..base() }, "data.skew_factor"),
            (PumpkinSettings { target_bias: Some(55.0), ..base() }, "data.target_bias"),
            (biased(None), "data.target_bias"),
            (biased(Some(81.0)), "data.target_bias"),
            (biased(Some(f64::NAN)), "data.target_bias"),
        ];
        for (settings, key) in cases {
            assert_eq!(keys(&settings), [key], "{settings:?}");
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let settings = PumpkinSettings { n_samples: 1, min_age: 90, skew_factor: -1.0, ..PumpkinSettings::default() };
        assert_eq!(keys(&settings), ["data.n_samples", "data.min_age", "data.skew_factor"]);
    }
}
