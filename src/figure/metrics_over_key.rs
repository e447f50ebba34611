//! Scores over what was varied, with intervals over repetitions.

use super::chart::{Axis, Chart, LEGEND_LINE, legend};
use super::fit::mean_interval;
use super::registry::{Drawn, Missing, StudyFigure};
use super::sheet::{Area, Sheet};
use super::study::{Run, Study, Value, is_seed};
use super::style::series;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "20_metrics_over_settings",
    title: "Scores over settings",
    source: "runs.parquet",
    caption: "Each score over each varied setting: every run a point, the mean over runs that differ by seeds alone, \
              and its 95 % interval by Student's t.",
    draw,
};

/// The scores that are shown, where they are known, with how they are called.
const METRICS: [(&str, &str); 5] = [
    ("test_mae", "test MAE in years"),
    ("test_r2", "test R²"),
    ("test_accuracy", "test accuracy"),
    ("test_residual_slope", "slope of residuals"),
    ("relevance_zero_crossing", "relevance is zero at (years)"),
];
const MAX_KEYS: usize = 3;
const MAX_SERIES: usize = 7;
/// With axes and labels.
const PANEL_WIDTH: f64 = 440.0;
const PANEL_HEIGHT: f64 = 300.0;
/// Intervals widen the axis by this many times the extent of the points at most: those of two runs are huge.
const WIDEST: f64 = 0.5;
/// How far series stand apart at one place, as a share of the distance between places.
const DODGE: f64 = 0.08;

fn draw(study: &Study) -> Drawn {
    let keys: Vec<&str> = study.varied_keys().into_iter().take(MAX_KEYS).collect();
    let known = |metric: &str| study.runs.iter().any(|run| run.score(metric).is_some_and(f64::is_finite));
    let metrics: Vec<(&str, &str)> = METRICS.into_iter().filter(|(metric, _)| known(metric)).collect();
    if keys.is_empty() || metrics.is_empty() {
        return Err(Missing("runs that differ by more than seeds"));
    }
    let series_of = |key: &str| {
        let names = names(study, key);
        names.into_iter().enumerate().map(|(index, name)| (name, series(index))).collect::<Vec<_>>()
    };
    let entries: Vec<Vec<(String, &str)>> = keys.iter().map(|key| series_of(key)).collect();
    // A column for each key; with one key, its panels stand in two columns.
    let columns = if keys.len() == 1 { metrics.len().min(2) } else { keys.len() };
    let rows = (keys.len() * metrics.len()).div_ceil(columns);
    let lines = entries.iter().map(Vec::len).filter(|&lines| lines > 1).max().unwrap_or(0) as f64;
    let below = 56.0 + PANEL_HEIGHT * rows as f64;
    let mut sheet = Sheet::new(40.0 + PANEL_WIDTH * columns as f64, below + LEGEND_LINE * lines);
    sheet.title("Scores over settings");
    let left = |column: usize| 66.0 + PANEL_WIDTH * column as f64;
    for (place, (metric, key)) in
        metrics.iter().flat_map(|metric| (0..keys.len()).map(move |key| (metric, key))).enumerate()
    {
        let top = 82.0 + PANEL_HEIGHT * (place / columns) as f64;
        let places = Places::of(study, keys[key]);
        let area = Area::new(left(place % columns), top, 350.0, 198.0);
        panel(study, keys[key], &places, &entries[key], *metric).draw(&mut sheet, area);
    }
    for (column, entries) in entries.iter().enumerate().filter(|(_, entries)| entries.len() > 1) {
        legend(&mut sheet, left(column), below, entries);
    }
    Ok(sheet)
}

/// Where the values of a key stand on its axis.
struct Places {
    values: Vec<Value>,
    /// The values are numbers, and stand where they are.
    numeric: bool,
    /// Smallest distance between two places.
    distance: f64,
}

impl Places {
    fn of(study: &Study, key: &str) -> Self {
        let mut values: Vec<Value> = Vec::new();
        for value in study.runs.iter().filter_map(|run| value(run, key)) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        let mut numbers: Vec<f64> = values.iter().filter_map(number).collect();
        numbers.sort_by(f64::total_cmp);
        let numeric = numbers.len() == values.len();
        let distance = numbers.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        Self { values, numeric, distance: if numeric && distance.is_finite() { distance } else { 1.0 } }
    }

    fn place(&self, value: &Value) -> f64 {
        match number(value) {
            Some(number) if self.numeric => number,
            _ => self.values.iter().position(|known| known == value).unwrap_or(0) as f64 + 1.0,
        }
    }

    fn axis(&self, key: &str) -> Axis {
        if self.numeric {
            let places = self.values.iter().filter_map(number);
            Axis::around(key, places.flat_map(|at| [at - 0.3 * self.distance, at + 0.3 * self.distance]))
        } else {
            Axis::of_names(key, self.values.iter().map(Value::to_string).collect())
        }
    }
}

fn value<'a>(run: &'a Run, key: &str) -> Option<&'a Value> {
    run.varied.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Text(_) => None,
    }
}

/// What else was varied in a run, seeds left out: the series it belongs to.
fn others(run: &Run, key: &str) -> String {
    let others = run.varied.iter().filter(|(known, _)| known != key && !is_seed(known));
    others.map(|(key, value)| format!("{} {value}", run.called(key))).collect::<Vec<_>>().join(", ")
}

/// The series of a key's panels.
fn names(study: &Study, key: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for run in &study.runs {
        let name = others(run, key);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(MAX_SERIES);
    names
}

fn panel(
    study: &Study,
    key: &str,
    places: &Places,
    entries: &[(String, &str)],
    (metric, label): (&str, &str),
) -> Chart {
    let scores: Vec<f64> = study.runs.iter().filter_map(|run| run.score(metric)).filter(|v| v.is_finite()).collect();
    let ends = scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let room = (WIDEST * (ends.1 - ends.0)).max(1e-9 * ends.1.abs());
    let mut series = Vec::new();
    for (index, (name, color)) in entries.iter().enumerate() {
        let shift = (index as f64 - 0.5 * (entries.len() - 1) as f64) * DODGE * places.distance;
        let (mut dots, mut means, mut intervals) = (Vec::new(), Vec::new(), Vec::new());
        for at in &places.values {
            let members = study.runs.iter().filter(|run| value(run, key) == Some(at) && others(run, key) == *name);
            let scores: Vec<f64> = members.filter_map(|run| run.score(metric)).filter(|v| v.is_finite()).collect();
            let x = places.place(at) + shift;
            dots.extend(scores.iter().map(|&score| (x, score)));
            if let Some((mean, interval)) = mean_interval(scores) {
                means.push((x, mean));
                let cut = |v: f64| v.clamp(ends.0 - room, ends.1 + room);
                intervals.extend(interval.map(|(low, high)| (x, cut(low), cut(high))));
            }
        }
        means.sort_by(|a, b| a.0.total_cmp(&b.0));
        series.push((*color, dots, means, intervals));
    }
    let reached =
        series.iter().flat_map(|(_, _, _, intervals)| intervals.iter().flat_map(|&(_, low, high)| [low, high]));
    let mut chart = Chart::new(places.axis(key), Axis::around(label, scores.iter().copied().chain(reached)));
    for (color, dots, means, intervals) in &series {
        chart = chart.points(dots, color, 2.0, None).intervals(intervals, color).points(means, color, 4.0, None);
        if places.numeric {
            chart = chart.line(means, color, 1.6, None);
        }
    }
    chart
}
