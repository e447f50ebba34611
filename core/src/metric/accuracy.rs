use super::statistics::mean;
use super::{About, Direction, PredictionMetric, UnitOf};
use crate::task::Task;

/// Share of samples on the right side of the border between young and old. Here a target is 0 or 1 and a prediction
/// the probability of "old".
pub const ACCURACY: PredictionMetric = PredictionMetric {
    about: About {
        name: "accuracy",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), 7.2",
    },
    task: Task::Classification,
    compute: |data| {
        let right = |(y, f): (&f64, &f64)| f64::from((*y > 0.5) == (*f > 0.5));
        mean(data.targets.iter().zip(data.predictions).map(right))
    },
};
