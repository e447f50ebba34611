//! Published figure 9: the sum of relevance over the prediction.

use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart};
use super::fit::Polynomial;
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::significant;
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::{BLACK, BLUE, DASHED, DOTTED, GREEN, VERMILION};
use crate::task::Task;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "09_sum_relevance",
    title: "Sum of relevance and prediction",
    source: "measurements.parquet, predictions.parquet",
    caption: "The sum over each map against the prediction it explains, with the regression. Where layer-wise relevance \
              propagation starts from the prediction, it crosses zero at the output bias: relevance then says by how much an \
              image lies above or below that, not what its {target} is.",
    draw,
};

fn draw(run: &Run) -> Drawn {
    let points = run.relevance_sums();
    if points.is_empty() {
        return Err(Missing("sums of relevance"));
    }
    let tested = run.tested();
    let mean = tested.iter().map(|row| row.1).sum::<f64>() / tested.len().max(1) as f64;
    let x = Axis::around(run.predicted(), points.iter().map(|point| point.0));
    let y = Axis::symmetric(run.relevance("sum of relevance"), points.iter().map(|point| point.1));
    let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
    let mut chart = Chart::new(x, y).zero().points(&points, BLUE, 2.6, None);
    if let Some(line) = Polynomial::fit(&points, 1) {
        let (curve, band) = line.curve(low, high);
        chart = chart.band(&band, VERMILION).line(&curve, VERMILION, 1.2, None);
    }
    let bias = run.score("output_bias").map(|bias| ("output bias", bias, BLACK, DASHED));
    for (name, at, color, dashes) in [("mean prediction", mean, GREEN, DOTTED)].into_iter().chain(bias) {
        chart = chart.at_x(at, color, dashes).explain(&format!("{name} {}", significant(at)), color, dashes);
    }
    let mut sheet = Sheet::new(560.0, 400.0);
    let target = run.words().target;
    let told = |at: f64| match run.task {
        Task::Regression => target.with_unit(significant(at)),
        Task::Classification => significant(at),
    };
    let crossing = run.score("relevance_zero_crossing").map(|at| format!(" · zero at {}", told(at)));
    sheet.title(&format!("Sum of relevance{}", crossing.unwrap_or_default()));
    chart.legend(LegendPosition::InsideTopLeft).draw(&mut sheet, Area::new(64.0, 72.0, 470.0, 266.0));
    Ok(sheet)
}
