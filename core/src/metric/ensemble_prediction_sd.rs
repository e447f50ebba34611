use super::statistics::mean;
use super::{About, Direction, EnsembleMetric, UnitOf};
use crate::task::Task;

/// Standard deviation (n - 1) of the members' predictions.
pub const ENSEMBLE_PREDICTION_SD: EnsembleMetric = EnsembleMetric {
    about: About {
        name: "ensemble_prediction_sd",
        unit: UnitOf::Output,
        direction: Direction::Lower,
        citation: "Dietterich, Multiple Classifier Systems (2000) 1, doi 10.1007/3-540-45014-9_1; for regression \
                   Lakshminarayanan et al., NeurIPS 30 (2017), arXiv 1612.01474",
    },
    task: Some(Task::Regression),
    of_maps: false,
    compute: |sample| {
        let mean = mean(sample.predictions.iter().copied());
        let squares: f64 = sample.predictions.iter().map(|prediction| (prediction - mean).powi(2)).sum();
        (squares / (sample.predictions.len() as f64 - 1.0)).sqrt()
    },
};
