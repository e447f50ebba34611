use super::statistics::line;
use super::{About, Direction, PredictionMetric, UnitOf};
use crate::task::Task;

/// Slope of the residual (prediction less age) over age: below 0 where predictions are pulled to the mean.
pub const RESIDUAL_SLOPE: PredictionMetric = PredictionMetric {
    about: About {
        name: "residual_slope",
        unit: UnitOf::One,
        direction: Direction::Towards(0.0),
        citation: "Smith et al., NeuroImage 200 (2019) 528, doi 10.1016/j.neuroimage.2019.06.017",
    },
    task: Task::Regression,
    compute: |data| {
        let residuals: Vec<f64> = data.targets.iter().zip(data.predictions).map(|(y, f)| f - y).collect();
        line(data.targets, &residuals).slope
    },
};
