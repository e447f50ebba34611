//! The mean of an ensemble's explanations beside its disagreement.

use super::kinds::{Drawn, Missing, StudyFigure};
use super::left_out::LeftOut;
use super::maps::{Bar, Field, beyond_years, color_bar, diverging, reach, sequential, significant};
use super::relevance_by_age::framed;
use super::same_pumpkin::{find, shared_samples};
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Run, Study};
use super::style::SMALL_SIZE;
use crate::metric::Moments;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "25_ensemble",
    title: "Ensemble: mean and disagreement",
    source: "relevance/*.npy, predictions.parquet, samples.parquet",
    caption: "Networks that differ by their seeds alone explain the same {images}: above the mean of their maps, below \
              its standard deviation, on one scale a row. Where the lower map is as strong as \
              the upper one, single explanations are not to be trusted.",
    draw,
};

/// Where in the range of targets the images lie that are shown: 22, 42, 60 and 78 years of pumpkins.
const SHARES: [f64; 4] = [2.0 / 60.0, 22.0 / 60.0, 40.0 / 60.0, 58.0 / 60.0];
const SIDE: f64 = 200.0;
const GAP: f64 = 14.0;
const SMALLER: &str = "because one ensemble is shown, the largest or first";

fn draw(study: &Study) -> Drawn {
    let missing = Missing("maps of the same images in several runs that differ by seeds alone");
    let groups = study.groups();
    let ensembles: Vec<_> = groups
        .iter()
        .filter_map(|(label, runs)| {
            let runs: Vec<&Run> = runs.iter().copied().filter(|run| run.maps.is_some()).collect();
            let shared = shared_samples(&runs, &SHARES);
            (runs.len() > 1 && !shared.is_empty()).then_some((label, runs, shared))
        })
        .collect();
    // The largest ensemble, the first of several.
    let (label, runs, shared) = ensembles.iter().rev().max_by_key(|(_, runs, _)| runs.len()).ok_or(missing)?;
    let mut left_out = LeftOut::default();
    left_out.add(SMALLER, ensembles.iter().map(|(other, ..)| (*other).clone()).filter(|other| other != *label));
    let words = runs[0].words();
    let told = |value: f64| if words.pumpkins { format!("{value:.1}") } else { significant(value) };
    let columns: Vec<(String, Field, Field)> = shared
        .iter()
        .filter_map(|name| {
            let explained: Vec<_> = runs.iter().filter_map(|run| find(run, name)).collect();
            let moments = Moments::of(explained.iter().map(|e| e.relevance));
            let mut predictions: Vec<f64> = explained.iter().map(|e| e.prediction.prediction).collect();
            predictions.sort_by(f64::total_cmp);
            let (low, high) = (predictions.first()?, predictions.last()?);
            let first = explained.first()?;
            let title =
                format!("{}, predicted {} to {}", words.value(first.prediction.target), told(*low), told(*high));
            let (height, width) = (first.relevance.height, first.relevance.width);
            let field = |values: Vec<f64>| Field { height, width, values };
            Some((title, field(moments.mean().to_vec()), field(moments.deviation())))
        })
        .collect();
    let mean_reach = reach(columns.iter().flat_map(|(_, mean, _)| &mean.values));
    let deviation_reach = reach(columns.iter().flat_map(|(_, _, deviation)| &deviation.values));
    let width = GAP + columns.len() as f64 * (SIDE + GAP);
    let below = 96.0 + 2.0 * (SIDE + 34.0);
    let mut sheet = Sheet::new(width + 110.0 + beyond_years(&runs[0].unit), below + left_out.height(width));
    let setting = if label.is_empty() { String::new() } else { format!(" · {label}") };
    sheet.title(&format!("{} networks: mean relevance and its standard deviation{setting}", runs.len()));
    let unit = |quantity: &str| runs[0].relevance(quantity);
    let (upper, lower) = (72.0, 72.0 + SIDE + 44.0);
    for (column, (title, mean, deviation)) in columns.iter().enumerate() {
        let left = GAP + column as f64 * (SIDE + GAP);
        sheet.text(left + 0.5 * SIDE, upper - 8.0, title, Lettering::centred().size(SMALL_SIZE));
        framed(&mut sheet, Area::new(left, upper, SIDE, SIDE), diverging(mean, mean_reach));
        framed(&mut sheet, Area::new(left, lower, SIDE, SIDE), sequential(deviation, deviation_reach));
    }
    color_bar(&mut sheet, Area::new(width + 10.0, upper, 14.0, SIDE), Bar::Diverging, mean_reach, &unit("mean"));
    color_bar(&mut sheet, Area::new(width + 10.0, lower, 14.0, SIDE), Bar::Sequential, deviation_reach, &unit("SD"));
    left_out.write(&mut sheet, (GAP, below - 8.0), width);
    Ok(sheet)
}
