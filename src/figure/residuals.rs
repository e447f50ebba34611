//! Published figure 8: residuals over age.

use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart};
use super::fit::{Polynomial, median};
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::significant;
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::{BLUE, DOTTED, GREY, VERMILION};
use crate::task::Task;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "08_residuals",
    title: "Residuals over {target}",
    source: "predictions.parquet",
    caption: "Prediction less {target} in the test set, a cubic fit with its 95 % band, and the median {target} of the test set \
              (dotted). Where the curve falls, predictions are pulled to the mean.",
    draw,
};

/// Degree of the fitted polynomial, as published.
pub(super) const DEGREE: usize = 3;

/// Ranges of ages below this, in years, have less room at both ends.
const NARROW: f64 = 20.0;

fn draw(run: &Run) -> Drawn {
    if run.task != Task::Regression {
        return Err(Missing("predictions of a regression"));
    }
    let points = residuals(run);
    let ages: Vec<f64> = points.iter().map(|point| point.0).collect();
    let middle = median(&ages).ok_or(Missing("predictions"))?;
    let (low, high) = (ages.iter().copied().fold(middle, f64::min), ages.iter().copied().fold(middle, f64::max));
    let words = run.words();
    let room = match words.pumpkins {
        true if high - low >= NARROW => 2.0,
        true => 0.05 * (high - low).max(1.0),
        false => 0.05 * (high - low).max(f64::MIN_POSITIVE),
    };
    let x = Axis::new(words.target.label(), low - room, high + room).around_step(10.0);
    let y = Axis::around(difference(run), points.iter().map(|point| point.1).chain([0.0]));
    let median = format!("median {} {}", words.target.name, significant(middle));
    let chart = Chart::new(x, y).zero().at_x(middle, GREY, DOTTED).explain(&median, GREY, DOTTED);
    let mut chart = chart.points(&points, BLUE, 2.6, None).legend(LegendPosition::InsideBottomLeft);
    if let Some(cubic) = Polynomial::fit(&points, DEGREE) {
        let (curve, band) = cubic.curve(low, high);
        chart = chart.band(&band, VERMILION).line(&curve, VERMILION, 2.0, None);
    }
    let mut sheet = Sheet::new(560.0, 420.0);
    let mae = run.score("test_mae").map(|mae| {
        let mae = if words.pumpkins { format!("{mae:.2}") } else { significant(mae) };
        format!(" · MAE {}", words.target.with_unit(mae))
    });
    let mae = mae.unwrap_or_default();
    sheet.title(&format!("Residuals of the test set{mae}"));
    chart.draw(&mut sheet, Area::new(64.0, 72.0, 470.0, 286.0));
    Ok(sheet)
}

/// How the prediction less the target is labelled.
pub(super) fn difference(run: &Run) -> String {
    let target = run.words().target;
    target.label_of(&format!("prediction − {}", target.name))
}

/// (target, prediction less target) of the test set.
pub(super) fn residuals(run: &Run) -> Vec<(f64, f64)> {
    run.tested().into_iter().map(|(target, prediction)| (target, prediction - target)).collect()
}
