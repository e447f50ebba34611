//! The scores of all settings as a coloured table.

use indexmap::IndexSet;

use super::fit::mean_interval;
use super::kinds::{Drawn, Missing, StudyFigure};
use super::left_out::LeftOut;
use super::maps::significant;
use super::sheet::{Area, Lettering, Sheet};
use super::study::Study;
use super::style::{BLACK, LETTER, SMALL_SIZE};
use crate::metric::{Direction, about};

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "23_score_table",
    title: "Scores of all settings",
    source: "runs.parquet",
    caption: "The mean of each score over the seeds of each setting, under its name in the tables. Blue: within a column, \
              darker is better; an arrow or a number after the name says which values are better. Grey: scores that describe, \
              for which darker is higher.",
    draw,
};

const MAX_ROWS: usize = 40;
const TOO_MANY: &str = "because a table of more settings cannot be read";
const CELL_WIDTH: f64 = 64.0;
const CELL_HEIGHT: f64 = 26.0;
/// Degrees by which the names of scores are turned.
const TURN: f64 = -40.0;

fn draw(study: &Study) -> Drawn {
    let groups = study.compared();
    let metrics: Vec<String> = metric_names(study);
    if groups.len() < 2 || metrics.is_empty() {
        return Err(Missing("several settings with scores"));
    }
    let rows: Vec<(&str, Vec<Option<f64>>)> = groups
        .iter()
        .take(MAX_ROWS)
        .map(|(label, runs)| {
            let mean = |metric: &String| mean_interval(runs.iter().filter_map(|run| run.score(metric))).map(|m| m.0);
            (label.as_str(), metrics.iter().map(mean).collect())
        })
        .collect();
    let labels = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) as f64 * LETTER + 24.0;
    // The turned names of scores need room above, and the last ones to the right.
    let reach = |metric: &String| (metric.chars().count() + 4) as f64 * LETTER;
    let head = metrics.iter().map(reach).fold(0.0, f64::max) * -TURN.to_radians().sin() + 56.0;
    let right = |(column, metric): (usize, &String)| {
        (column as f64 + 0.5) * CELL_WIDTH + reach(metric) * TURN.to_radians().cos()
    };
    let right = metrics.iter().enumerate().map(right).fold(metrics.len() as f64 * CELL_WIDTH, f64::max);
    let width = labels + right + 14.0;
    let mut left_out = LeftOut::default();
    left_out.add(TOO_MANY, groups.iter().skip(MAX_ROWS).map(|(label, _)| label.clone()));
    let width = width.max(420.0);
    let below = head + rows.len() as f64 * CELL_HEIGHT;
    let mut sheet = Sheet::new(width, below + 30.0 + left_out.height(width - 28.0));
    sheet.title("Scores of all settings");
    let small = || Lettering::default().size(SMALL_SIZE);
    for (column, metric) in metrics.iter().enumerate() {
        let left = labels + column as f64 * CELL_WIDTH;
        let direction = about(metric).map_or(Direction::None, |about| about.direction);
        let name = format!("{metric}{}", better(direction));
        sheet.text(left + 0.5 * CELL_WIDTH, head - 8.0, &name, small().turned(TURN));
        let values: Vec<Option<f64>> = rows.iter().map(|(_, row)| row[column]).collect();
        // The darker, the better.
        let order = |value: f64| match direction {
            Direction::Lower => -value,
            Direction::Towards(aim) => -(value - aim).abs(),
            Direction::Higher | Direction::None => value,
        };
        let known = || values.iter().flatten().map(|&value| order(value));
        let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        for (row, value) in values.iter().enumerate() {
            let area = Area::new(left, head + row as f64 * CELL_HEIGHT, CELL_WIDTH - 2.0, CELL_HEIGHT - 2.0);
            let share = value.map_or(0.0, |v| if high > low { (order(v) - low) / (high - low) } else { 0.0 });
            sheet.rect(area, &shade(share, if direction == Direction::None { GREYS } else { BLUES }));
            let ink = if share > 0.6 { "#FFFFFF" } else { BLACK };
            let text = value.map_or_else(|| "–".to_owned(), three_digits);
            let lettering = Lettering::centred().size(SMALL_SIZE).color(ink);
            sheet.text(area.left + 0.5 * area.width, area.top + 16.5, &text, lettering);
        }
    }
    for (row, (label, _)) in rows.iter().enumerate() {
        let lettering = Lettering::ending().size(SMALL_SIZE);
        sheet.text(labels - 10.0, head + row as f64 * CELL_HEIGHT + 16.5, label, lettering);
    }
    left_out.write(&mut sheet, (14.0, below + 8.0), width - 28.0);
    Ok(sheet)
}

/// The scores of runs in their order, those of training and validation left out.
fn metric_names(study: &Study) -> Vec<String> {
    let of_runs = study.runs.iter().flat_map(|run| &run.scores);
    let whole = of_runs.filter(|score| score.sample.is_none() && score.sign.is_none() && score.value.is_finite());
    let names: IndexSet<&str> = whole.map(|score| &*score.metric).collect();
    let shown = names.into_iter().filter(|name| !name.starts_with("train_") && !name.starts_with("val_"));
    shown.map(str::to_owned).collect()
}

fn three_digits(value: f64) -> String {
    if value.abs() >= 100.0 || value == 0.0 {
        significant(value)
    } else {
        format!("{value:.2}").replace('-', "\u{2212}")
    }
}

/// What follows a score's name: which values are better.
fn better(direction: Direction) -> String {
    match direction {
        Direction::Lower => " ↓".to_owned(),
        Direction::Higher => " ↑".to_owned(),
        Direction::Towards(aim) => format!(" → {}", significant(aim)),
        Direction::None => String::new(),
    }
}

/// Red, green and blue of the lightest and of the darkest shade.
type Shades = [[f64; 3]; 2];
const BLUES: Shades = [[240.0, 245.0, 250.0], [8.0, 69.0, 148.0]];
const GREYS: Shades = [[246.0, 246.0, 246.0], [82.0, 82.0, 82.0]];

fn shade(share: f64, [light, dark]: Shades) -> String {
    let [red, green, blue] = [0, 1, 2].map(|channel| {
        let (light, dark): (f64, f64) = (light[channel], dark[channel]);
        (light + share * (dark - light)).round() as u8
    });
    format!("#{red:02X}{green:02X}{blue:02X}")
}
