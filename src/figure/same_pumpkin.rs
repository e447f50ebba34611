//! Several explanations of the same images side by side.

use super::kinds::{Drawn, Missing, StudyFigure};
use super::left_out::LeftOut;
use super::maps::{Bar, color_bar, tile, within};
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Explained, Run, Study};
use super::style::{GREY, SMALL_SIZE};
use crate::plan::is_seed;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "24_same_pumpkin",
    title: "The same {images} in several settings",
    source: "relevance/*.npy, datasets/*.npz, predictions.parquet, samples.parquet",
    caption: "{images} of a low, a middle and a high {target}, or one of them where settings are many, as the first run of each \
              setting explains them. Each map is scaled by its own largest relevance. Where settings change the data set, \
              the {images} have name and {target} in common.",
    draw,
};

/// Settings beside each other.
const MAX_COLUMNS: usize = 6;
const MAX_RUNS: usize = 30;
const TOO_MANY: &str = "because more maps do not fit";
const OTHER_DATA: &str = "because they explain other images";
const NOT_LOADED: &str = "because a report holds the maps of some settings only";
/// Where in the range of targets the images lie that are shown; the nearest that all runs explain. Of pumpkins from 20 to 80
/// years these are 25, 50 and 75 years.
const SHARES: [f64; 3] = [1.0 / 12.0, 0.5, 11.0 / 12.0];
/// The same where there are too many settings for a single bank of columns: 60 years.
const SHARE_OF_MANY: [f64; 1] = [2.0 / 3.0];
const SIDE: f64 = 190.0;
const GAP: f64 = 14.0;
const LINE: f64 = 22.0;
const HEAD_LINE: f64 = 16.0;
/// More letters than these do not fit above a map.
const LETTERS: usize = 29;

fn draw(study: &Study) -> Drawn {
    let groups = study.compared();
    let explained: Vec<(&str, &Run)> = groups
        .iter()
        .filter_map(|(label, runs)| Some((label.as_str(), *runs.iter().find(|run| run.maps.is_some())?)))
        .collect();
    // Of the data sets, the one that most settings explain.
    let sharing = |run: &Run| explained.iter().copied().filter(|(_, other)| same_data(run, other)).collect::<Vec<_>>();
    let mut columns = explained.iter().map(|(_, run)| sharing(run)).rev().max_by_key(Vec::len).unwrap_or_default();
    let beside = |label: &str| columns.iter().all(|(known, _)| *known != label);
    let names = |labels: Vec<&str>| labels.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut left_out = LeftOut::default();
    left_out.add(TOO_MANY, columns.iter().skip(MAX_RUNS).map(|(label, _)| (*label).to_owned()));
    left_out.add(OTHER_DATA, names(explained.iter().map(|(label, _)| *label).filter(|label| beside(label)).collect()));
    let loaded = |label: &str| explained.iter().any(|(known, _)| *known == label);
    left_out.add(
        NOT_LOADED,
        names(groups.iter().map(|(label, _)| label.as_str()).filter(|label| !loaded(label)).collect()),
    );
    columns.truncate(MAX_RUNS);
    let shares = if columns.len() > MAX_COLUMNS { &SHARE_OF_MANY[..] } else { &SHARES };
    let shared = shared_samples(&columns.iter().map(|(_, run)| *run).collect::<Vec<_>>(), shares);
    if columns.len() < 2 || shared.is_empty() {
        return Err(Missing("maps of the same images in several settings"));
    }
    let width = columns.len().min(MAX_COLUMNS) as f64 * (SIDE + GAP);
    let heads: Vec<Vec<String>> = columns.iter().map(|(_, run)| head(run)).collect();
    // Upper edge of each bank of columns, below the lines of its longest head.
    let mut below = 48.0;
    let mut tops = Vec::new();
    for bank in heads.chunks(MAX_COLUMNS) {
        let lines = bank.iter().map(Vec::len).max().unwrap_or(0) as f64;
        tops.push((below, below + HEAD_LINE * lines + LINE - 8.0));
        below += HEAD_LINE * lines + LINE + shared.len() as f64 * (SIDE + LINE + GAP);
    }
    let whole = GAP + width + 90.0;
    let mut sheet = Sheet::new(whole, below + left_out.height(whole - 2.0 * GAP));
    sheet.title(&study.words().fill(title(&columns)));
    for (place, ((_, run), lines)) in columns.iter().zip(&heads).enumerate() {
        let left = GAP + (place % MAX_COLUMNS) as f64 * (SIDE + GAP);
        let (above, first) = tops[place / MAX_COLUMNS];
        for (line, text) in lines.iter().enumerate() {
            let y = above + 6.0 + HEAD_LINE * line as f64;
            sheet.text(left + 0.5 * SIDE, y, text, Lettering::centred().size(SMALL_SIZE));
        }
        for (row, name) in shared.iter().enumerate() {
            let top = first + row as f64 * (SIDE + LINE + GAP);
            let Some(explained) = find(run, name) else { continue };
            let title = predicted(run, &explained);
            sheet.text(left + 0.5 * SIDE, top - 6.0, &title, Lettering::centred().size(SMALL_SIZE).color(GREY));
            let area = within(Area::new(left, top, SIDE, SIDE), explained.relevance.height, explained.relevance.width);
            sheet.picture(area, tile(run, explained, true));
        }
    }
    let bar = Area::new(GAP + width + 10.0, tops[0].1, 14.0, SIDE);
    color_bar(&mut sheet, bar, Bar::Heatmap(columns[0].1.colormap), 1.0, "R / max");
    left_out.write(&mut sheet, (GAP, below - 8.0), whole - 2.0 * GAP);
    Ok(sheet)
}

