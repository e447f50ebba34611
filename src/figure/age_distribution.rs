//! Published figure 1: how ages are distributed.

use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart};
use super::fit::{Density, median, steps};
use super::kinds::{Drawn, Missing, RunFigure};
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::{BLACK, BLUE, DASHED, DOTTED, GREEN, PALE, VERMILION};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "01_age_distribution",
    title: "Distribution of ages",
    source: "samples.parquet",
    caption: "Pumpkins of each age in the whole data set, with their density, the age around which they gather (where \
              the distribution is biased), their mean and median.",
    draw,
};

fn draw(run: &Run) -> Drawn {
    let ages: Vec<f64> = run.samples.iter().map(|sample| f64::from(sample.age)).collect();
    let median = median(&ages).ok_or(Missing("the data set's samples"))?;
    let mean = ages.iter().sum::<f64>() / ages.len() as f64;
    let (low, high) = (run.data.min_age, run.data.max_age);
    let counts: Vec<f64> =
        (low..=high).map(|age| ages.iter().filter(|&&found| found == f64::from(age)).count() as f64).collect();
    let edges: Vec<f64> = (low..=high + 1).map(|age| f64::from(age) - 0.5).collect();
    let (left, right) = (edges[0] - 1.0, edges[edges.len() - 1] + 1.0);

    let density: Option<Vec<(f64, f64)>> = Density::new(&ages).map(|density| {
        steps(f64::from(low), f64::from(high), 121).map(|x| (x, density.at(x) * ages.len() as f64)).collect()
    });
    let y = Axis::of_counts("pumpkins", &counts, density.as_deref().unwrap_or_default());
    let mut chart = Chart::new(Axis::new("age in years", left, right).around_step(10.0), y);
    chart = chart.bars(edges, counts, PALE, None);
    if let Some(curve) = density {
        chart = chart.line(&curve, BLUE, 2.0, Some("density"));
    }
    let bias = run.data.target_bias.map(|bias| ("age bias", bias, VERMILION, DOTTED));
    let marks = [("mean", mean, BLACK, DASHED), ("median", median, GREEN, DASHED)];
    for (name, at, color, dashes) in bias.into_iter().chain(marks) {
        chart = chart.at_x(at, color, dashes).explain(&format!("{name} {at:.1}"), color, dashes);
    }
    let mut sheet = Sheet::new(560.0, 380.0);
    sheet.title(&format!("Ages of {} pumpkins", ages.len()));
    let side =
        if median > 0.5 * (left + right) { LegendPosition::InsideTopLeft } else { LegendPosition::InsideTopRight };
    chart.legend(side).draw(&mut sheet, Area::new(64.0, 62.0, 470.0, 256.0));
    Ok(sheet)
}
