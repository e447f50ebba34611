//! The summary of a sweep: a line for each setting, with means over its replicates.

use super::summary::HEADLINES;
use crate::event::RunStatus;
use crate::metric::replicates::{Bootstrap, Interval, interval};
use crate::plan::{EXPLANATION_NAME, is_named};
use crate::runner::RunOutcome;
use crate::terminal::layout::{Side, align, fitting, shorten};

/// How many settings have a line.
const SHOWN: usize = 40;
/// How wide the value of a setting may be.
const WIDEST: usize = 30;

/// Lines of at most `columns`, where that is possible: the keys that vary but for seeds, how many runs are done, and of each
/// score that fits the mean over them with its 95 % interval.
pub fn settings(runs: &[RunOutcome], columns: usize) -> Vec<String> {
    if runs.is_empty() {
        return Vec::new();
    }
    let groups = groups(runs);
    let named = runs.iter().all(|run| run.setting.iter().any(|(key, name)| key == EXPLANATION_NAME && name != "-"));
    let is_told = |key: &str| !(named && is_named(key));
    let scores: Vec<&str> =
        HEADLINES.into_iter().filter(|name| runs.iter().any(|run| run.score(name).is_some())).collect();
    let keys: Vec<&str> = runs
        .first()
        .map_or(Vec::new(), |run| run.setting.iter().map(|(key, _)| key.as_str()).filter(|key| is_told(key)).collect());
    let heads = keys.iter().map(|key| head(key, &keys).to_owned());
    let heads = heads.chain(["runs".into()]).chain(scores.iter().map(|&name| name.to_owned()));
    let mut rows = vec![heads.collect::<Vec<String>>()];
    for group in groups.iter().take(SHOWN) {
        let told = group[0].setting.iter().filter(|(key, _)| is_told(key));
        let values = told.map(|(_, value)| shorten(value, WIDEST).into_owned());
        let done: Vec<&RunOutcome> = group.iter().copied().filter(|run| run.status == RunStatus::Done).collect();
        let count = if done.len() == group.len() {
            group.len().to_string()
        } else {
            format!("{} of {}", done.len(), group.len())
        };
        let scores = scores.iter().map(|name| mean(&done, name));
        rows.push(values.chain([count]).chain(scores).collect());
    }
    let sides: Vec<Side> =
        (0..rows[0].len()).map(|column| if column < keys.len() { Side::Left } else { Side::Right }).collect();
    // Scores that do not fit are in the tables; keys and one score are always told.
    let shown = fitting(&rows, sides.len(), columns).max(keys.len() + 2);
    rows.iter_mut().for_each(|row| row.truncate(shown));
    let mut lines: Vec<String> = align(&rows, &sides).iter().map(|line| shorten(line, columns).into_owned()).collect();
    if groups.len() > SHOWN {
        lines.push(format!("... and {} more settings, in runs.parquet", groups.len() - SHOWN));
    }
    lines
}

/// Runs that differ by their seeds alone, in the order of the first of each.
fn groups(runs: &[RunOutcome]) -> Vec<Vec<&RunOutcome>> {
    let mut groups: Vec<Vec<&RunOutcome>> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for run in runs {
        let group = *place.entry(&run.setting).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(run);
    }
    groups
}

/// The last part of a key, or all of it where two keys end alike.
fn head<'a>(key: &'a str, keys: &[&str]) -> &'a str {
    let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    let alike = keys.iter().filter(|other| other.rsplit('.').next() == Some(last(key))).count();
    if alike > 1 { key } else { last(key) }
}

