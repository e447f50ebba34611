//! The scores of a results folder, by the values of a setting.

use std::collections::HashMap;
use std::path::Path;

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::{Comparison, Row, test};
use crate::plan::{Plan, PlannedRun};
use crate::tables::{Cells, Table, UnreadableTable};

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The setting, under its dotted key.
    pub by: &'a str,
    /// Scores by their names in measurements.parquet or runs.parquet.
    pub metrics: &'a [String],
    /// The value that others are compared with; the first one by default.
    pub baseline: Option<&'a str>,
}

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    #[error(transparent)]
    Table(#[from] UnreadableTable),
    #[error("{by} does not vary in this experiment")]
    NotVaried { by: String, varied: Vec<String> },
    #[error("no finished run has the score {metric}")]
    NoScore { metric: String, known: Vec<String> },
    #[error("{by} has no value {baseline}")]
    NoBaseline { by: String, baseline: String, values: Vec<String> },
}

/// Maps that explain nothing, by the ending of their scores.
const TRIVIAL: [(&str, &str); 4] =
    [("chance", "chance"), ("image", "the image itself"), ("edges", "its edges"), ("noise", "noise")];

/// The score of each replicate, with its seeds.
type Values = Vec<(String, f64)>;

/// What a run is among the others.
struct Place {
    by: String,
    /// The other settings that vary.
    within: String,
    /// Those of them that a network depends on.
    within_network: String,
    seeds: String,
}

/// Scores of predictions depend on the network alone, whatever explains it.
fn is_of_network(metric: &str) -> bool {
    metric == "output_bias" || ["train_", "val_", "test_"].iter().any(|split| metric.starts_with(split))
}

/// Whether a setting changes networks, and not just what is made of them.
fn changes_networks(key: &str) -> bool {
    !["explain.", "evaluate.", "heatmaps."].iter().any(|section| key.starts_with(section))
}

/// Compares the finished runs of an experiment.
///
/// # Errors
/// [`ComparisonError`] for a setting that does not vary, a score that no run has, or tables that cannot be read.
pub fn gather(folder: &Path, plan: &Plan, request: &Request) -> Result<Vec<Comparison>, ComparisonError> {
    let by = request.by;
    let places = places(plan, by)?;
    let values: IndexSet<&String> = places.values().map(|place| &place.by).collect();
    if let Some(baseline) = request.baseline.filter(|baseline| !values.iter().any(|value| value == baseline)) {
        let values = values.into_iter().cloned().collect();
        return Err(ComparisonError::NoBaseline { by: by.to_owned(), baseline: baseline.to_owned(), values });
    }
    let scores = Scores::read(folder)?;
    let mut comparisons = Vec::new();
    for metric in request.metrics {
        let found = scores.named(metric);
        if found.is_empty() {
            return Err(ComparisonError::NoScore { metric: metric.clone(), known: scores.names() });
        }
        for (sign, of_runs) in found {
            let mut blocks: IndexMap<&str, IndexMap<&str, Values>> = IndexMap::new();
            for (run, place) in &places {
                let Some(value) = of_runs.get(run.as_str()) else { continue };
                let within = if is_of_network(metric) { &place.within_network } else { &place.within };
                let values = blocks.entry(within).or_default().entry(&place.by).or_default();
                // Several explanations of a network repeat its scores.
                if !values.iter().any(|(seeds, _)| *seeds == place.seeds) {
                    values.push((place.seeds.clone(), *value));
                }
            }
            for (within, rows) in blocks {
                let mut rows: Vec<Row> =
                    rows.into_iter().map(|(name, values)| Row::new(name.to_owned(), false, values)).collect();
                rows.extend(trivial(&scores, metric, sign.as_deref(), &places, within));
                let (metric, sign) = (metric.clone(), sign.clone());
                comparisons.push(Comparison { metric, sign, within: within.to_owned(), rows });
            }
        }
    }
    test(&mut comparisons, request.baseline);
    Ok(comparisons)
}

