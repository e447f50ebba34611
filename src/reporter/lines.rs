//! Plain lines on standard error, for logs and pipes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Forecast, heading, runs};
use crate::clock::duration;
use crate::event::{Event, EventSink};
use crate::key::Key;
use crate::terminal::tell_line;

/// Progress within a stage is told no more often than this.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes a line for what begins and ends, and now and then for what goes on.
#[derive(Debug)]
pub struct Lines {
    stages: HashMap<Key, Began>,
    forecast: Forecast,
    start: Instant,
}

#[derive(Debug)]
struct Began {
    at: Instant,
    told: Instant,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    pub fn new() -> Self {
        Self { stages: HashMap::new(), forecast: Forecast::default(), start: Instant::now() }
    }

    /// Seconds since the start, for the forecast.
    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// When the stage began, if it is time to tell of it again.
    fn due(&mut self, key: &Key, last: bool) -> Option<Instant> {
        let began = self.stages.get_mut(key)?;
        if !last && began.told.elapsed() < INTERVAL {
            return None;
        }
        began.told = Instant::now();
        Some(began.at)
    }
}

/// "120 pumpkins/s, 3.5 s left"; a worker that has done more than all has nothing left.
pub fn pace(done: u64, total: u64, unit: &str, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let shown = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("{shown} {unit}/s, {} left", duration(total.saturating_sub(done) as f64 / rate.max(1e-9)))
}

impl EventSink for Lines {
    fn emit(&mut self, event: &Event) {
        self.forecast.observe(event, self.now());
        match event {
            Event::ExperimentStarted { name, folder, runs, stages, cached, .. } => {
                tell_line(&heading(name, *runs, *stages, *cached, folder));
            }
            Event::StageStarted { stage, .. } => {
                let now = Instant::now();
                self.stages.insert(stage.key.clone(), Began { at: now, told: now });
                tell_line(&format!("{}: started for {}", stage.stage, runs(stage)));
            }
            Event::StageCached(stage) => tell_line(&format!("{}: cached for {}", stage.stage, runs(stage))),
            Event::StageProgress { stage, done, total, unit } if done < total => {
                if let Some(began) = self.due(&stage.key, false) {
                    let pace = pace(*done, *total, unit, began.elapsed());
                    tell_line(&format!("{}: {done} of {total} {unit}, {pace}", stage.stage));
                }
            }
            Event::EpochFinished { stage, epochs, epoch } => {
                if let Some(began) = self.due(&stage.key, epoch.epoch == *epochs) {
                    let pace = pace(epoch.epoch as u64, *epochs as u64, "epochs", began.elapsed());
                    tell_line(&format!(
                        "{}: epoch {} of {epochs}, loss {:.2}, validation loss {:.2}, mae {:.2}; {pace}",
                        stage.stage, epoch.epoch, epoch.train_loss, epoch.val_loss, epoch.val_mae
                    ));
                }
            }
            Event::StageFinished { stage, seconds } => {
                self.stages.remove(&stage.key);
                let left = self.forecast.seconds_left(self.now()).filter(|left| *left > 0.0);
                let left = left.map_or(String::new(), |left| format!("; all in {} more", duration(left)));
                tell_line(&format!("{}: done in {}{left}", stage.stage, duration(*seconds)));
            }
            Event::StageRetried { stage, attempt, reason } => {
                tell_line(&format!("{}: retry {attempt}, because {reason}", stage.stage));
            }
            Event::StageFailed { stage, reason } => {
                tell_line(&format!("{}: failed for {}: {reason}", stage.stage, runs(stage)));
            }
            Event::StageInvalid { stage, reason } => {
                tell_line(&format!("{}: invalid for {}: {reason}", stage.stage, runs(stage)));
            }
            Event::Note { message } => tell_line(&format!("note: {message}")),
            Event::Interrupted => tell_line("stopping"),
            Event::StageProgress { .. }
            | Event::RunStarted { .. }
            | Event::RunFinished { .. }
            | Event::ExperimentFinished { .. }
            | Event::Unknown => {}
        }
    }
}
