//! Residual curves of several settings in one plot.

use super::chart::Axis;
use super::kinds::{Drawn, StudyFigure};
use super::residuals::{DEGREE, difference, residuals};
use super::setting_curves::SettingCurves;
use super::study::{Part, Run, Study};
use crate::task::Task;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "21_residual_curves",
    title: "Residual curves",
    source: "predictions.parquet",
    caption: "Cubic fits to prediction less {target} in the test sets, one for each setting of networks over all of its seeds, \
              with 95 % bands: how far, and whither, each setting pulls predictions. A network that several explanations \
              share is drawn once.",
    draw,
};

const CURVES: SettingCurves = SettingCurves {
    title: "Residuals of the test sets",
    of: Part::Network,
    labels: |run| (run.words().target.label(), difference(run)),
    degree: DEGREE,
    points,
    y_axis: |label, values| Axis::around(label, values.into_iter().chain([0.0])),
    missing: "several networks with predictions of a regression",
};

fn draw(study: &Study) -> Drawn {
    CURVES.draw(study)
}

fn points(run: &Run) -> Vec<(f64, f64)> {
    match run.task {
        Task::Regression => residuals(run),
        Task::Classification => Vec::new(),
    }
}
