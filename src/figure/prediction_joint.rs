//! Published figure 7: predictions against ages.

use super::chart::{Axis, Chart, nice_step};
use super::fit::{Density, JointDensity, Polynomial, steps};
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::significant;
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::{BLUE, GREY, PALE, SKY, VERMILION};
use crate::task::Task;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "07_prediction",
    title: "Prediction and {target}",
    source: "predictions.parquet",
    caption: "Prediction against {target} in the test set, with lines that hold 10, 30, 50, 70 and 90 % of the density, the \
              regression of the prediction on the {target} with its 95 % band, and both margins. On the dashed line the \
              prediction equals the {target}.",
    draw,
};

/// Points of the density along each side: enough for smooth lines along a narrow ridge.
const GRID: usize = 120;
/// Width of a bin of the margins, for ranges in which that makes a readable histogram.
const BIN: f64 = 4.0;
const BINS: std::ops::RangeInclusive<f64> = 8.0..=40.0;
/// About how many bins there are in other ranges.
const OTHER_BINS: f64 = 15.0;

fn draw(run: &Run) -> Drawn {
    if run.task != Task::Regression {
        return Err(Missing("predictions of a regression"));
    }
    let points: Vec<(f64, f64)> = run.tested();
    if points.is_empty() {
        return Err(Missing("predictions"));
    }
    let words = run.words();
    let both = points.iter().flat_map(|&(target, prediction)| [target, prediction]);
    let (low, high) = Axis::around("", both).range;
    let bin = if BINS.contains(&((high - low) / BIN)) { BIN } else { other_bin(&points, high - low) };
    let (low, high) = ((low / bin).floor() * bin - bin, (high / bin).ceil() * bin + bin);

    let mut chart = Chart::new(
        Axis::new(words.target.label(), low, high).around_step(10.0),
        Axis::new(run.predicted(), low, high).around_step(10.0),
    )
    .dashed(&[(low, low), (high, high)], GREY, 1.0, None);
    if let Some(joint) = JointDensity::new(&points, GRID) {
        let levels = joint.levels(&[0.9, 0.7, 0.5, 0.3, 0.1]);
        // Lines end where the data end.
        let (x, y, z) =
            joint.within(ends(points.iter().map(|point| point.0)), ends(points.iter().map(|point| point.1)));
        chart = chart.contours((x, y), z, &levels, SKY);
    }
    chart = chart.points(&points, BLUE, 2.4, None);
    if let Some(fit) = Polynomial::fit(&points, 1) {
        let (first, last) = ends(points.iter().map(|point| point.0));
        let (curve, band) = fit.curve(first, last);
        chart = chart.band(&band, VERMILION).line(&curve, VERMILION, 1.8, None);
    }
    let mut sheet = Sheet::new(560.0, 580.0);
    let mae = points.iter().map(|(target, prediction)| (prediction - target).abs()).sum::<f64>() / points.len() as f64;
    let (targets, predictions): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let r2 = run.score("test_r2").filter(|r2| r2.is_finite());
    let r2 = r2.map_or_else(String::new, |r2| format!(" · R² {}", format!("{r2:.2}").replace('-', "\u{2212}")));
    let images = if words.pumpkins { "pumpkins" } else { "images" };
    let mae = if words.pumpkins { format!("{mae:.2}") } else { significant(mae) };
    let mae = words.target.with_unit(mae);
    sheet.title(&format!("{} test {images} · MAE {mae}{r2}", points.len()));
    let area = Area::new(64.0, 152.0, 370.0, 370.0);
    chart.draw(&mut sheet, area);
    let margin = |values: Vec<f64>| -> (Vec<f64>, Vec<f64>, Vec<(f64, f64)>) {
        let bins = ((high - low) / bin).round() as usize;
        let edges: Vec<f64> = (0..=bins).map(|place| low + place as f64 * bin).collect();
        let inside = |edge: f64| values.iter().filter(|&&value| (edge..edge + bin).contains(&value)).count() as f64;
        let counts = edges[..edges.len() - 1].iter().map(|&edge| inside(edge)).collect();
        let (first, last) = ends(values.iter().copied());
        let curve = Density::new(&values)
            .map(|density| steps(first, last, 101).map(|x| (x, density.at(x) * values.len() as f64 * bin)).collect());
        (edges, counts, curve.unwrap_or_default())
    };
    let (edges, counts, curve) = margin(targets);
    let count_axis = |counts: &[f64], curve: &[(f64, f64)]| Axis::of_counts("", counts, curve).unlabelled();
    let x = || Axis::new("", low, high).unlabelled();
    Chart::new(x(), count_axis(&counts, &curve))
        .bars(edges, counts, PALE, None)
        .line(&curve, BLUE, 1.6, None)
        .draw(&mut sheet, Area::new(area.left, 46.0, area.width, 76.0));
    let (edges, counts, curve) = margin(predictions);
    // The right margin lies on its side: bars and curve with their coordinates swapped.
    let mut side = Chart::new(count_axis(&counts, &curve), x());
    for (edge, count) in edges.iter().zip(&counts).filter(|(_, count)| **count > 0.0) {
        side = side.block(((0.0, *count), (*edge, *edge + bin)), PALE);
    }
    let curve: Vec<(f64, f64)> = curve.into_iter().map(|(at, height)| (height, at)).collect();
    side.line(&curve, BLUE, 1.6, None).draw(&mut sheet, Area::new(area.right() + 14.0, area.top, 76.0, area.height));
    Ok(sheet)
}

/// The least and the largest value.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// The width of a bin for an unusual range: at least the distance between neighbouring ages, where these are few, because
/// narrower bins would show the gaps between them.
fn other_bin(points: &[(f64, f64)], range: f64) -> f64 {
    let mut ages: Vec<f64> = points.iter().map(|point| point.0).collect();
    ages.sort_by(f64::total_cmp);
    ages.dedup();
    let apart = ages.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let bin = nice_step(range / OTHER_BINS);
    if (ages.len() as f64) < OTHER_BINS && apart.is_finite() { bin.max(apart) } else { bin }
}
