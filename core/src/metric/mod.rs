//! Scores of predictions and explanations: one file a metric, each with its name, unit, direction and source, and
//! the registries below.
//!
//! CONTRIBUTING.md has a metric to begin with. Definitions that Quantus shares are held to its values; where they differ, the
//! metric's file says so.

mod accuracy;
mod average_precision;
mod causal;
mod conservation;
mod ensemble;
mod ensemble_prediction_sd;
mod ensemble_relative_sd;
mod ensemble_spearman;
mod entropy;
mod faithfulness;
mod gap;
mod gini;
mod intervention;
pub mod ledger;
mod localisation;
mod mae;
mod mass_accuracy;
mod measurement;
mod mse;
mod network;
mod pearson;
mod pointing_game;
mod r2;
mod randomisation;
mod rank_accuracy;
mod region;
mod relevance_line;
pub mod replicates;
mod residual_slope;
mod roc_auc;
mod sensitivity;
mod settings;
mod sign;
pub mod statistics;
mod sum_relevance;
mod trivial;
mod unit_of;

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod quantus_tests;
#[cfg(test)]
mod tests;

use crate::raster::Raster;
use crate::task::Task;

pub use ensemble::{EnsembleMetric, EnsembleSample, Moments};
pub use gap::{Gap, GapCorrection};
pub use localisation::{Level, LocalisationMetric, Located, Part, SIGN_SHARE, Sorted, locate, locate_trivial};
pub use measurement::Measurement;
pub use network::{Answers, BLIND, Needs, NetworkMetric, Probe, ProbeError, Probed, Score};
pub use region::{Origin, RegionRelevance, by_region};
pub use settings::EvaluateSettings;
pub use sign::{LeftOutSign, LeftOutSigns};
pub use trivial::Trivial;
pub use unit_of::UnitOf;

/// Scores of the predictions of a split.
pub const PREDICTION_METRICS: &[PredictionMetric] =
    &[mae::MAE, mse::MSE, r2::R2, pearson::PEARSON, residual_slope::RESIDUAL_SLOPE, accuracy::ACCURACY];

/// Scores of each map.
pub const MAP_METRICS: &[MapMetric] =
    &[sum_relevance::SUM_RELEVANCE, conservation::CONSERVATION, gini::GINI_INDEX, entropy::ENTROPY];

/// Scores of where each map puts its relevance, against the pixels of the signs of age.
pub const LOCALISATION_METRICS: &[LocalisationMetric] = &[
    pointing_game::POINTING_GAME,
    rank_accuracy::RANK_ACCURACY,
    mass_accuracy::MASS_ACCURACY,
    roc_auc::ROC_AUC,
    average_precision::AVERAGE_PRECISION,
];

/// Scores of all maps of a run together.
pub const EXPLANATION_METRICS: &[ExplanationMetric] =
    &[relevance_line::SLOPE, relevance_line::LINEARITY, relevance_line::ZERO_CROSSING];

/// Scores for which the network is asked again, by the names that `evaluate.scores` has for them.
pub const NETWORK_METRICS: &[NetworkMetric] =
    &[faithfulness::FAITHFULNESS, causal::CAUSAL, sensitivity::SENSITIVITY, randomisation::RANDOMISATION];

/// Scores of how far networks that differ by their seeds alone agree, for which all of them are needed.
pub const ENSEMBLE_METRICS: &[EnsembleMetric] = &[
    ensemble_spearman::ENSEMBLE_SPEARMAN,
    ensemble_relative_sd::ENSEMBLE_RELATIVE_SD,
    ensemble_prediction_sd::ENSEMBLE_PREDICTION_SD,
];

/// Scores of maps that are columns of a run, by name and sign. All are in the long table.
const HEADLINES: &[(&str, Option<&str>)] = &[
    ("gini_index", None),
    ("average_precision.positive", Some("lesions")),
    ("average_precision.positive", Some("atrophies_r1")),
    ("average_precision.positive", Some("tumour")),
    ("faithfulness.positive", None),
    ("faithfulness.negative", None),
    ("causal_spearman", Some("lesions")),
    ("causal_spearman", Some("atrophies_r1")),
    ("causal_spearman.kind", Some("tumour")),
    ("causal_absolute_years", Some("lesions")),
    ("causal_absolute_years", Some("atrophies_r1")),
    ("causal_absolute_years", Some("tumour")),
    ("causal_range_share", Some("lesions")),
    ("causal_range_share", Some("atrophies_r1")),
    ("causal_range_share", Some("tumour")),
    ("max_sensitivity", None),
    ("randomisation_spearman.conv1", None),
];

/// Whether a score of maps is a column of the table of runs.
pub fn is_headline(name: &str, sign: Option<&str>) -> bool {
    HEADLINES.contains(&(name, sign))
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Direction {
    Lower,
    Higher,
    Towards(f64),
    /// Neither: it describes.
    None,
}

/// What a score is called and how it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct About {
    pub name: &'static str,
    pub unit: UnitOf,
    pub direction: Direction,
    /// Where it is defined.
    pub citation: &'static str,
}

/// What is known of the score that a table calls `name`: variants after a dot and the split before a score of
/// predictions (`test_mae`) are passed over.
pub fn about(name: &str) -> Option<&'static About> {
    let base = name.split('.').next().unwrap_or(name);
    let base = ["train_", "val_", "test_"].iter().find_map(|split| base.strip_prefix(split)).unwrap_or(base);
    all().find(|about| about.name == base)
}

/// What is known of every score.
pub fn all() -> impl Iterator<Item = &'static About> {
    let predictions = PREDICTION_METRICS.iter().map(|metric| &metric.about);
    let maps = MAP_METRICS.iter().map(|metric| &metric.about);
    let places = LOCALISATION_METRICS.iter().map(|metric| &metric.about);
    let explanations = EXPLANATION_METRICS.iter().map(|metric| &metric.about);
    let network = NETWORK_METRICS.iter().flat_map(|metric| metric.measures);
    let ledger = [&ledger::KEPT_BY_BIASES, &ledger::KEPT_BY_STABILISERS, &ledger::UNACCOUNTED];
    let of_maps = maps.chain(places).chain([&localisation::SIGN_SHARE]).chain(ledger);
    let ensembles = ENSEMBLE_METRICS.iter().map(|metric| &metric.about);
    predictions.chain(of_maps).chain(explanations).chain(network).chain(ensembles)
}

/// Targets and predictions of a split, in the same order.
pub struct Predicted<'a> {
    pub targets: &'a [f64],
    pub predictions: &'a [f64],
}

/// A map with what it explains.
pub struct ExplainedSample<'a> {
    pub relevance: Raster<'a>,
    /// What relevance is meant to add up to, the output less the explanation's own reference; none where it is not meant
    /// to add up to anything.
    pub total: Option<f64>,
}

/// The predictions and the sums of relevance of all maps of a run.
pub struct RelevanceSums<'a> {
    pub predictions: &'a [f64],
    pub sums: &'a [f64],
}

/// A score of predictions.
pub struct PredictionMetric {
    pub about: About,
    /// The task for which it makes sense.
    pub task: Task,
    pub compute: fn(&Predicted) -> f64,
}

/// A score of one map; none where it makes no sense for the explanation.
pub struct MapMetric {
    pub about: About,
    pub compute: fn(&ExplainedSample) -> Option<f64>,
}

/// A score of all maps together.
pub struct ExplanationMetric {
    pub about: About,
    pub compute: fn(&RelevanceSums) -> f64,
}
