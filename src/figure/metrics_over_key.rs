//! Scores over what was varied, with intervals over repetitions.

use super::chart::{Axis, Chart, LEGEND_LINE, legend};
use super::fit::mean_interval;
use super::kinds::{Drawn, Missing, StudyFigure};
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Run, Study, Value};
use super::style::{LETTER, SMALL_SIZE, series};
use crate::plan::is_seed;

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
/// More places than these are not told apart.
const MAX_NAMES: usize = 40;
/// Plot area of a panel.
const WIDTH: f64 = 350.0;
const HEIGHT: f64 = 198.0;
/// Room for the labels of axes: left of a panel, right of it, and above and below it together.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 26.0;
const BETWEEN: f64 = 102.0;
/// Height of a name that stands beside its panel.
const NAME_HEIGHT: f64 = 18.0;
/// Intervals widen the axis by this many times the extent of the points at most: those of two runs are huge.
const WIDEST: f64 = 0.5;
/// How far series stand apart at one place, as a share of the distance between places; beside names these are near.
const DODGE: f64 = 0.08;
const DODGE_BESIDE: f64 = 0.3;

fn draw(study: &Study) -> Drawn {
    let known = |metric: &str| study.runs.iter().any(|run| run.score(metric).is_some_and(f64::is_finite));
    let metrics: Vec<(&str, &str)> = METRICS.into_iter().filter(|(metric, _)| known(metric)).collect();
    let columns = columns(study);
    if columns.is_empty() || metrics.is_empty() {
        return Err(Missing("runs that differ by more than seeds"));
    }
    // A column for each key; with one key, its panels stand in two columns.
    let beside = if let [only] = &columns[..] { vec![only; metrics.len().min(2)] } else { columns.iter().collect() };
    let lefts: Vec<f64> = (0..beside.len()).map(|at| beside[..at].iter().map(|column| column.width()).sum()).collect();
    let height = columns.iter().map(Column::height).fold(HEIGHT, f64::max) + BETWEEN;
    let below = 56.0 + height * (columns.len() * metrics.len()).div_ceil(beside.len()) as f64;
    let lines = columns.iter().map(Column::legend_lines).max().unwrap_or(0) as f64;
    let width: f64 = beside.iter().map(|column| column.width()).sum();
    let mut sheet = Sheet::new(width, below + LEGEND_LINE * lines);
    sheet.title("Scores over settings");
    for (place, (metric, column)) in
        metrics.iter().flat_map(|metric| columns.iter().map(move |column| (metric, column))).enumerate()
    {
        let left = lefts[place % beside.len()] + column.left();
        let top = 82.0 + height * (place / beside.len()) as f64;
        column.panel(study, *metric).draw(&mut sheet, Area::new(left, top, WIDTH, column.height()));
    }
    for (column, left) in columns.iter().zip(&lefts).filter(|(column, _)| column.legend_lines() > 0) {
        legend(&mut sheet, left + LEFT, below, &column.series);
        if column.left_out > 0 {
            let y = below + 4.5 + LEGEND_LINE * column.series.len() as f64;
            let note = format!("{} more in runs.parquet", column.left_out);
            sheet.text(left + LEFT, y, &note, Lettering::default().size(SMALL_SIZE));
        }
    }
    Ok(sheet)
}

/// The panels of one key.
struct Column<'a> {
    key: &'a str,
    places: Places,
    /// What else was varied in the runs that have the key, each with its colour.
    series: Vec<(String, &'static str)>,
    /// How many more series there are.
    left_out: usize,
}

/// A column for each key over which scores can be compared.
fn columns(study: &Study) -> Vec<Column<'_>> {
    let mut columns: Vec<Column> = study.varied_keys().into_iter().map(|key| Column::of(study, key)).collect();
    // A key that only some runs have, all with one value, tells nothing unless there is no other.
    if columns.iter().any(|column| column.places.values.len() > 1) {
        columns.retain(|column| column.places.values.len() > 1);
    }
    columns.truncate(MAX_KEYS);
    columns
}

