//! The last words: what came out and where it is.

use super::settings::settings;
use crate::event::RunStatus;
use crate::runner::{Outcome, RunOutcome};
use crate::terminal::layout::wrap;

/// How many runs that did not go well are named one by one.
const SHOWN: usize = 20;

/// The scores that are told of a run, where it has them; all are in `runs.parquet`.
pub(super) const HEADLINES: [&str; 6] =
    ["test_mae", "test_r2", "test_accuracy", "output_bias", "relevance_zero_crossing", "relevance_linearity"];

/// The summary of a finished experiment, in lines of at most `columns`: the scores of the run, or of a sweep a line for each
/// setting; then what failed, and where tables, heatmaps and the report are.
pub fn summarize(outcome: &Outcome, columns: usize) -> Vec<String> {
    let mut lines = match &outcome.runs[..] {
        [run] => scores_of(run, columns),
        runs => settings(runs, columns),
    };
    let lost: Vec<&RunOutcome> = outcome.runs.iter().filter(|run| run.status != RunStatus::Done).collect();
    for run in lost.iter().take(SHOWN) {
        let label = if run.label.is_empty() { String::new() } else { format!(" ({})", run.label) };
        let reason = run.reason.as_deref().unwrap_or("the reason is not known");
        lines.extend(wrap(&format!("run {}{label} {}: {reason}", run.run_id, run.status.name()), columns, "    "));
    }
    if lost.len() > SHOWN {
        let folder = outcome.folder.display();
        let more = format!("... and {} more runs: `xdlreg-run status {folder}` names all", lost.len() - SHOWN);
        lines.extend(wrap(&more, columns, "    "));
    }
    lines.extend(notes(&outcome.runs, columns));
    let counts = [(outcome.invalid, "invalid"), (outcome.pending, "not reached")];
    let others = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    lines.push(format!("{} done, {} failed{}", outcome.done, outcome.failed, others.collect::<String>()));
    // Paths stay in one piece, to be copied.
    let folder = outcome.folder.display();
    lines.push(format!("tables:   {folder}/*.parquet"));
    lines.push(format!("heatmaps: {folder}/heatmaps/"));
    lines.push(format!("report:   {folder}/report.html"));
    lines
}

/// What must be known of runs: a line for each note, with the runs that have it.
fn notes(runs: &[RunOutcome], columns: usize) -> Vec<String> {
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    for run in runs {
        let Some(note) = run.note.as_deref() else { continue };
        match notes.iter_mut().find(|(known, _)| *known == note) {
            Some((_, ids)) => ids.push(&run.run_id),
            None => notes.push((note, vec![&run.run_id])),
        }
    }
    let (all, told) = (notes.len(), notes.into_iter().take(SHOWN));
    let mut lines: Vec<String> = told
        .flat_map(|(note, ids)| {
            let runs = if let [only] = ids[..] { format!("run {only}") } else { format!("{} runs", ids.len()) };
            wrap(&format!("note on {runs}: {note}"), columns, "    ")
        })
        .collect();
    if all > SHOWN {
        let more = format!("... and {} more notes, in the column `note` of runs.parquet", all - SHOWN);
        lines.extend(wrap(&more, columns, "    "));
    }
    lines
}

/// "run 9fc122a869: test_mae 6.068, test_r2 0.829"; nothing of a run without scores.
fn scores_of(run: &RunOutcome, columns: usize) -> Vec<String> {
    let score = |name: &&str| Some(format!("{name} {:.3}", run.score(name)?));
    let scores = HEADLINES.iter().filter_map(score).collect::<Vec<_>>().join(", ");
    if run.status != RunStatus::Done || scores.is_empty() {
        return Vec::new();
    }
    wrap(&format!("run {}: {scores}", run.run_id), columns, "    ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::settings::tests::run;

    fn outcome(runs: Vec<RunOutcome>) -> Outcome {
        let count = |status| runs.iter().filter(|run| run.status == status).count();
        let [done, failed, invalid, pending] =
            [RunStatus::Done, RunStatus::Failed, RunStatus::Invalid, RunStatus::Pending].map(count);
        Outcome { folder: "results/a".into(), done, failed, invalid, pending, runs }
    }

    #[test]
    fn the_only_run_has_a_line_of_its_own() {
        let lines = summarize(&outcome(vec![run("1a", &[], None, &[("test_mae", 6.0681), ("test_r2", 0.8294)])]), 200);
        assert_eq!(lines[..2], ["run 1a: test_mae 6.068, test_r2 0.829", "1 done, 0 failed"]);
        assert_eq!(lines.last().unwrap(), "report:   results/a/report.html");
    }

    #[test]
    fn every_failure_is_named_with_its_reason_and_fits() {
        let mut runs: Vec<RunOutcome> = (0..25)
            .map(|seed| run(&format!("id{seed}"), &[("train.epochs", "7")], Some(seed), &[("test_mae", 5.0)]))
            .collect();
        for (index, run) in runs.iter_mut().enumerate().skip(1) {
            run.status = if index % 2 == 0 { RunStatus::Failed } else { RunStatus::Invalid };
            run.reason =
                Some(format!("train: reason number {index}, which is told in rather many words, and then some"));
        }
        let lines = summarize(&outcome(runs), 80);
        let text = lines.join("\n");
        for index in 1..=SHOWN {
            assert!(text.contains(&format!("reason number {index},")), "{text}");
        }
        assert!(text.contains("... and 4 more runs") && text.contains("1 done, 12 failed, 12 invalid"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn notes_are_told_once_with_their_runs() {
        let mut runs: Vec<RunOutcome> = (0..4).map(|seed| run(&format!("id{seed}"), &[], Some(seed), &[])).collect();
        runs[0].note = Some("9 of 20 maps are 0 everywhere".into());
        runs[2].note = runs[0].note.clone();
        runs[3].note = Some("noise is too strong".into());
        let text = summarize(&outcome(runs), 80).join("\n");
        assert!(text.contains("note on 2 runs: 9 of 20 maps are 0 everywhere\nnote on run id3: noise is"), "{text}");
        assert!(text.contains("4 done, 0 failed"), "{text}");
    }
}
