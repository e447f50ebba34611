//! Scores over what was varied, with intervals over repetitions.

use super::chart::{Axis, Chart, LEGEND_LINE, legend};
use super::fit::mean_interval;
use super::kinds::{Drawn, Missing, StudyFigure};
use super::left_out::LeftOut;
use super::places::{Places, value};
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Part, Run, Study, Value};
use super::style::{DOTTED, GREY, LETTER, series};
use crate::task::Task;
use indexmap::IndexSet;

pub(super) const FIGURE: StudyFigure = StudyFigure {
    name: "20_metrics_over_settings",
    title: "Scores over settings",
    source: "runs.parquet",
    caption: "Each score over each varied setting that can change it: every network (or explanation) a point, the mean over \
              those that differ by seeds alone, and its 95 % interval by Student's t, dashed where it reaches beyond the panel. \
              Dotted lines: the range of the targets; relevance that is zero outside of it is an extrapolation.",
    draw,
};

/// The scores that are shown, where they are known, with how they are called and what they depend on.
const METRICS: [(&str, &str, Part); 5] = [
    ("test_mae", "test MAE in {unit}", Part::Network),
    ("test_r2", "test R²", Part::Network),
    ("test_accuracy", "test accuracy", Part::Network),
    ("test_residual_slope", "slope of residuals", Part::Network),
    (ZERO, "relevance is zero at ({unit})", Part::Explanation),
];
/// The prediction at which relevance adds up to zero.
const ZERO: &str = "relevance_zero_crossing";
/// The same for classes, whose relevance is in logits.
const ZERO_OF_CLASSES: &str = "relevance is zero at (logit)";
const MAX_KEYS: usize = 3;
const MAX_SERIES: usize = 7;
const TOO_MANY_KEYS: &str = "because no more settings fit beside each other";
const TOO_MANY_SERIES: &str = "because no more series can be told apart";
const TOO_MANY_NAMES: &str = "because no more names fit on an axis";
/// Space between the scores of networks and those of explanations, with a heading.
const HEADING: f64 = 46.0;
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
    let blocks = blocks(study);
    if blocks.is_empty() {
        return Err(Missing("runs that differ by more than seeds"));
    }
    let width = blocks.iter().map(Block::width).fold(0.0, f64::max);
    let headed = blocks.len() > 1;
    let heading = if headed { HEADING } else { 0.0 };
    let all: f64 = blocks.iter().map(|block| heading + block.height(width)).sum();
    let mut sheet = Sheet::new(width, 56.0 + all);
    sheet.title("Scores over settings");
    let mut top = 56.0;
    for block in &blocks {
        if headed {
            let what = if block.part == Part::Network { "Scores of networks" } else { "Scores of explanations" };
            sheet.text(14.0, top + 10.0, what, Lettering::default());
        }
        top += heading;
        block.draw(&mut sheet, top, width);
        top += block.height(width);
    }
    Ok(sheet)
}

/// Scores that depend on the same settings, over each of these.
struct Block<'a> {
    part: Part,
    /// The runs whose networks, or explanations, differ.
    runs: Vec<&'a Run>,
    metrics: Vec<(&'static str, String)>,
    columns: Vec<Column<'a>>,
    left_out: LeftOut,
}

/// Scores of networks and of explanations, apart where settings were varied that change explanations alone.
fn blocks(study: &Study) -> Vec<Block<'_>> {
    let keys = |part: Part| study.varied_keys().into_iter().filter(|key| part.depends_on(key)).collect::<Vec<_>>();
    let apart = keys(Part::Network) != keys(Part::Explanation);
    let parts = if apart { &[Part::Network, Part::Explanation][..] } else { &[Part::Explanation] };
    let block = |&part: &Part| {
        let runs = study.distinct(part);
        let known = |metric: &str| runs.iter().any(|run| run.score(metric).is_some_and(f64::is_finite));
        let classes = runs.iter().any(|run| run.task == Task::Classification);
        let words = study.words();
        let metrics: Vec<(&str, String)> = METRICS
            .into_iter()
            .filter(|(metric, _, of)| (!apart || *of == part) && known(metric))
            .map(|(metric, label, of)| {
                let label = if of == Part::Explanation && classes { ZERO_OF_CLASSES } else { label };
                (metric, label.replace("{unit}", words.target.unit_name()))
            })
            .collect();
        let (columns, left_out) = columns(&runs, keys(part));
        let compares = !apart || runs.len() > 1;
        (compares && !metrics.is_empty() && !columns.is_empty()).then_some(Block {
            part,
            runs,
            metrics,
            columns,
            left_out,
        })
    };
    parts.iter().filter_map(block).collect()
}