/// "6.068 [5.812, 6.301]"; without an interval for a single run, "-" where there is no score.
fn mean(runs: &[&RunOutcome], name: &str) -> String {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.score(name)).collect();
    match interval(&values, &Bootstrap::default()) {
        None => "-".to_owned(),
        Some(Interval { mean, replicates: 1, .. }) => format!("{mean:.3}"),
        Some(Interval { mean, low, high, .. }) => format!("{mean:.3} [{low:.3}, {high:.3}]"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run that is done.
    pub fn run(run_id: &str, setting: &[(&str, &str)], seed: Option<u64>, scores: &[(&str, f64)]) -> RunOutcome {
        let setting: Vec<(String, String)> =
            setting.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let seed = seed.map(|seed| ("model.seed".to_owned(), seed.to_string()));
        let label = setting.iter().chain(&seed).map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>();
        RunOutcome {
            run_id: run_id.into(),
            status: RunStatus::Done,
            complete: true,
            reason: None,
            note: None,
            label: label.join(", "),
            setting,
            scores: scores.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
        }
    }

    fn sweep() -> Vec<RunOutcome> {
        let mut runs = Vec::new();
        for (analyzer, base) in [("lrp.epsilon", 5.0), ("lrp.sequential_preset_a", 7.0)] {
            for seed in 0..3_u32 {
                let mae = base + f64::from(seed);
                let scores =
                    [("test_mae", mae), ("test_r2", 0.5), ("output_bias", 50.0), ("relevance_zero_crossing", 49.0)];
                runs.push(run("id", &[("explain.analyzer", analyzer)], Some(seed.into()), &scores));
            }
        }
        runs
    }

    #[test]
    fn a_setting_is_a_line_with_means_over_seeds() {
        let mut runs = sweep();
        runs[5].status = RunStatus::Failed;
        let lines = settings(&runs, 200);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("analyzer ") && lines[0].contains("test_mae"), "{lines:?}");
        // The mean of 5, 6, 7; of three draws with replacement 2.5 % are least below 5.34.
        assert!(lines[1].starts_with("lrp.epsilon ") && lines[1].contains(" 3  6.000 [5."), "{lines:?}");
        assert!(lines[2].contains("2 of 3  7.500 ["), "what failed is in no mean: {lines:?}");
        let ends = |text: &str| lines.iter().filter_map(|line| Some(line.find(text)? + text.len())).collect::<Vec<_>>();
        assert_eq!(lines[0].find("test_mae").map(|at| at + 8), ends("7.000]").first().copied(), "{lines:?}");
    }

    /// A name stands for what it names, however long that is; without one everything is told.
    #[test]
    fn explanations_are_told_by_their_names() {
        let of = |name: &str, composite: &str| {
            let setting = [("explain.name", name), ("explain.analyzer", "lrp"), ("explain.composite", composite)];
            run("id", &setting, None, &[("test_mae", 2.0)])
        };
        let long = "conv: gamma(gamma=0.25); any: epsilon";
        let lines = settings(&[of("sharp", long), of("smooth", "any: flat")], 80);
        assert_eq!(lines[0], "name    runs  test_mae");
        assert!(lines[1].starts_with("sharp ") && lines[2].starts_with("smooth "), "{lines:?}");
        let lines = settings(&[of("sharp", long), of("-", "any: flat")], 120);
        assert!(lines[0].starts_with("name   analyzer  composite "), "{lines:?}");
    }

    #[test]
    fn lines_fit_from_forty_columns_on() {
        for columns in [40, 80, 120, 200] {
            let lines = settings(&sweep(), columns);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}: {lines:?}");
            assert!(lines[1].contains("lrp.epsilon"), "{lines:?}");
        }
        assert!(settings(&sweep(), 80)[1].contains("6.000 ["));
        assert!(!settings(&sweep(), 80)[0].contains("relevance_zero_crossing"));
    }

    #[test]
    fn one_run_has_no_interval_and_keys_that_end_alike_are_whole() {
        let of = |one: &str, other: &str| {
            run("id", &[("data.seed", one), ("model.seed", other)], None, &[("test_mae", 2.0)])
        };
        let lines = settings(&[of("1", "2"), of("2", "1")], 80);
        assert_eq!(lines[0], "data.seed  model.seed  runs  test_mae");
        assert_eq!(lines[1], "1          2              1     2.000");
    }
}
