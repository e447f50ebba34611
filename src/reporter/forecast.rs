//! How long an experiment will still take, from what its stages took so far.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::stage::StageName;

/// Learns from the events of an experiment.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    open: BTreeMap<StageName, usize>,
    typical: BTreeMap<StageName, f64>,
    took: BTreeMap<StageName, Vec<f64>>,
    workers: usize,
}

impl Forecast {
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::ExperimentStarted { work, typical_seconds, workers, .. } => {
                *self =
                    Self { open: work.clone(), typical: typical_seconds.clone(), workers: *workers, ..Self::default() };
            }
            Event::StageFinished { stage, seconds } => {
                self.close(stage.stage);
                self.took.entry(stage.stage).or_default().push(*seconds);
            }
            Event::StageFailed { stage, .. } | Event::StageInvalid { stage, .. } => self.close(stage.stage),
            _ => {}
        }
    }

    fn close(&mut self, stage: StageName) {
        if let Some(open) = self.open.get_mut(&stage) {
            *open = open.saturating_sub(1);
        }
    }

    /// Seconds left with all workers busy; none while nothing tells how long a stage takes that is to be done.
    pub fn seconds_left(&self) -> Option<f64> {
        let of_stage = |(stage, open): (&StageName, &usize)| {
            let mean = self.took.get(stage).map(|took| took.iter().sum::<f64>() / took.len() as f64);
            Some(mean.or(self.typical.get(stage).copied())? * *open as f64)
        };
        let work: Option<f64> = self.open.iter().filter(|(_, open)| **open > 0).map(of_stage).sum();
        Some(work? / self.workers.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StageRef;
    use crate::store::Key;

    #[test]
    fn what_was_seen_counts_more_than_history_and_the_unknown_is_not_guessed() {
        let mut forecast = Forecast::default();
        forecast.observe(&Event::ExperimentStarted {
            name: "a".into(),
            folder: "a".into(),
            runs: 4,
            stages: 8,
            cached: 0,
            work: BTreeMap::from([(StageName::Train, 4), (StageName::Explain, 4)]),
            typical_seconds: BTreeMap::from([(StageName::Train, 10.0)]),
            workers: 2,
        });
        assert_eq!(forecast.seconds_left(), None);
        let mut finish = |stage, seconds| {
            let stage = StageRef { stage, key: Key::of(&1.into()), run_ids: vec![] };
            forecast.observe(&Event::StageFinished { stage, seconds });
            forecast.seconds_left()
        };
        assert_eq!(finish(StageName::Explain, 2.0), Some((4.0 * 10.0 + 3.0 * 2.0) / 2.0));
        assert_eq!(finish(StageName::Train, 20.0), Some((3.0 * 20.0 + 3.0 * 2.0) / 2.0));
    }
}