impl Block<'_> {
    /// A column for each key; with one key, its panels stand in two columns.
    fn beside(&self) -> Vec<&Column<'_>> {
        match &self.columns[..] {
            [only] => vec![only; self.metrics.len().min(2)],
            columns => columns.iter().collect(),
        }
    }

    fn width(&self) -> f64 {
        self.beside().iter().map(|column| column.width()).sum()
    }

    /// Of a row of panels.
    fn row(&self) -> f64 {
        self.columns.iter().map(Column::height).fold(HEIGHT, f64::max) + BETWEEN
    }

    /// Of all rows of panels.
    fn panels(&self) -> f64 {
        self.row() * (self.columns.len() * self.metrics.len()).div_ceil(self.beside().len()) as f64
    }

    fn legend(&self) -> f64 {
        LEGEND_LINE * self.columns.iter().map(Column::legend_lines).max().unwrap_or(0) as f64
    }

    fn height(&self, width: f64) -> f64 {
        self.panels() + self.legend() + self.left_out.height(width - LEFT)
    }

    fn draw(&self, sheet: &mut Sheet, top: f64, width: f64) {
        let beside = self.beside();
        let lefts: Vec<f64> =
            (0..beside.len()).map(|at| beside[..at].iter().map(|column| column.width()).sum()).collect();
        let panels = self.metrics.iter().flat_map(|metric| self.columns.iter().map(move |column| (metric, column)));
        for (place, (metric, column)) in panels.enumerate() {
            let left = lefts[place % beside.len()] + column.left();
            let top = top + 26.0 + self.row() * (place / beside.len()) as f64;
            let area = Area::new(left, top, WIDTH, column.height());
            column.panel(&self.runs, (metric.0, &metric.1)).draw(sheet, area);
        }
        let below = top + self.panels();
        for (column, left) in self.columns.iter().zip(&lefts).filter(|(column, _)| column.legend_lines() > 0) {
            legend(sheet, left + LEFT, below, &column.series);
        }
        self.left_out.write(sheet, (14.0, below + self.legend() - 8.0), width - LEFT);
    }
}

/// The panels of one key.
struct Column<'a> {
    key: &'a str,
    places: Places,
    /// All keys that were varied.
    keys: Vec<&'a str>,
    /// What else was varied in the runs that have the key, each with its colour.
    series: Vec<(String, &'static str)>,
}

/// A column for each key over which scores can be compared, and what there is no room for.
fn columns<'a>(runs: &[&'a Run], keys: Vec<&'a str>) -> (Vec<Column<'a>>, LeftOut) {
    let mut left_out = LeftOut::default();
    let mut columns: Vec<_> = keys.iter().map(|key| Column::of(runs, key, &keys)).collect();
    // A key that only some runs have, all with one value, tells nothing unless there is no other.
    if columns.iter().any(|(column, ..)| column.places.values.len() > 1) {
        columns.retain(|(column, ..)| column.places.values.len() > 1);
    }
    left_out.add(TOO_MANY_KEYS, columns.iter().skip(MAX_KEYS).map(|(column, ..)| column.key.to_owned()));
    columns.truncate(MAX_KEYS);
    let (mut series, mut names): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (column, more_series, more_names) in &columns {
        series.extend(more_series.iter().filter(|name| !series.contains(name)).cloned().collect::<Vec<_>>());
        names.extend(more_names.iter().map(|name| format!("{} {name}", column.key)));
    }
    left_out.add(TOO_MANY_SERIES, series);
    left_out.add(TOO_MANY_NAMES, names);
    (columns.into_iter().map(|(column, ..)| column).collect(), left_out)
}

