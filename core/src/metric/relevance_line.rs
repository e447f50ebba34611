//! How the sum of relevance follows the prediction (the ninth published figure): on a line that crosses zero at the
//! network's output bias.

use super::statistics::{Line, line};
use super::{About, Direction, ExplanationMetric, RelevanceSums, UnitOf};

const CITATION: &str = "Hofmann et al., NeuroImage 261 (2022) 119504, doi 10.1016/j.neuroimage.2022.119504";

fn fit(data: &RelevanceSums) -> Line {
    line(data.predictions, data.sums)
}

/// By how much the sum of relevance grows with the prediction.
pub const SLOPE: ExplanationMetric = ExplanationMetric {
    about: About {
        name: "relevance_slope",
        unit: UnitOf::RelevancePerOutput,
        direction: Direction::None,
        citation: CITATION,
    },
    compute: |data| fit(data).slope,
};

/// Correlation of the sum of relevance with the prediction.
pub const LINEARITY: ExplanationMetric = ExplanationMetric {
    about: About { name: "relevance_linearity", unit: UnitOf::One, direction: Direction::Higher, citation: CITATION },
    compute: |data| fit(data).r,
};

/// The prediction at which the regression line of the sum of relevance crosses zero.
pub const ZERO_CROSSING: ExplanationMetric = ExplanationMetric {
    about: About {
        name: "relevance_zero_crossing",
        unit: UnitOf::Output,
        direction: Direction::None,
        citation: CITATION,
    },
    compute: |data| {
        let fit = fit(data);
        -fit.intercept / fit.slope
    },
};
