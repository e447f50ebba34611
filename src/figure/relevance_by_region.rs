//! Relevance by region over the target.

use indexmap::IndexMap;
use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart, Y_LABEL};
use super::fit::told_correlation;
use super::kinds::{Drawn, Missing, RunFigure};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLUE, GREY, SMALL_SIZE, series};
use crate::metric::by_region;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "13_relevance_by_region",
    title: "Relevance by region over {target}",
    source: "datasets/*.npz, relevance/*.npy",
    caption: "The relevance of each explained image in each region, summed over its pixels: regions that are known to matter \
              first, then those of an atlas with the most absolute relevance. Colours are the groups of data.group_by, where \
              there are any; the regression with its 95 % band, drawn from ten images on, is over all of them.",
    draw,
};

const COLUMNS: usize = 3;
/// Of an atlas with many regions, those with the most relevance are drawn.
const MOST: usize = 12;
/// More groups than these cannot be told apart by their colours.
const MOST_GROUPS: usize = 6;

/// What is drawn of a region: target, relevance and group of every image.
#[derive(Default)]
struct Panel {
    points: Vec<(f64, f64, String)>,
    absolute: f64,
}

fn draw(run: &Run) -> Drawn {
    let stored = run.stored.as_ref().ok_or(Missing("the data set"))?;
    let data = &stored.dataset;
    if data.truth.is_none() && data.atlas.is_none() {
        return Err(Missing("masks or an atlas (data.masks, data.atlas)"));
    }
    let mut panels: IndexMap<(bool, String), Panel> = IndexMap::new();
    for explained in run.explained() {
        let sample = explained.prediction.sample;
        let group = data.grouping.as_ref().map(|grouping| grouping.of[sample].clone()).unwrap_or_default();
        for row in by_region(data, sample, explained.relevance) {
            let panel = panels.entry((row.origin == crate::metric::Origin::Atlas, row.region)).or_default();
            panel.points.push((explained.prediction.target, row.sum, group.clone()));
            panel.absolute += row.absolute;
        }
    }
    if panels.is_empty() {
        return Err(Missing("an explained image with a region"));
    }
    panels.sort_by(|one, a, other, b| one.0.cmp(&other.0).then(b.absolute.total_cmp(&a.absolute)));
    let left_out = panels.len().saturating_sub(MOST);
    panels.truncate(MOST);
    let columns = panels.len().min(COLUMNS);
    let rows = panels.len().div_ceil(COLUMNS);
    let mut sheet = Sheet::new(30.0 + 360.0 * columns as f64, 50.0 + 376.0 * rows as f64);
    sheet.title(&run.words().fill("relevance by region over {target}"));
    if left_out > 0 {
        sheet.note(format!("{left_out} regions with less relevance are not drawn; regions.parquet has them."));
    }
    let mut groups: Vec<&String> = panels.values().flat_map(|panel| &panel.points).map(|point| &point.2).collect();
    groups.sort_unstable();
    groups.dedup();
    for (place, ((of_atlas, region), panel)) in panels.iter().enumerate() {
        let (row, column) = (place / COLUMNS, place % COLUMNS);
        let area = Area::new(64.0 + 360.0 * column as f64, 110.0 + 376.0 * row as f64, 290.0, 246.0);
        let pairs: Vec<(f64, f64)> = panel.points.iter().map(|point| (point.0, point.1)).collect();
        let x = Axis::around(run.words().target.label(), pairs.iter().map(|pair| pair.0));
        let y = Axis::around(run.relevance("relevance"), pairs.iter().map(|pair| pair.1).chain([0.0]));
        let mut chart = Chart::new(x, y).zero();
        if (2..=MOST_GROUPS).contains(&groups.len()) {
            for (index, group) in groups.iter().enumerate() {
                let of_group: Vec<(f64, f64)> =
                    panel.points.iter().filter(|point| &point.2 == *group).map(|point| (point.0, point.1)).collect();
                chart = chart.points(&of_group, series(index), 2.6, (place == 0).then_some(group.as_str()));
            }
            chart = chart.legend(LegendPosition::InsideTopLeft);
        } else {
            chart = chart.points(&pairs, BLUE, 2.6, None);
        }
        chart.regression(&pairs, GREY).draw(&mut sheet, area);
        let r = told_correlation(&pairs);
        // A mask and a region of the atlas may have the same name.
        let origin = if *of_atlas { "atlas: " } else { "" };
        let title = format!("{origin}{} · n = {} · {r}", region.replace('_', " "), pairs.len());
        sheet.text(area.left - Y_LABEL, area.top - 38.0, &title, Lettering::default().size(SMALL_SIZE));
    }
    Ok(sheet)
}
