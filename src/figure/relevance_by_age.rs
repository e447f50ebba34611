//! The mean relevance map of each group of ages.

use super::chart::nice_step;
use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::{Bar, Field, beyond_years, color_bar, diverging, mean, reach, significant, within};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLACK, SMALL_SIZE};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "11_relevance_by_age",
    title: "Mean relevance by {target}",
    source: "relevance/RUN_ID.npy, predictions.parquet",
    caption: "The mean over the maps of each group of {images} by {target}, all on one scale that is symmetric around zero: what speaks for \
              a low {target} is blue, what speaks for a high one red.",
    draw,
};

/// Years in a group of ages, where that makes a readable number of groups.
const GROUP: f64 = 10.0;
const GROUPS: std::ops::RangeInclusive<f64> = 2.0..=12.0;
/// About how many groups there are in other ranges of ages.
const OTHER_GROUPS: f64 = 6.0;
const SIDE: f64 = 200.0;
const COLUMNS: usize = 4;
const GAP: f64 = 14.0;

fn draw(run: &Run) -> Drawn {
    let explained = run.explained();
    let (least, most) = run.range().ok_or(Missing("the data set's samples"))?;
    let (span, whole) = (most - least, run.simulation().is_some());
    // Ages are whole numbers of years, so that no group is narrower than one.
    let step = match whole {
        true if GROUPS.contains(&(span / GROUP)) => GROUP,
        true => nice_step(span / OTHER_GROUPS).max(1.0),
        false => nice_step((span / OTHER_GROUPS).max(f64::MIN_POSITIVE)),
    };
    // The largest target belongs to the group below it rather than to one of its own.
    let largest = if whole { most - 1.0 } else { most - 0.5 * step };
    let group_of = |target: f64| (target.min(largest) / step).floor() as i64;
    let mut groups_found: Vec<i64> = explained.iter().map(|sample| group_of(sample.prediction.target)).collect();
    groups_found.sort_unstable();
    groups_found.dedup();
    let groups: Vec<(i64, usize, Field)> = groups_found
        .into_iter()
        .filter_map(|group| {
            let members = || explained.iter().filter(move |sample| group_of(sample.prediction.target) == group);
            mean(members().map(|sample| sample.relevance)).map(|map| (group, members().count(), map))
        })
        .collect();
    if groups.is_empty() {
        return Err(Missing("relevance maps"));
    }
    let reach = reach(groups.iter().flat_map(|(_, _, map)| &map.values));
    let columns = if groups.len() > COLUMNS { groups.len().div_ceil(2).min(COLUMNS) } else { groups.len() };
    let rows = groups.len().div_ceil(columns);
    let width = GAP + columns as f64 * (SIDE + GAP);
    let mut sheet =
        Sheet::new((width + 136.0 + beyond_years(&run.unit)).max(560.0), 52.0 + rows as f64 * (SIDE + 38.0));
    let words = run.words();
    sheet.title(&words.fill(FIGURE.title));
    for (place, (group, count, map)) in groups.iter().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let area = Area::new(GAP + column as f64 * (SIDE + GAP), 66.0 + row as f64 * (SIDE + 38.0), SIDE, SIDE);
        let first = *group as f64 * step;
        let last = if first + step >= most { most } else { first + step - f64::from(u8::from(whole)) };
        let told = |value: f64| if whole { value.to_string() } else { significant(value) };
        let values = if first == last { told(first) } else { format!("{} to {}", told(first), told(last)) };
        let title = format!("{} (n = {count})", words.target.with_unit(values));
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
    let area = within(area, picture.height() as usize, picture.width() as usize);
    sheet.rect(Area::new(area.left - 0.75, area.top - 0.75, area.width + 1.5, area.height + 1.5), BLACK);
    sheet.picture(area, picture);
}