/// What maps that explain nothing score, for each network once.
fn trivial(
    scores: &Scores,
    metric: &str,
    sign: Option<&str>,
    places: &IndexMap<String, Place>,
    within: &str,
) -> Vec<Row> {
    let base = metric.trim_end_matches(".positive").trim_end_matches(".absolute");
    let row = |(ending, name): &(&str, &str)| {
        let found = scores.named(&format!("{base}.{ending}"));
        let of_runs = found.iter().find(|(known, _)| known.as_deref() == sign).map(|(_, values)| values)?;
        // They are the same for all explanations of a network.
        let mut by_seeds: IndexMap<&str, f64> = IndexMap::new();
        for (run, place) in places.iter().filter(|(_, place)| place.within == within) {
            if let Some(value) = of_runs.get(run.as_str()) {
                by_seeds.entry(&place.seeds).or_insert(*value);
            }
        }
        let values: Vec<(String, f64)> = by_seeds.into_iter().map(|(seeds, value)| (seeds.to_owned(), value)).collect();
        (!values.is_empty()).then(|| Row::new((*name).to_owned(), true, values))
    };
    TRIVIAL.iter().filter_map(row).collect()
}

fn is_seed(key: &str) -> bool {
    key.ends_with(".seed") || key.ends_with("_seed")
}

