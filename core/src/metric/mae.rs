use super::statistics::mean;
use super::{About, Direction, PredictionMetric, UnitOf};
use crate::task::Task;

/// Mean absolute error of the predicted age.
pub const MAE: PredictionMetric = PredictionMetric {
    about: About {
        name: "mae",
        unit: UnitOf::Output,
        direction: Direction::Lower,
        citation: "Willmott and Matsuura, Climate Research 30 (2005) 79",
    },
    task: Task::Regression,
    compute: |data| mean(data.targets.iter().zip(data.predictions).map(|(y, f)| (f - y).abs())),
};
