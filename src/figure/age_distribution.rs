//! Published figure 1: how ages, or other targets, are distributed.

use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart, nice_step};
use super::fit::{Density, median, steps};
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::significant;
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::{BLACK, BLUE, DASHED, DOTTED, GREEN, PALE, VERMILION};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "01_age_distribution",
    title: "Distribution of the {target}",
    source: "samples.parquet",
    caption: "{images} of each {target} in the whole data set, with their density, the {target} around which they gather (where \
              the distribution is biased), their mean and median.",
    draw,
};

/// About how many bins there are for targets other than ages.
const BINS: f64 = 30.0;
/// How much higher than the bars the chart is.
const LEGEND_ROOM: f64 = 1.45;

fn draw(run: &Run) -> Drawn {
    let targets: Vec<f64> = run.samples.iter().map(|sample| sample.target).collect();
    let median = median(&targets).ok_or(Missing("the data set's samples"))?;
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    let ((low, high), words) = (run.range().ok_or(Missing("the data set's samples"))?, run.words());
    // A bin for each age; of other targets about as many as the published figure has.
    let bin = if run.simulation().is_some() { 1.0 } else { nice_step(((high - low) / BINS).max(f64::MIN_POSITIVE)) };
    let first = (low / bin).round();
    let bins = ((high / bin).round() - first) as usize + 1;
    let edges: Vec<f64> = (0..=bins).map(|place| (first + place as f64 - 0.5) * bin).collect();
    let within = |pair: &[f64]| targets.iter().filter(|&&target| pair[0] <= target && target < pair[1]).count() as f64;
    let counts: Vec<f64> = edges.windows(2).map(within).collect();
    let (left, right) = (edges[0] - bin, edges[edges.len() - 1] + bin);

    let density: Option<Vec<(f64, f64)>> = Density::new(&targets).map(|density| {
        steps(low, high, 121).map(|x| (x, density.between((low, high), x) * bin * targets.len() as f64)).collect()
    });
    let mut y =
        Axis::of_counts(&words.fill("{images}").to_lowercase(), &counts, density.as_deref().unwrap_or_default());
    // Room above the bars for the legend.
    y.range.1 *= LEGEND_ROOM;
    let mut chart = Chart::new(Axis::new(words.target.label(), left, right).around_step(10.0), y);
    chart = chart.bars(edges, counts, PALE, None);
    if let Some(curve) = density {
        chart = chart.line(&curve, BLUE, 2.0, Some("density"));
    }
    let bias = run.simulation().and_then(|settings| settings.target_bias);
    let bias = bias.map(|bias| ("age bias", bias, VERMILION, DOTTED));
    let told = |at: f64| if run.simulation().is_some() { format!("{at:.1}") } else { significant(at) };
    let marks = [("mean", mean, BLACK, DASHED), ("median", median, GREEN, DASHED)];
    for (name, at, color, dashes) in bias.into_iter().chain(marks) {
        chart = chart.at_x(at, color, dashes).explain(&format!("{name} {}", told(at)), color, dashes);
    }
    let mut sheet = Sheet::new(560.0, 380.0);
    sheet.title(&match run.simulation() {
        Some(_) => format!("Ages of {} pumpkins", targets.len()),
        None => format!("{} of {} images", words.fill("{target}"), targets.len()),
    });
    let side =
        if median > 0.5 * (left + right) { LegendPosition::InsideTopLeft } else { LegendPosition::InsideTopRight };
    chart.legend(side).draw(&mut sheet, Area::new(64.0, 62.0, 470.0, 256.0));
    Ok(sheet)
}
