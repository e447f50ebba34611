//! The mean relevance map of each group of ages.

use super::chart::nice_step;
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::{Bar, beyond_years, color_bar, diverging, mean, reach};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLACK, SMALL_SIZE};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "11_relevance_by_age",
    title: "Mean relevance by age",
    source: "relevance/RUN_ID.npy, predictions.parquet",
    caption: "The mean over the maps of each group of ages, all on one scale that is symmetric around zero: what speaks for \
              youth is blue, what speaks for age red.",
    draw,
};

/// Years in a group, where that makes a readable number of groups.
const GROUP: f64 = 10.0;
const GROUPS: std::ops::RangeInclusive<f64> = 2.0..=12.0;
/// About how many groups there are in other ranges of ages.
const OTHER_GROUPS: f64 = 6.0;
const SIDE: f64 = 200.0;
const COLUMNS: usize = 4;
const GAP: f64 = 14.0;

fn draw(run: &Run) -> Drawn {
    let explained = run.explained();
    // The oldest age belongs to the decade before it rather than to one of its own.
    let oldest = f64::from(run.data.max_age);
    let span = oldest - f64::from(run.data.min_age);
    let years = if GROUPS.contains(&(span / GROUP)) { GROUP } else { nice_step(span / OTHER_GROUPS).max(1.0) };
    let group_of = |age: f64| (age.min(oldest - 1.0) / years).floor() as i64;
    let mut groups_found: Vec<i64> = explained.iter().map(|sample| group_of(sample.prediction.age)).collect();
    groups_found.sort_unstable();
    groups_found.dedup();
    let groups: Vec<(i64, usize, Vec<f64>)> = groups_found
        .into_iter()
        .filter_map(|group| {
            let members = || explained.iter().filter(move |sample| group_of(sample.prediction.age) == group);
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
    let mut sheet =
        Sheet::new((width + 136.0 + beyond_years(&run.unit)).max(560.0), 52.0 + rows as f64 * (SIDE + 38.0));
    sheet.title("Mean relevance by age");
    for (place, (group, count, map)) in groups.iter().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let area = Area::new(GAP + column as f64 * (SIDE + GAP), 66.0 + row as f64 * (SIDE + 38.0), SIDE, SIDE);
        let first = *group as f64 * years;
        let last = if first + years >= oldest { oldest } else { first + years - 1.0 };
        let ages = if first == last { first.to_string() } else { format!("{first} to {last}") };
        let title = format!("{ages} years (n = {count})");
        sheet.text(area.left + 0.5 * SIDE, area.top - 8.0, &title, Lettering::centred().size(SMALL_SIZE));
        framed(&mut sheet, area, diverging(map, reach));
    }
    color_bar(
        &mut sheet,
        Area::new(width + 12.0, 66.0, 14.0, SIDE),
        Bar::Diverging,
        reach,
        &run.relevance("R a pixel"),
    );
    Ok(sheet)
}

/// A picture in a thin black frame.
pub(super) fn framed(sheet: &mut Sheet, area: Area, picture: image::RgbImage) {
    sheet.rect(Area::new(area.left - 0.75, area.top - 0.75, area.width + 1.5, area.height + 1.5), BLACK);
    sheet.picture(area, picture);
}
