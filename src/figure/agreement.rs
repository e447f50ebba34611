//! How far networks agree that differ by their seeds alone, for every setting.

use super::chart::{Axis, Chart};
use super::kinds::{Drawn, Missing, StudyFigure};
use super::left_out::LeftOut;
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Ensemble, Study};
use super::style::{BLUE, LETTER, PALE, SMALL_SIZE};
use crate::metric::statistics::mean_of_defined;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "26_agreement",
    title: "Agreement of ensembles",
    source: "ensembles.parquet, ensemble_samples.parquet",
    caption: "Networks that differ by their seeds alone explain the same images: the rank correlation of their maps \
              (higher is better), the standard deviation of their relevance over its size (lower is better; beyond 1 \
              they differ by more than they say), and that of their predictions. An image a pale dot, their mean a blue \
              one.",
    draw,
};

/// What is shown, with how it is called.
const SCORES: [(&str, &str); 3] = [
    ("ensemble_spearman", "rank correlation of maps"),
    ("ensemble_relative_sd", "SD of relevance over mean |R|"),
    ("ensemble_prediction_sd", "SD of predictions in {unit}"),
];
const MAX_ROWS: usize = 24;
const TOO_MANY: &str = "because more rows cannot be read";
const ROW: f64 = 34.0;
const PANEL: f64 = 250.0;
const GAP: f64 = 44.0;
/// How far dots of a row are scattered, as a share of its height.
const SCATTER: f64 = 0.5;

fn draw(study: &Study) -> Drawn {
    let ensembles: Vec<&Ensemble> = study.ensembles.iter().take(MAX_ROWS).collect();
    let known = |name: &str| ensembles.iter().any(|ensemble| ensemble.score(name).iter().any(|v| v.is_finite()));
    let shown: Vec<(&str, &str)> = SCORES.into_iter().filter(|(name, _)| known(name)).collect();
    if shown.is_empty() {
        return Err(Missing("several runs that differ by seeds alone and explain the same images"));
    }
    let labels: Vec<String> = ensembles.iter().map(|ensemble| label(ensemble)).collect();
    let letters = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) as f64;
    let left = (letters * LETTER + 30.0).min(460.0);
    let height = ROW * ensembles.len() as f64;
    let mut left_out = LeftOut::default();
    left_out.add(TOO_MANY, study.ensembles.iter().skip(MAX_ROWS).map(label));
    let width = left + shown.len() as f64 * (PANEL + GAP);
    let mut sheet = Sheet::new(width, height + 130.0 + left_out.height(width - 28.0));
    sheet.title("Agreement of networks that differ by their seeds alone");
    let top = 56.0;
    for (row, label) in labels.iter().enumerate() {
        let middle = top + ROW * (row as f64 + 0.5);
        sheet.text(left - 14.0, middle + 4.0, label, Lettering::ending().size(SMALL_SIZE));
    }
    for (column, (name, title)) in shown.iter().enumerate() {
        let area = Area::new(left + column as f64 * (PANEL + GAP), top, PANEL, height);
        panel(&ensembles, name, &title.replace("{unit}", study.words().target.unit_name())).draw(&mut sheet, area);
    }
    left_out.write(&mut sheet, (14.0, height + 118.0), width - 28.0);
    Ok(sheet)
}

fn label(ensemble: &Ensemble) -> String {
    let members = format!("{} networks", ensemble.members);
    if ensemble.label.is_empty() { members } else { format!("{}: {members}", ensemble.label) }
}

fn panel(ensembles: &[&Ensemble], name: &str, title: &str) -> Chart {
    let rows = ensembles.len() as f64;
    let values = ensembles.iter().flat_map(|ensemble| ensemble.score(name)).copied();
    let mut chart = Chart::new(Axis::around(title, values), Axis::new("", 0.0, rows).step(1.0).unlabelled());
    for (row, ensemble) in ensembles.iter().enumerate() {
        // The first row is the uppermost.
        let middle = rows - row as f64 - 0.5;
        let scores = ensemble.score(name);
        let dots: Vec<(f64, f64)> = scores
            .iter()
            .enumerate()
            .filter(|(_, score)| score.is_finite())
            .map(|(index, &score)| (score, middle + SCATTER * ((index as f64 * 0.618_034).fract() - 0.5)))
            .collect();
        let mean = mean_of_defined(scores.iter().copied());
        chart = chart.points(&dots, PALE, 2.0, None);
        if mean.is_finite() {
            chart = chart.points(&[(mean, middle)], BLUE, 5.0, None);
        }
    }
    chart
}
