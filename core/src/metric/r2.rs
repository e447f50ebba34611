use super::statistics::mean;
use super::{About, Direction, PredictionMetric, UnitOf};
use crate::task::Task;

/// Coefficient of determination: 1 less squared error over variance. Negative when predicting the mean were better.
/// (The published 0.96 is the squared Pearson correlation instead: square `pearson_r` to compare.)
pub const R2: PredictionMetric = PredictionMetric {
    about: About {
        name: "r2",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Draper and Smith, Applied Regression Analysis (1998), 5.1",
    },
    task: Task::Regression,
    compute: |data| {
        let centre = mean(data.targets.iter().copied());
        let variance: f64 = data.targets.iter().map(|y| (y - centre) * (y - centre)).sum();
        let error: f64 = data.targets.iter().zip(data.predictions).map(|(y, f)| (f - y) * (f - y)).sum();
        if variance > 0.0 { 1.0 - error / variance } else { f64::NAN }
    },
};
