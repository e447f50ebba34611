//! Residual curves of several settings in one plot.

use super::chart::{Axis, Chart, LEGEND_LINE, legend};
use super::fit::Polynomial;
use super::registry::{Drawn, Missing, StudyFigure};
use super::residuals::{DEGREE, residuals};
use super::sheet::{Area, Sheet};
use super::study::Study;
use super::style::series;
use crate::spec::Task;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "21_residual_curves",
    title: "Residual curves",
    source: "predictions.parquet",
    caption: "Cubic fits to prediction less age in the test sets, one for each setting over all of its seeds, with 95 % \
              bands: how far, and whither, each setting pulls predictions.",
    draw,
};

/// More curves than these are not told apart.
pub(super) const MAX_CURVES: usize = 7;

fn draw(study: &Study) -> Drawn {
    let groups = study.compared();
    let mut curves = Vec::new();
    for (label, runs) in groups.iter().take(MAX_CURVES) {
        let points: Vec<(f64, f64)> =
            runs.iter().filter(|run| run.task == Task::Regression).flat_map(|run| residuals(run)).collect();
        let Some(cubic) = Polynomial::fit(&points, DEGREE) else { continue };
        let ends = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
        curves.push((label, cubic.curve(ends.0, ends.1)));
    }
    if curves.len() < 2 {
        return Err(Missing("several settings with predictions in years"));
    }
    let bands = || curves.iter().flat_map(|(_, (_, band))| band);
    let x = Axis::around("age in years", bands().map(|point| point.0)).step(10.0);
    let y = Axis::around("prediction − age in years", bands().flat_map(|point| [point.1, point.2]).chain([0.0]));
    let mut chart = Chart::new(x, y).zero();
    for (index, (_, (curve, band))) in curves.iter().enumerate() {
        chart = chart.band(band, series(index)).line(curve, series(index), 2.0, None);
    }
    let entries: Vec<(String, &str)> =
        curves.iter().enumerate().map(|(index, (label, _))| (label.to_string(), series(index))).collect();
    let mut sheet = Sheet::new(640.0, 462.0 + LEGEND_LINE * entries.len() as f64);
    sheet.title("Residuals of the test sets");
    chart.draw(&mut sheet, Area::new(64.0, 72.0, 550.0, 326.0));
    legend(&mut sheet, 64.0, 462.0, &entries);
    Ok(sheet)
}
