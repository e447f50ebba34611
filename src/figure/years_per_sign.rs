//! What signs are worth to the network, against the relevance over them.

use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart, Y_LABEL};
use super::fit::told_correlation;
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::significant;
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLUE, GREY, SMALL_SIZE, VERMILION};
use indexmap::IndexSet;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "12_years_per_sign",
    title: "What signs are worth, and their relevance",
    source: "measurements.parquet",
    caption: "The effect of all signs of one kind on the prediction, which is the prediction of the whole image less that of \
              the image without them (the causal truth), against the relevance over their pixels. Each point is an image. \
              On the grey dashed line relevance equals the effect; it is drawn where both are in {unit}. The regression with \
              its 95 % band is drawn from ten images on.",
    draw,
};

const COLUMNS: usize = 3;
/// The scores that are compared.
pub(super) const YEARS: &str = "causal_years";
pub(super) const RELEVANCE: &str = "causal_relevance";

fn draw(run: &Run) -> Drawn {
    let of_signs = run.scores.iter().filter(|score| &*score.metric == RELEVANCE);
    let signs: IndexSet<&str> = of_signs.filter_map(|score| score.sign.as_deref()).collect();
    let panels: Vec<(&str, Vec<(f64, f64)>)> =
        signs.into_iter().map(|sign| (sign, pairs(run, sign))).filter(|(_, pairs)| !pairs.is_empty()).collect();
    if panels.is_empty() {
        return Err(Missing("the causal score of signs (evaluate.scores)"));
    }
    let columns = panels.len().min(COLUMNS);
    let rows = panels.len().div_ceil(COLUMNS);
    let mut sheet = Sheet::new(30.0 + 360.0 * columns as f64, 50.0 + 376.0 * rows as f64);
    sheet.title(&run.words().fill("{unit} and relevance of signs"));
    for (place, (sign, pairs)) in panels.iter().enumerate() {
        let (row, column) = (place / COLUMNS, place % COLUMNS);
        let area = Area::new(64.0 + 360.0 * column as f64, 110.0 + 376.0 * row as f64, 290.0, 246.0);
        let x = Axis::around(
            format!("effect on the prediction in {}", run.words().target.unit_name()),
            pairs.iter().map(|pair| pair.0).chain([0.0]),
        );
        let y = Axis::symmetric(run.relevance("relevance over them"), pairs.iter().map(|pair| pair.1));
        let (low, high) = (x.range.0.max(y.range.0), x.range.1.min(y.range.1));
        let mut chart = Chart::new(x, y).zero();
        // Relevance in another unit has no truth to be equal to.
        if run.unit == run.words().target.unit_name() {
            chart = chart
                .dashed(&[(low, low), (high, high)], GREY, 1.2, Some("relevance = effect"))
                .legend(LegendPosition::InsideTopLeft);
        }
        chart = chart.points(pairs, BLUE, 2.6, None);
        chart.regression(pairs, VERMILION).draw(&mut sheet, area);
        let r = told_correlation(pairs);
        let size = pairs.iter().map(|pair| pair.0.abs()).sum::<f64>() / pairs.len() as f64;
        let size = run.words().target.with_unit(significant(size));
        sheet.text(
            area.left - Y_LABEL,
            area.top - 38.0,
            &format!("{} · n = {} · {r} · mean effect {size}", sign.replace('_', " "), pairs.len()),
            Lettering::default().size(SMALL_SIZE),
        );
    }
    Ok(sheet)
}

/// (years, relevance) of every image for which both are known.
fn pairs(run: &Run, sign: &str) -> Vec<(f64, f64)> {
    let of = |metric: &'static str| {
        let rows =
            run.scores.iter().filter(move |score| &*score.metric == metric && score.sign.as_deref() == Some(sign));
        rows.filter_map(|score| Some((score.sample?, score.value)))
    };
    let years: std::collections::HashMap<usize, f64> = of(YEARS).collect();
    of(RELEVANCE).filter_map(|(sample, relevance)| Some((*years.get(&sample)?, relevance))).collect()
}
