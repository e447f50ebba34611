//! `xdlreg-run status DIR`: where an experiment stands.

use std::fmt::Write;

use super::FoldersArgs;
use crate::clock::duration;
use crate::error::{EXIT_OK, Result};
use crate::escape;
use crate::event::RunStatus;
use crate::reporter::Forecast;
use crate::runner::slurm::View;
use crate::runner::{ResultsFolder, Standing};
use crate::terminal::print;

pub fn run(args: &FoldersArgs) -> Result<u8> {
    for folder in &args.folders {
        let mut standing = Standing::read(folder)?;
        let results = ResultsFolder::at(folder);
        let view = View::read(results.folder(), &standing.frozen, &results.store())?;
        view.iter().for_each(|view| take_over(&mut standing, view));
        print(&describe(&standing, view.as_ref()));
    }
    Ok(EXIT_OK)
}

/// What is done is told by the store, also before anyone has collected it.
fn take_over(standing: &mut Standing, view: &View) {
    standing.stages_done = view.done.iter().filter(|done| **done).count();
    for (run, planned) in standing.frozen.plan.runs.iter().enumerate() {
        let pending = standing.runs[run].0 == RunStatus::Pending;
        let reason = planned.tasks.iter().find_map(|(_, task)| view.failed.get(task));
        if pending && planned.tasks.iter().all(|(_, &task)| view.done[task]) {
            standing.runs[run] = (RunStatus::Done, None);
        } else if let Some(reason) = reason.filter(|_| pending) {
            standing.runs[run] = (RunStatus::Failed, Some(reason.clone()));
        }
    }
}

/// So many runs of a stage are named; more are counted.
const NAMED: usize = 8;

/// What is done, what is under way, and what went wrong.
fn describe(standing: &Standing, view: Option<&View>) -> String {
    let plan = &standing.frozen.plan;
    let name = escape::line(&standing.frozen.name);
    let state = match standing.running {
        true => format!("running for {}", duration(standing.seconds)),
        false if view.is_some_and(|view| !view.open.is_empty()) => {
            "submitted to Slurm; the same command collects what is finished and submits what is missing".to_owned()
        }
        false if standing.count(RunStatus::Pending) == 0 => "finished".to_owned(),
        false => "stopped; run the same command again to go on".to_owned(),
    };
    let counts = [RunStatus::Done, RunStatus::Failed, RunStatus::Invalid, RunStatus::Pending]
        .map(|status| format!("{} {}", standing.count(status), status.name()));
    let mut text = format!(
        "{name}: {state}\n  {}: {}\n  {} of {} stages done{}\n",
        number(plan.runs.len()),
        counts.join(", "),
        standing.stages_done,
        plan.tasks.len(),
        left(standing)
    );
    if let Some(view) = view {
        let _ = writeln!(text, "  Slurm: {}", escape::line(&view.jobs));
    }
    for trouble in &standing.trouble {
        let _ = writeln!(text, "  note: {}", escape::line(trouble));
    }
    for under_way in standing.under_way.values() {
        let epochs = under_way.epochs.map_or(String::new(), |(epoch, of)| format!(", epoch {epoch} of {of}"));
        let runs: Vec<&str> = plan.runs_of(&under_way.stage).map(|run| run.run_id.as_str()).collect();
        let runs = if runs.len() > NAMED { number(runs.len()) } else { runs.join(" ") };
        let _ = writeln!(text, "  worker {}: {} for {runs}{epochs}", under_way.worker, under_way.stage.stage);
    }
    for status in [RunStatus::Failed, RunStatus::Invalid] {
        let ended = plan.runs.iter().zip(&standing.runs).filter(|(_, (known, _))| *known == status);
        for (run, (_, reason)) in ended {
            let label = run.label();
            let label = if label.is_empty() { label } else { format!(" ({label})") };
            let reason = escape::line(reason.as_deref().unwrap_or("the reason is not known"));
            let _ = writeln!(text, "  {} {}{label}: {reason}", status.name(), run.run_id);
        }
    }
    for (&run, note) in &standing.notes {
        let _ = writeln!(text, "  note on {}: {}", plan.runs[run].run_id, escape::line(note));
    }
    text
}

/// "1 run", "24 runs".
fn number(runs: usize) -> String {
    format!("{runs} run{}", if runs == 1 { "" } else { "s" })
}

fn left(standing: &Standing) -> String {
    let mut forecast = Forecast::default();
    standing.events.iter().for_each(|(at, event)| forecast.observe(event, *at));
    match forecast.seconds_left(standing.seconds) {
        Some(left) if standing.running && left > 0.0 => format!(", about {} left", duration(left)),
        _ => String::new(),
    }
}
