//! `[data]`: which pumpkins are simulated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How ages are distributed over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Every age between `min_age` and `max_age` is equally likely.
    Uniform,
    /// A share of `1 - skew_factor` of the ages lies around `target_bias` (XDLreg's "non-uniform").
    Biased,
}

/// What ageing does to a pumpkin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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
pub struct DataSettings {
    /// Number of pumpkins, at least 100: 80 % train, 10 % validation, 10 % test.
    pub n_samples: usize,
    /// How ages are distributed.
    pub distribution: Distribution,
    /// Age in years around which a biased distribution gathers; only with `distribution = "biased"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bias: Option<f64>,
    /// Share of a biased distribution that stays uniform, 0 to 1.
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

impl Default for DataSettings {
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