impl<'a> Column<'a> {
    fn of(study: &Study, key: &'a str) -> Self {
        let mut names: Vec<String> = Vec::new();
        for run in study.runs.iter().filter(|run| value(run, key).is_some()) {
            let name = others(study, run, key);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let left_out = names.len().saturating_sub(MAX_SERIES);
        names.truncate(MAX_SERIES);
        let series = names.into_iter().enumerate().map(|(index, name)| (name, series(index))).collect();
        Self { key, places: Places::of(study, key), series, left_out }
    }

    fn legend_lines(&self) -> usize {
        if self.series.len() > 1 { self.series.len() + usize::from(self.left_out > 0) } else { 0 }
    }

    /// Room left of a panel.
    fn left(&self) -> f64 {
        if self.places.lying { self.places.longest() as f64 * LETTER + 24.0 } else { LEFT }
    }

    fn width(&self) -> f64 {
        self.left() + WIDTH + RIGHT
    }

    /// Of a panel's plot area.
    fn height(&self) -> f64 {
        if self.places.lying { (self.places.values.len() as f64 * NAME_HEIGHT).max(HEIGHT) } else { HEIGHT }
    }

    fn panel(&self, study: &Study, (metric, label): (&str, &str)) -> Chart {
        let scores = |runs: &[&Run]| -> Vec<f64> {
            runs.iter().filter_map(|run| run.score(metric)).filter(|score| score.is_finite()).collect()
        };
        let having: Vec<&Run> = study.runs.iter().filter(|run| value(run, self.key).is_some()).collect();
        let all = scores(&having);
        let ends = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        let room = (WIDEST * (ends.1 - ends.0)).max(1e-9 * ends.1.abs());
        let named: Vec<(String, &Run)> = having.into_iter().map(|run| (others(study, run, self.key), run)).collect();
        // For each series what it has at every place: dots, means and intervals, as (place, score).
        let dodge = if self.places.lying { -DODGE_BESIDE } else { DODGE };
        let mut drawn = vec![(Vec::new(), Vec::new(), Vec::new()); self.series.len()];
        for at in &self.places.values {
            let there = named.iter().filter(|(_, run)| value(run, self.key) == Some(at));
            let mut members = vec![Vec::new(); self.series.len()];
            for (name, run) in there {
                if let Some(index) = self.series.iter().position(|(known, _)| known == name) {
                    members[index].push(*run);
                }
            }
            let members: Vec<(usize, Vec<f64>)> = members.iter().map(|runs| scores(runs)).enumerate().collect();
            let members: Vec<_> = members.into_iter().filter(|(_, scores)| !scores.is_empty()).collect();
            let middle = 0.5 * members.len().saturating_sub(1) as f64;
            for (beside, (index, scores)) in members.iter().enumerate() {
                let (dots, means, intervals) = &mut drawn[*index];
                let x = self.places.place(at) + (beside as f64 - middle) * dodge * self.places.distance;
                dots.extend(scores.iter().map(|&score| (x, score)));
                if let Some((mean, interval)) = mean_interval(scores.iter().copied()) {
                    means.push((x, mean));
                    let cut = |v: f64| v.clamp(ends.0 - room, ends.1 + room);
                    intervals.extend(interval.map(|(low, high)| [(x, cut(low)), (x, cut(high))]));
                }
            }
        }
        let reached = drawn.iter().flat_map(|(_, _, intervals)| intervals.iter().flatten().map(|point| point.1));
        let score_axis = Axis::around(label, all.iter().copied().chain(reached));
        let key_axis = self.places.axis(self.key);
        let turned = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            points
                .iter()
                .map(|&(place, score)| if self.places.lying { (score, place) } else { (place, score) })
                .collect()
        };
        let mut chart = if self.places.lying {
            Chart::new(score_axis, Axis { label: String::new(), ..key_axis })
        } else {
            Chart::new(key_axis, score_axis)
        };
        for ((dots, means, intervals), (_, color)) in drawn.iter_mut().zip(&self.series) {
            means.sort_by(|a, b| a.0.total_cmp(&b.0));
            chart = chart.points(&turned(dots), color, 2.0, None);
            for interval in intervals {
                chart = chart.line(&turned(interval), color, 1.6, None);
            }
            chart = chart.points(&turned(means), color, 4.0, None);
            if self.places.numeric {
                chart = chart.line(means, color, 1.6, None);
            }
        }
        chart
    }
}

/// Where the values of a key stand on its axis.
struct Places {
    values: Vec<Value>,
    /// The values are numbers, and stand where they are.
    numeric: bool,
    /// Smallest distance between two places.
    distance: f64,
    /// The names of the values do not fit below an axis: they stand beside one, the first above.
    lying: bool,
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
        if !numeric {
            values.truncate(MAX_NAMES);
        }
        let distance = numbers.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let distance = if numeric && distance.is_finite() { distance } else { 1.0 };
        let places = Self { values, numeric, distance, lying: false };
        let lying = !numeric && (places.longest() + 1) as f64 * LETTER > WIDTH / places.values.len() as f64;
        Self { lying, ..places }
    }

    /// Letters of the longest name.
    fn longest(&self) -> usize {
        self.values.iter().map(|value| value.to_string().chars().count()).max().unwrap_or(0)
    }

    fn place(&self, value: &Value) -> f64 {
        match number(value) {
            Some(number) if self.numeric => number,
            _ => {
                let index = self.values.iter().position(|known| known == value).unwrap_or(0);
                (if self.lying { self.values.len() - index } else { index + 1 }) as f64
            }
        }
    }

    fn axis(&self, key: &str) -> Axis {
        if self.numeric {
            let places = self.values.iter().filter_map(number);
            return Axis::around(key, places.flat_map(|at| [at - 0.3 * self.distance, at + 0.3 * self.distance]));
        }
        let mut names: Vec<String> = self.values.iter().map(Value::to_string).collect();
        if self.lying {
            names.reverse();
        }
        Axis::of_names(key, names)
    }
}

fn value<'a>(run: &'a Run, key: &str) -> Option<&'a Value> {
    run.varied.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Number(number) => Some(*number),
        Value::Text(_) => None,
    }
}

/// What else was varied in a run, seeds left out: the series it belongs to. Where it has nothing of what others have, that
/// is said: "no target_bias".
fn others(study: &Study, run: &Run, key: &str) -> String {
    let others = run.varied.iter().filter(|(known, _)| known != key && !is_seed(known));
    let own = others.map(|(key, value)| format!("{} {value}", run.called(key))).collect::<Vec<_>>().join(", ");
    let lacking: Vec<&str> = study.varied_keys().into_iter().filter(|other| *other != key).collect();
    if own.is_empty() && !lacking.is_empty() {
        return format!("no {}", lacking.iter().map(|key| run.called(key)).collect::<Vec<_>>().join(", "));
    }
    own
}
