//! Scores of predictions and explanations: one file a metric, each with its name, unit, direction and source, and
//! the registries below.

mod accuracy;
mod conservation;
mod mae;
mod mse;
mod pearson;
mod r2;
mod relevance_line;
mod residual_slope;
pub mod statistics;
mod sum_relevance;

#[cfg(test)]
mod tests;

use crate::raster::Raster;
use crate::spec::Task;

/// Scores of the predictions of a split.
pub const PREDICTION_METRICS: &[PredictionMetric] =
    &[mae::MAE, mse::MSE, r2::R2, pearson::PEARSON, residual_slope::RESIDUAL_SLOPE, accuracy::ACCURACY];

/// Scores of each map.
pub const MAP_METRICS: &[MapMetric] = &[sum_relevance::SUM_RELEVANCE, conservation::CONSERVATION];

/// Scores of all maps of a run together.
pub const EXPLANATION_METRICS: &[ExplanationMetric] =
    &[relevance_line::SLOPE, relevance_line::LINEARITY, relevance_line::ZERO_CROSSING];

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Direction {
    Lower,
    Higher,
    Towards(f64),
    /// Neither: it describes.
    None,
}

/// Targets and predictions of a split, in the same order.
pub struct Predicted<'a> {
    pub targets: &'a [f64],
    pub predictions: &'a [f64],
}

/// A map with the prediction that it explains.
pub struct ExplainedSample<'a> {
    pub relevance: Raster<'a>,
    pub prediction: f64,
}

/// The predictions and the sums of relevance of all maps of a run.
pub struct Explained<'a> {
    pub predictions: &'a [f64],
    pub sums: &'a [f64],
}

/// A score of predictions.
pub struct PredictionMetric {
    pub name: &'static str,
    pub unit: &'static str,
    pub direction: Direction,
    pub citation: &'static str,
    /// The task for which it makes sense.
    pub task: Task,
    pub compute: fn(&Predicted) -> f64,
}

/// A score of one map.
pub struct MapMetric {
    pub name: &'static str,
    pub unit: &'static str,
    pub direction: Direction,
    pub citation: &'static str,
    pub compute: fn(&ExplainedSample) -> f64,
}

/// A score of all maps together.
pub struct ExplanationMetric {
    pub name: &'static str,
    pub unit: &'static str,
    pub direction: Direction,
    pub citation: &'static str,
    pub compute: fn(&Explained) -> f64,
}
