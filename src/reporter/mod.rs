//! What a user sees while an experiment runs.

mod bars;
mod forecast;
mod json;
mod lines;
mod margin;
mod settings;
mod summary;

pub use bars::Bars;
pub use forecast::Forecast;
pub use json::JsonLines;
pub use lines::Lines;
pub use summary::summarize;

use crate::event::{Event, EventSink, StageRef};
use crate::terminal::{self, tell_line};

/// How much is shown, and in what form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bars on a terminal, plain lines elsewhere.
    Auto,
    Quiet,
    /// One JSON object a line on standard output.
    Json,
}

/// The reporter for a style.
pub fn reporter(style: Style) -> Box<dyn EventSink> {
    match style {
        Style::Quiet => Box::new(Quiet),
        Style::Json => Box::new(JsonLines::default()),
        Style::Auto if terminal::has_live_errors() => Box::new(Bars::new()),
        Style::Auto => Box::new(Lines::new()),
    }
}

/// Shows failures only.
struct Quiet;

impl EventSink for Quiet {
    fn emit(&mut self, event: &Event) {
        let (Event::StageFailed { stage, reason } | Event::StageInvalid { stage, reason }) = event else { return };
        tell_line(&format!("{} failed ({}): {reason}", stage.stage, runs(stage)));
    }
}

/// "run 1a2b3c" or "3 runs".
fn runs(stage: &StageRef) -> String {
    match &stage.run_ids[..] {
        [run_id] => format!("run {run_id}"),
        _ => format!("{} runs", stage.runs),
    }
}

/// "quickstart: 1 run, 5 stages, 0 of them cached; results in results/quickstart".
fn heading(name: &str, runs: usize, stages: usize, cached: usize, folder: &str) -> String {
    let plural = if runs == 1 { "" } else { "s" };
    format!("{name}: {runs} run{plural}, {stages} stages, {cached} of them cached; results in {folder}")
}
