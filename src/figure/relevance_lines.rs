//! Sum of relevance over prediction, of several settings in one plot.

use super::chart::Axis;
use super::kinds::{Drawn, StudyFigure};
use super::setting_curves::SettingCurves;
use super::study::{Part, Run, Study};

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "22_relevance_lines",
    title: "Where relevance crosses zero",
    source: "measurements.parquet, predictions.parquet",
    caption: "The regression of the sum of relevance on the prediction for each setting, over all of its seeds, with \
              95 % bands. Where a line crosses zero, the explanation speaks neither for a high {target} nor for a low one. Settings \
              whose relevance is in one unit are drawn together.",
    draw,
};

const LINES: SettingCurves = SettingCurves {
    title: "Sum of relevance and prediction",
    of: Part::Explanation,
    labels: |run| (run.predicted(), run.relevance("sum of relevance")),
    degree: 1,
    points: Run::relevance_sums,
    y_axis: |label, values| Axis::around(label, values.into_iter().chain([0.0])),
    missing: "several settings with sums of relevance in one unit",
};

fn draw(study: &Study) -> Drawn {
    LINES.draw(study)
}
