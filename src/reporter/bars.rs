//! Bars on a terminal: one for the experiment, one for each stage under way.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Forecast, heading, runs};
use crate::clock::duration;
use crate::event::{Event, EventSink, RunStatus, StageRef};
use crate::store::Key;

const OVERALL: &str = "{prefix:>10} [{bar:30.green}] {pos}/{len} stages, {elapsed}{msg}";
/// Of a stage that has not told yet how much there is to do.
const WAITING: &str = "{prefix:>10} {spinner} {msg}";
const STAGE: &str = "{prefix:>10} [{bar:30.cyan}] {pos}/{len} {msg}";
/// As [`STAGE`], for units that have a rate.
const STEPS: &str = "{prefix:>10} [{bar:30.cyan}] {human_pos}/{human_len} {msg}, {per_sec}, {eta} left";
const TICK: Duration = Duration::from_millis(200);

/// Live bars on standard error.
pub struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    stages: HashMap<Key, ProgressBar>,
    forecast: Forecast,
    /// Runs that failed or are invalid.
    lost: usize,
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Bars {
    pub fn new() -> Self {
        let all = MultiProgress::new();
        let overall = all.add(ProgressBar::new(0).with_style(style(OVERALL)));
        Self { all, overall, stages: HashMap::new(), forecast: Forecast::default(), lost: 0 }
    }

    fn say(&self, line: &str) {
        // A terminal that went away ends the output, not the work.
        let _ = self.all.println(line);
    }

    fn begin(&mut self, stage: &StageRef, worker: usize) {
        let bar = self.all.insert_before(&self.overall, ProgressBar::new(0).with_style(style(WAITING)));
        bar.set_prefix(format!("{worker}: {}", stage.stage));
        bar.set_message(runs(&stage.run_ids));
        bar.enable_steady_tick(TICK);
        self.stages.insert(stage.key.clone(), bar);
    }

    /// Says beside the overall bar how long it will take, and how many runs are lost.
    fn sum_up(&self) {
        let left = self.forecast.seconds_left().filter(|left| *left > 0.0);
        let left = left.map_or(String::new(), |left| format!(", {} left", duration(left)));
        let lost = if self.lost > 0 { format!(", {} failed or invalid", self.lost) } else { String::new() };
        self.overall.set_message(left + &lost);
    }

    fn end(&mut self, stage: &StageRef) {
        if let Some(bar) = self.stages.remove(&stage.key) {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid").progress_chars("=> ")
}

impl EventSink for Bars {
    fn emit(&mut self, event: &Event) {
        self.forecast.observe(event);
        match event {
            Event::ExperimentStarted { name, folder, runs, stages, cached, .. } => {
                self.say(&heading(name, *runs, *stages, *cached, folder));
                self.overall.set_prefix("all");
                self.overall.set_length(*stages as u64);
                self.overall.enable_steady_tick(TICK);
            }
            Event::StageStarted { stage, worker, .. } => self.begin(stage, *worker),
            Event::StageCached(_) => self.overall.inc(1),
            Event::StageProgress { stage, done, total, unit } => {
                if let Some(bar) = self.stages.get(&stage.key) {
                    if bar.length() != Some(*total) || bar.message() != *unit {
                        bar.set_style(style(STEPS));
                        bar.set_length(*total);
                        bar.set_message(unit.clone());
                    }
                    bar.set_position(*done);
                }
            }
            Event::EpochFinished { stage, epochs, epoch } => {
                if let Some(bar) = self.stages.get(&stage.key) {
                    let left = (epochs - epoch.epoch) as f64 * epoch.epoch_seconds;
                    bar.set_style(style(STAGE));
                    bar.set_length(*epochs as u64);
                    bar.set_position(epoch.epoch as u64);
                    bar.set_message(format!(
                        "epochs, loss {:.2}, validation mae {:.2}, {} left",
                        epoch.train_loss,
                        epoch.val_mae,
                        duration(left)
                    ));
                }
            }
            Event::StageFinished { stage, seconds } => {
                self.end(stage);
                self.overall.inc(1);
                self.sum_up();
                self.say(&format!("{:>10} {} in {}", stage.stage.name(), runs(&stage.run_ids), duration(*seconds)));
            }
            Event::StageRetried { stage, attempt, reason } => {
                self.end(stage);
                self.say(&format!("{:>10} retry {attempt}, because {reason}", stage.stage.name()));
            }
            Event::StageFailed { stage, reason } => {
                self.end(stage);
                self.say(&format!("{:>10} failed for {}: {reason}", stage.stage.name(), runs(&stage.run_ids)));
            }
            Event::StageInvalid { stage, reason } => {
                self.end(stage);
                self.say(&format!("{:>10} invalid for {}: {reason}", stage.stage.name(), runs(&stage.run_ids)));
            }
            Event::Note { message } => self.say(&format!("{:>10} {message}", "note")),
            Event::Interrupted | Event::ExperimentFinished { .. } => {
                self.stages.drain().for_each(|(_, bar)| bar.finish_and_clear());
                self.overall.finish_and_clear();
            }
            Event::RunFinished { status, .. } => {
                self.lost += usize::from(!matches!(status, RunStatus::Done));
                self.sum_up();
            }
            Event::RunStarted { .. } | Event::Unknown => {}
        }
    }
}