/// Where each run stands, in the order of the plan.
fn places(plan: &Plan, by: &str) -> Result<IndexMap<String, Place>, ComparisonError> {
    let keys: IndexSet<&str> = plan.runs.iter().flat_map(|run| &run.settings).map(|(key, _)| key.as_str()).collect();
    let explained = plan.runs.iter().any(|run| run.explanation.is_some());
    let named = by == "explain.name" && explained;
    if !(keys.contains(by) || named) {
        let varied = keys.into_iter().filter(|key| !is_seed(key)).map(str::to_owned).collect();
        return Err(ComparisonError::NotVaried { by: by.to_owned(), varied });
    }
    let value = |run: &PlannedRun, key: &str| -> String {
        if key == "explain.name" {
            return run.explanation.clone().unwrap_or_else(|| "-".to_owned());
        }
        match run.settings.iter().find(|(known, _)| known == key).map(|(_, value)| value) {
            None | Some(Value::Null) => "-".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    };
    // A setting that has one value for each value of the compared one changes with it, and is part of the comparison.
    let changes_with = |key: &str| {
        let mut known: HashMap<String, String> = HashMap::new();
        plan.runs.iter().all(|run| known.entry(value(run, by)).or_insert_with(|| value(run, key)) == &value(run, key))
    };
    let rest: Vec<&str> = keys.into_iter().filter(|key| *key != by && !is_seed(key) && !changes_with(key)).collect();
    let place = |run: &PlannedRun| {
        let seeds = run.settings.iter().filter(|(key, _)| is_seed(key)).map(|(key, value)| format!("{key}={value}"));
        let told = |wanted: fn(&str) -> bool| {
            let keys = rest.iter().filter(|key| wanted(key)).map(|key| (key, value(run, key)));
            let set = keys.filter(|(_, value)| value != "-").map(|(key, value)| format!("{key} = {value}"));
            set.collect::<Vec<_>>().join(", ")
        };
        Place {
            by: value(run, by),
            within: told(|_| true),
            within_network: told(changes_networks),
            seeds: seeds.chain(run.replicate.map(|number| number.to_string())).collect::<Vec<_>>().join(" "),
        }
    };
    Ok(plan.runs.iter().map(|run| (run.run_id.clone(), place(run))).collect())
}

/// The scores of whole runs: by metric and sign the value of each run.
#[derive(Default)]
struct Scores {
    all: IndexMap<(String, Option<String>), HashMap<String, f64>>,
}

impl Scores {
    fn read(folder: &Path) -> Result<Self, UnreadableTable> {
        let mut scores = Self::default();
        let runs = Table::read(&folder.join("runs.parquet"), None)?;
        let (ids, states) = (runs.texts("run_id"), runs.texts("status"));
        let done = |row: usize| ids?.get(row).filter(|_| states.and_then(|of| of.get(row)) == Some("done"));
        for (name, cells) in &runs.columns {
            if let (Cells::Numbers(numbers), false) = (cells, name.contains('.')) {
                let found = (0..runs.rows).filter_map(|row| Some((done(row)?.to_owned(), numbers[row])));
                let finite = found.filter(|(_, value)| value.is_finite());
                scores.all.entry((name.clone(), None)).or_default().extend(finite);
            }
        }
        let path = folder.join("measurements.parquet");
        let rows = Table::read(&path, Some(&["run_id", "sample", "metric", "sign", "value"]))?;
        let finished: IndexSet<&str> = (0..runs.rows).filter_map(done).collect();
        let (ids, metrics, signs) = (rows.texts("run_id"), rows.texts("metric"), rows.texts("sign"));
        for row in 0..rows.rows {
            let (Some(run), Some(metric)) = (ids.and_then(|of| of.get(row)), metrics.and_then(|of| of.get(row))) else {
                continue;
            };
            let of_run = rows.number("sample", row).is_none_or(f64::is_nan);
            let value = rows.number("value", row).filter(|value| value.is_finite());
            if let (true, true, Some(value)) = (of_run, finished.contains(run), value) {
                let sign = signs.and_then(|of| of.get(row)).map(str::to_owned);
                scores.all.entry((metric.to_owned(), sign)).or_default().insert(run.to_owned(), value);
            }
        }
        scores.all.retain(|_, of_runs| !of_runs.is_empty());
        Ok(scores)
    }

    /// All scores of this name, one for each sign.
    fn named(&self, metric: &str) -> Vec<(Option<String>, &HashMap<String, f64>)> {
        let of_name = self.all.iter().filter(|((name, _), _)| name == metric);
        of_name.map(|((_, sign), of_runs)| (sign.clone(), of_runs)).collect()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.all.keys().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stage_name::PerStage;

    fn plan(runs: &[&[(&str, Value)]]) -> Plan {
        let run = |(index, settings): (usize, &&[(&str, Value)])| PlannedRun {
            run_id: format!("run{index}"),
            settings: settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            explanation: None,
            replicate: None,
            tasks: PerStage::default(),
        };
        Plan { runs: runs.iter().enumerate().map(run).collect(), ..Plan::default() }
    }

    #[test]
    fn settings_that_change_along_belong_to_the_comparison() {
        let run = |analyzer: &str, epsilon: Value, norm: bool, seed: u64| {
            vec![
                ("explain.analyzer", json!(analyzer)),
                ("explain.epsilon", epsilon),
                ("model.batch_norm", json!(norm)),
                ("data.seed", json!(seed)),
            ]
        };
        let runs =
            [run("z", Value::Null, true, 0), run("epsilon", json!(0.1), true, 0), run("z", Value::Null, false, 1)];
        let plan = plan(&runs.each_ref().map(Vec::as_slice));
        let places = places(&plan, "explain.analyzer").unwrap();
        let of = |run: &str| (places[run].by.as_str(), places[run].within.as_str(), places[run].seeds.as_str());
        assert_eq!(of("run0"), ("z", "model.batch_norm = true", "data.seed=0"));
        assert_eq!(of("run1"), ("epsilon", "model.batch_norm = true", "data.seed=0"));
        assert_eq!(of("run2"), ("z", "model.batch_norm = false", "data.seed=1"));
        let refused = super::places(&plan, "train.epochs").err().unwrap();
        assert!(matches!(refused, ComparisonError::NotVaried { varied, .. } if varied.len() == 3));
    }
}
