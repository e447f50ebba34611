//! The mean relevance map of each group of ages.

use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::{Bar, color_bar, diverging, mean, reach};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLACK, SMALL_SIZE};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "11_relevance_by_age",
    title: "Mean relevance by age",
    source: "relevance/RUN_ID.npy, predictions.parquet",
    caption: "The mean over the maps of each decade of ages, in years a pixel, all on one scale that is symmetric around \
              zero: where in the image the network finds youth (blue) and age (red).",
    draw,
};

/// Years in a group.
const GROUP: f64 = 10.0;
const SIDE: f64 = 200.0;
const COLUMNS: usize = 4;
const GAP: f64 = 14.0;

fn draw(run: &Run) -> Drawn {
    let explained = run.explained();
    // The oldest age belongs to the decade before it rather than to one of its own.
    let oldest = f64::from(run.data.max_age);
    let decade = |age: f64| (age.min(oldest - 1.0) / GROUP).floor() as i64;
    let mut decades: Vec<i64> = explained.iter().map(|sample| decade(sample.prediction.age)).collect();
    decades.sort_unstable();
    decades.dedup();
    let groups: Vec<(i64, usize, Vec<f64>)> = decades
        .into_iter()
        .filter_map(|group| {
            let members = || explained.iter().filter(move |sample| decade(sample.prediction.age) == group);
            mean(members().map(|sample| sample.relevance)).map(|map| (group, members().count(), map))
        })
        .collect();
    if groups.is_empty() {
        return Err(Missing("relevance maps"));
    }
    let reach = reach(groups.iter().flat_map(|(_, _, map)| map));
    let columns = if groups.len() > COLUMNS { groups.len().div_ceil(2).min(COLUMNS) } else { groups.len() };
    let rows = groups.len().div_ceil(columns);
    let width = GAP + columns as f64 * (SIDE + GAP);
    let mut sheet = Sheet::new((width + 136.0).max(560.0), 52.0 + rows as f64 * (SIDE + 38.0));
    sheet.title("Mean relevance by age");
    for (place, (group, count, map)) in groups.iter().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let area = Area::new(GAP + column as f64 * (SIDE + GAP), 66.0 + row as f64 * (SIDE + 38.0), SIDE, SIDE);
        let first = *group as f64 * GROUP;
        let last = if first + GROUP >= oldest { oldest } else { first + GROUP - 1.0 };
        let title = format!("{first} to {last} years (n = {count})");
        sheet.text(area.left + 0.5 * SIDE, area.top - 8.0, &title, Lettering::centred().size(SMALL_SIZE));
        framed(&mut sheet, area, diverging(map, reach));
    }
    color_bar(&mut sheet, Area::new(width + 12.0, 66.0, 14.0, SIDE), Bar::Diverging, reach, &run.in_unit("R a pixel"));
    Ok(sheet)
}

/// A picture in a thin black frame.
pub(super) fn framed(sheet: &mut Sheet, area: Area, picture: image::RgbImage) {
    sheet.rect(Area::new(area.left - 0.75, area.top - 0.75, area.width + 1.5, area.height + 1.5), BLACK);
    sheet.picture(area, picture);
}
