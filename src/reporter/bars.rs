//! Bars on a terminal: one for the experiment, one for each stage under way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::margin::Margin;
use super::{Forecast, heading, lines::pace, runs};
use crate::clock::duration;
use crate::escape;
use crate::event::{Event, EventSink, RunStatus, StageRef};
use crate::key::Key;
use crate::terminal::layout::{shorten, wrap};

/// What follows the bar is cut off where the line would be too long.
const STAGE: &str = "{prefix:>11} [{bar:WIDTH.cyan}] {wide_msg}";
const OVERALL: &str = "{prefix:>11} [{bar:WIDTH.green}] {elapsed}, {wide_msg}";
/// Of a stage that has not told yet how much there is to do.
const WAITING: &str = "{prefix:>11} {spinner} {wide_msg}";
/// How wide bars are, and on a narrow terminal.
const WIDTHS: [usize; 2] = [24, 8];
/// Fewer columns than this are narrow.
const NARROW: usize = 80;
const TICK: Duration = Duration::from_millis(200);

/// Live bars on standard error.
pub struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    stages: HashMap<Key, Stage>,
    forecast: Forecast,
    start: Instant,
    /// Runs that failed or are invalid.
    lost: usize,
}

/// A stage under way.
struct Stage {
    bar: ProgressBar,
    began: Instant,
    /// Whether it has told how much there is to do.
    measured: bool,
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Bars {
    pub fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(Margin::new())));
        let overall = all.add(ProgressBar::new(0).with_style(style(OVERALL)));
        let start = Instant::now();
        Self { all, overall, stages: HashMap::new(), forecast: Forecast::default(), start, lost: 0 }
    }

    /// Says a line above the bars. Of a long one the beginning must do: what went wrong is told in full at the end.
    fn say(&self, line: &str) {
        // A terminal that went away ends the output, not the work.
        let _ = self.all.println(shorten(&escape::line(line), Margin::columns()));
    }

    /// Seconds since the start, for the forecast.
    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn begin(&mut self, stage: &StageRef, worker: usize) {
        let bar = self.all.insert_before(&self.overall, ProgressBar::new(0).with_style(style(WAITING)));
        bar.set_prefix(format!("{worker}: {}", stage.stage));
        bar.set_message(escape::line(&runs(stage)).into_owned());
        bar.enable_steady_tick(TICK);
        self.stages.insert(stage.key.clone(), Stage { bar, began: Instant::now(), measured: false });
    }

    /// Shows how far a stage is, with `text` after the bar.
    fn advance(&mut self, stage: &StageRef, done: u64, total: u64, text: impl FnOnce(&Stage) -> String) {
        if let Some(stage) = self.stages.get_mut(&stage.key) {
            if !stage.measured {
                stage.bar.set_style(style(STAGE));
                stage.measured = true;
            }
            stage.bar.set_length(total);
            stage.bar.set_position(done);
            stage.bar.set_message(escape::line(&format!("{done}/{total} {}", text(stage))).into_owned());
        }
        self.sum_up();
    }

    /// Says beside the overall bar how far everything is, how long it will take, and how many runs are lost.
    fn sum_up(&self) {
        let (done, stages) = (self.overall.position(), self.overall.length().unwrap_or(0));
        let left = self.forecast.seconds_left(self.now()).filter(|left| *left > 0.0);
        let left = left.map_or(String::new(), |left| format!(", {} left", duration(left)));
        let lost = if self.lost > 0 { format!(", {} failed or invalid", self.lost) } else { String::new() };
        self.overall.set_message(format!("{done}/{stages} stages{left}{lost}"));
    }

    fn end(&mut self, stage: &StageRef) {
        if let Some(stage) = self.stages.remove(&stage.key) {
            stage.bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let width = WIDTHS[usize::from(Margin::columns() < NARROW - 1)];
    let template = template.replace("WIDTH", &width.to_string());
    ProgressStyle::with_template(&template).expect("the templates above are valid").progress_chars("=> ")
}

impl EventSink for Bars {
    fn emit(&mut self, event: &Event) {
        self.forecast.observe(event, self.now());
        match event {
            Event::ExperimentStarted { name, folder, runs, stages, cached, .. } => {
                let heading = heading(name, *runs, *stages, *cached, folder);
                wrap(&heading, Margin::columns(), "    ").iter().for_each(|line| self.say(line));
                self.overall.set_prefix("all");
                self.overall.set_length(*stages as u64);
                self.overall.enable_steady_tick(TICK);
                self.sum_up();
            }
            Event::StageStarted { stage, worker, .. } => self.begin(stage, *worker),
            Event::StageCached(_) => self.overall.inc(1),
            Event::StageProgress { stage, done, total, unit } => {
                self.advance(stage, *done, *total, |stage| {
                    format!("{unit}, {}", pace(*done, *total, unit, stage.began.elapsed()))
                });
            }
            Event::EpochFinished { stage, epochs, epoch } => {
                let left = self.forecast.seconds_left_of(&stage.key, self.now()).unwrap_or(0.0);
                let (loss, mae) = (epoch.train_loss, epoch.val_mae);
                let text = format!("epochs, loss {loss:.2}, validation mae {mae:.2}, {} left", duration(left));
                self.advance(stage, epoch.epoch as u64, *epochs as u64, |_| text);
            }
            Event::StageFinished { stage, seconds } => {
                self.end(stage);
                self.overall.inc(1);
                self.sum_up();
                self.say(&format!("{:>11} {} in {}", stage.stage.name(), runs(stage), duration(*seconds)));
            }
            Event::StageRetried { stage, attempt, reason } => {
                self.end(stage);
                self.say(&format!("{:>11} retry {attempt}, because {reason}", stage.stage.name()));
            }
            Event::StageFailed { stage, reason } => {
                self.end(stage);
                self.say(&format!("{:>11} failed for {}: {reason}", stage.stage.name(), runs(stage)));
            }
            Event::StageInvalid { stage, reason } => {
                self.end(stage);
                self.say(&format!("{:>11} invalid for {}: {reason}", stage.stage.name(), runs(stage)));
            }
            Event::Note { message } => {
                let note = format!("{:>11} {message}", "note");
                wrap(&note, Margin::columns(), "            ").iter().for_each(|line| self.say(line));
            }
            Event::Interrupted | Event::ExperimentFinished { .. } => {
                self.stages.drain().for_each(|(_, stage)| stage.bar.finish_and_clear());
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
