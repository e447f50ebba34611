use super::statistics::line;
use super::{About, Direction, PredictionMetric, UnitOf};
use crate::task::Task;

/// Pearson's correlation of age and prediction.
pub const PEARSON: PredictionMetric = PredictionMetric {
    about: About {
        name: "pearson_r",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Pearson, Proceedings of the Royal Society 58 (1895) 240",
    },
    task: Task::Regression,
    compute: |data| line(data.targets, data.predictions).r,
};
