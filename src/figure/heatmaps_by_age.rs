//! Published figure 10: twenty heatmaps by age, or another target.

use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::{Bar, color_bar, tile, within};
use super::same_pumpkin::predicted;
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Explained, Run};
use super::style::SMALL_SIZE;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "10_heatmaps_by_age",
    title: "Heatmaps by {target}",
    source: "relevance/RUN_ID.npy, datasets/*.npz, predictions.parquet",
    caption: "Relevance over twenty explained {images} from low to high {target}: warm colours raise the prediction, cold ones \
              lower it. Squares, arrows and outlines mark what is known of them beforehand. Each map is scaled by its own \
              largest relevance.",
    draw,
};

const COLUMNS: usize = 5;
const ROWS: usize = 4;
const SIDE: f64 = 196.0;
const GAP: f64 = 12.0;
/// Height of a title above its map.
const ABOVE: f64 = 22.0;

fn draw(run: &Run) -> Drawn {
    let chosen = by_target(run, COLUMNS * ROWS);
    if chosen.is_empty() {
        return Err(Missing("relevance maps"));
    }
    let rows = chosen.len().div_ceil(COLUMNS) as f64;
    let width = COLUMNS as f64 * (SIDE + GAP);
    let mut sheet = Sheet::new(width + 90.0, 30.0 + rows * (SIDE + ABOVE + GAP) + 10.0);
    sheet.title(&format!("Relevance by {} · {}", run.words().target.name, run.analyzer));
    for (place, explained) in chosen.into_iter().enumerate() {
        let (row, column) = (place / COLUMNS, place % COLUMNS);
        let (left, top) = (GAP + column as f64 * (SIDE + GAP), 38.0 + ABOVE + row as f64 * (SIDE + ABOVE + GAP));
        let title = predicted(run, &explained);
        sheet.text(left + 0.5 * SIDE, top - 6.0, &title, Lettering::centred().size(SMALL_SIZE));
        let area = within(Area::new(left, top, SIDE, SIDE), explained.relevance.height, explained.relevance.width);
        sheet.picture(area, tile(run, explained, true));
    }
    color_bar(
        &mut sheet,
        Area::new(width + 22.0, 38.0 + ABOVE, 14.0, SIDE),
        Bar::Heatmap(run.colormap),
        1.0,
        "R / max",
    );
    Ok(sheet)
}

/// Explained samples in order of their targets, equally spaced among all.
pub fn by_target(run: &Run, count: usize) -> Vec<Explained<'_>> {
    let mut explained = run.explained();
    explained.sort_by(|a, b| a.prediction.target.total_cmp(&b.prediction.target));
    let (all, last) = (explained.len(), explained.len().saturating_sub(1));
    if all <= count {
        return explained;
    }
    (0..count).map(|place| explained[(place * last + (count - 1) / 2) / (count - 1).max(1)]).collect()
}
