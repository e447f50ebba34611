//! The last words: what came out and where it is.

use std::fmt::Write;

use crate::runner::Outcome;

/// How many runs are named one by one.
const SHOWN: usize = 20;

/// The scores that are told of a run, where it has them; all are in `runs.parquet`.
const HEADLINES: [&str; 6] =
    ["test_mae", "test_r2", "test_accuracy", "output_bias", "relevance_zero_crossing", "relevance_linearity"];

/// The summary of a finished experiment; its last lines name where tables, heatmaps and the report are.
pub fn summarize(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    for run in outcome.runs.iter().take(SHOWN) {
        let score = |name: &&str| Some(format!("{name} {:.3}", run.score(name)?));
        let scores = HEADLINES.iter().filter_map(score).collect::<Vec<_>>().join(", ");
        let label = if run.label.is_empty() { String::new() } else { format!(" ({})", run.label) };
        match &run.reason {
            None => say(format!("run {}{label}: {scores}", run.run_id)),
            Some(reason) => say(format!("run {}{label} {}: {reason}", run.run_id, run.status.name())),
        }
    }
    if outcome.runs.len() > SHOWN {
        say(format!("... and {} more runs", outcome.runs.len() - SHOWN));
    }
    let folder = outcome.folder.display();
    let counts = [(outcome.invalid, "invalid"), (outcome.pending, "not reached")];
    let others = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    say(format!("{} done, {} failed{}", outcome.done, outcome.failed, others.collect::<String>()));
    say(format!("tables:   {folder}/*.parquet"));
    say(format!("heatmaps: {folder}/heatmaps/"));
    say(format!("report:   {folder}/report.html"));
    text
}
