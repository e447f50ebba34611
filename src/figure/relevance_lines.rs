//! Sum of relevance over prediction, of several settings in one plot.

use super::chart::{Axis, Chart, LEGEND_LINE, legend};
use super::fit::Polynomial;
use super::registry::{Drawn, Missing, StudyFigure};
use super::residual_curves::MAX_CURVES;
use super::sheet::{Area, Sheet};
use super::study::Study;
use super::style::series;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "22_relevance_lines",
    title: "Where relevance crosses zero",
    source: "measurements.parquet, predictions.parquet",
    caption: "The regression of the sum of relevance on the prediction for each setting, over all of its seeds, with \
              95 % bands. Where a line crosses zero, the explanation finds neither youth nor age.",
    draw,
};

fn draw(study: &Study) -> Drawn {
    let mut lines = Vec::new();
    for (label, runs) in study.compared().into_iter().take(MAX_CURVES) {
        let points: Vec<(f64, f64)> = runs.iter().flat_map(|run| run.relevance_sums()).collect();
        let Some(line) = Polynomial::fit(&points, 1) else { continue };
        let ends = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
        lines.push((label, line.curve(ends.0, ends.1)));
    }
    if lines.len() < 2 {
        return Err(Missing("several settings with sums of relevance"));
    }
    let bands = || lines.iter().flat_map(|(_, (_, band))| band);
    let x = Axis::around("prediction in years", bands().map(|point| point.0)).step(10.0);
    let y = Axis::symmetric("sum of relevance in years", bands().flat_map(|point| [point.1, point.2]));
    let mut chart = Chart::new(x, y).zero();
    for (index, (_, (line, band))) in lines.iter().enumerate() {
        chart = chart.band(band, series(index)).line(line, series(index), 2.0, None);
    }
    let entries: Vec<(String, &str)> =
        lines.iter().enumerate().map(|(index, (label, _))| (label.to_string(), series(index))).collect();
    let mut sheet = Sheet::new(640.0, 462.0 + LEGEND_LINE * entries.len() as f64);
    sheet.title("Sum of relevance and prediction");
    chart.draw(&mut sheet, Area::new(64.0, 72.0, 550.0, 326.0));
    legend(&mut sheet, 64.0, 462.0, &entries);
    Ok(sheet)
}
