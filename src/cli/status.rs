//! `xdlreg-run status DIR`: where an experiment stands.

use std::fmt::Write;

use super::FoldersArgs;
use crate::clock::duration;
use crate::error::{EXIT_OK, Result};
use crate::escape;
use crate::event::RunStatus;
use crate::reporter::Forecast;
use crate::runner::Standing;
use crate::terminal::print;

pub fn run(args: &FoldersArgs) -> Result<u8> {
    for folder in &args.folders {
        print(&describe(&Standing::read(folder)?));
    }
    Ok(EXIT_OK)
}

/// So many runs of a stage are named; more are counted.
const NAMED: usize = 8;

/// What is done, what is under way, and what went wrong.
fn describe(standing: &Standing) -> String {
    let plan = &standing.frozen.plan;
    let name = escape::line(&standing.frozen.name);
    let state = match standing.running {
        true => format!("running for {}", duration(standing.seconds)),
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