/// What was varied, a setting a line; of an explanation its name alone, which says what it is.
fn head(run: &Run) -> Vec<String> {
    let label = run.label();
    let label = if label.is_empty() { run.seeds() } else { label };
    label.split(", ").map(|line| shortened(line.strip_prefix("analyzer ").unwrap_or(line))).collect()
}

/// What the columns have in common, and what differs.
fn title(columns: &[(&str, &Run)]) -> &'static str {
    let runs = || columns.iter().map(|(_, run)| run);
    let Some(first) = runs().next() else { return FIGURE.title };
    let value =
        |run: &Run, key: &str| run.varied.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    let differs = |key: &&str| runs().any(|run| value(run, key) != value(first, key));
    let keys = runs().flat_map(|run| &run.varied).map(|(key, _)| key.as_str()).filter(|key| !is_seed(key));
    let differing: Vec<&str> = keys.filter(differs).collect();
    if runs().any(|run| run.dataset != first.dataset) {
        "{images} of the same name and {target} in several settings"
    } else if !differing.is_empty() && differing.iter().all(|key| key.starts_with("explain.")) {
        "The same {images}, several explanations"
    } else {
        "The same {images}, several networks"
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        text.to_owned()
    } else {
        text.chars().take(LETTERS - 1).chain(['…']).collect()
    }
}

/// "66 years, predicted 67.1".
pub(super) fn predicted(run: &Run, explained: &Explained) -> String {
    let told = run.told(explained.prediction.prediction);
    format!("{}, predicted {told}", run.words().value(explained.prediction.target))
}

/// Whether two runs have the same samples; the same name may be given at another target.
fn same_data(one: &Run, other: &Run) -> bool {
    one.samples == other.samples
}

/// The map of the sample with this name.
pub(super) fn find<'a>(run: &'a Run, name: &str) -> Option<Explained<'a>> {
    run.explained().into_iter().find(|explained| name_of(run, explained).as_deref() == Some(name))
}

/// Name and target, which together tell samples of different data sets apart.
fn name_of(run: &Run, explained: &Explained) -> Option<String> {
    run.samples.get(explained.prediction.sample).map(|sample| format!("{}, {}", sample.name, sample.target))
}

/// The names of samples near these shares of the range of targets that every one of the runs explains.
pub(super) fn shared_samples(runs: &[&Run], shares: &[f64]) -> Vec<String> {
    let Some((first, rest)) = runs.split_first() else { return Vec::new() };
    let names = |run: &Run| -> std::collections::HashSet<String> {
        run.explained().iter().filter_map(|explained| name_of(run, explained)).collect()
    };
    let rest: Vec<_> = rest.iter().map(|run| names(run)).collect();
    let shared: Vec<(f64, String)> = first
        .explained()
        .iter()
        .filter_map(|explained| Some((explained.prediction.target, name_of(first, explained)?)))
        .filter(|(_, name)| rest.iter().all(|names| names.contains(name)))
        .collect();
    let mut chosen: Vec<String> = Vec::new();
    let (low, high) = first.shown_range();
    for target in shares.iter().map(|share| low + share * (high - low)) {
        let free = shared.iter().filter(|(_, name)| !chosen.iter().any(|known| known == name));
        let nearest = free.min_by(|a, b| (a.0 - target).abs().total_cmp(&(b.0 - target).abs()));
        chosen.extend(nearest.map(|(_, name)| name.clone()));
    }
    chosen
}