impl<'a> Column<'a> {
    /// The column of a key, with the series and the values that there is no room for.
    fn of(runs: &[&Run], key: &'a str, keys: &[&'a str]) -> (Self, Vec<String>, Vec<Value>) {
        let with_value = runs.iter().filter(|run| value(run, key).is_some());
        let mut names: IndexSet<String> = with_value.map(|run| others(run, key, keys)).collect();
        let more_series = names.split_off(names.len().min(MAX_SERIES)).into_iter().collect();
        let series = names.into_iter().enumerate().map(|(index, name)| (name, series(index))).collect();
        let (places, more_values) = Places::of(runs, key, WIDTH);
        (Self { key, places, keys: keys.to_vec(), series }, more_series, more_values)
    }

    fn legend_lines(&self) -> usize {
        if self.series.len() > 1 { self.series.len() } else { 0 }
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

    /// The least and the largest target of all runs, where a score is a target to which relevance refers.
    fn ends_of_targets(&self, runs: &[&Run], metric: &str) -> Vec<f64> {
        let regressions = runs.iter().filter(|run| metric == ZERO && run.task == Task::Regression);
        let ranges: Vec<(f64, f64)> = regressions.filter_map(|run| run.range()).collect();
        if ranges.is_empty() {
            return Vec::new();
        }
        let low = ranges.iter().map(|range| range.0).fold(f64::INFINITY, f64::min);
        vec![low, ranges.iter().map(|range| range.1).fold(f64::NEG_INFINITY, f64::max)]
    }

    fn panel(&self, runs: &[&Run], (metric, label): (&str, &str)) -> Chart {
        let scores = |runs: &[&Run]| -> Vec<f64> {
            runs.iter().filter_map(|run| run.score(metric)).filter(|score| score.is_finite()).collect()
        };
        let having: Vec<&Run> = runs.iter().copied().filter(|run| value(run, self.key).is_some()).collect();
        let all = scores(&having);
        let ends = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        let room = (WIDEST * (ends.1 - ends.0)).max(1e-9 * ends.1.abs());
        let named: Vec<(String, &Run)> =
            having.into_iter().map(|run| (others(run, self.key, &self.keys), run)).collect();
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
                    let (lowest, highest) = (ends.0 - room, ends.1 + room);
                    intervals.extend(interval.map(|(low, high)| {
                        let whole = low >= lowest && high <= highest;
                        ([(x, low.max(lowest)), (x, high.min(highest))], whole)
                    }));
                }
            }
        }
        let reached =
            drawn.iter().flat_map(|(_, _, intervals)| intervals.iter().flat_map(|(ends, _)| ends.map(|point| point.1)));
        let score_axis = Axis::around(label, all.iter().copied().chain(reached));
        let score_range = score_axis.range;
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
        for end in self.ends_of_targets(runs, metric) {
            let inside = (score_range.0..=score_range.1).contains(&end);
            chart = match self.places.lying {
                _ if !inside => chart,
                true => chart.at_x(end, GREY, DOTTED),
                false => chart.at_y(end, GREY, DOTTED),
            };
        }
        for ((dots, means, intervals), (_, color)) in drawn.iter_mut().zip(&self.series) {
            means.sort_by(|a, b| a.0.total_cmp(&b.0));
            chart = chart.points(&turned(dots), color, 2.0, None);
            for (interval, whole) in intervals {
                let interval = turned(interval);
                chart = match whole {
                    true => chart.line(&interval, color, 1.6, None),
                    false => chart.dashed(&interval, color, 1.6, None),
                };
            }
            chart = chart.points(&turned(means), color, 4.0, None);
            if self.places.numeric {
                chart = chart.line(means, color, 1.6, None);
            }
        }
        chart
    }
}

/// What else of these `keys` was varied in a run: the series it belongs to. Where it has nothing of what others have, that is
/// said: "no target_bias".
fn others(run: &Run, key: &str, keys: &[&str]) -> String {
    let others = run.varied.iter().filter(|(known, _)| known != key && keys.contains(&known.as_str()));
    let own = others.map(|(key, value)| format!("{} {value}", run.called(key))).collect::<Vec<_>>().join(", ");
    let lacking: Vec<&str> = keys.iter().copied().filter(|other| *other != key).collect();
    if own.is_empty() && !lacking.is_empty() {
        return format!("no {}", lacking.iter().map(|key| run.called(key)).collect::<Vec<_>>().join(", "));
    }
    own
}
