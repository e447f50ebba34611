use super::statistics::mean;
use super::{About, Direction, PredictionMetric, UnitOf};
use crate::task::Task;

/// Mean squared error of the predicted age.
pub const MSE: PredictionMetric = PredictionMetric {
    about: About {
        name: "mse",
        unit: UnitOf::OutputSquared,
        direction: Direction::Lower,
        citation: "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), 2.4",
    },
    task: Task::Regression,
    compute: |data| mean(data.targets.iter().zip(data.predictions).map(|(y, f)| (f - y) * (f - y))),
};
