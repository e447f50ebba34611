//! How long an experiment will still take, from what its stages took so far.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Event, StageRef};
use crate::key::Key;
use crate::stage_name::StageName;

/// Learns from the events of an experiment. Times are seconds since any fixed moment, by a clock that only goes forward.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    /// Stages that have not ended.
    open: BTreeMap<StageName, usize>,
    typical: BTreeMap<StageName, f64>,
    took: BTreeMap<StageName, Vec<f64>>,
    under_way: HashMap<Key, UnderWay>,
    workers: usize,
}

/// A stage that a worker does.
#[derive(Debug, Clone)]
struct UnderWay {
    stage: StageName,
    since: f64,
    /// How long it will still take from a moment on, by its own progress.
    left: Option<(f64, f64)>,
}

impl UnderWay {
    /// The share `done` of the stage is done `at` a moment.
    fn reached(&mut self, done: f64, at: f64) {
        if done > 0.0 {
            self.left = Some(((at - self.since).max(0.0) * (1.0 - done).max(0.0) / done, at));
        }
    }

    /// Seconds left, by its own progress or else by what such a stage takes.
    fn left(&self, takes: Option<f64>, now: f64) -> Option<f64> {
        let (left, at) = self.left.or_else(|| Some((takes?, self.since)))?;
        Some((left - (now - at).max(0.0)).max(0.0))
    }
}

impl Forecast {
    /// Takes an event in that happened at a time.
    pub fn observe(&mut self, event: &Event, at: f64) {
        match event {
            Event::ExperimentStarted { work, typical_seconds, workers, .. } => {
                *self =
                    Self { open: work.clone(), typical: typical_seconds.clone(), workers: *workers, ..Self::default() };
            }
            Event::StageStarted { stage, .. } => {
                let under_way = UnderWay { stage: stage.stage, since: at, left: None };
                self.under_way.insert(stage.key.clone(), under_way);
            }
            Event::StageProgress { stage, done, total, .. } => self.reached(stage, *done, *total, at),
            Event::EpochFinished { stage, epochs, epoch } => {
                self.reached(stage, epoch.epoch as u64, *epochs as u64, at);
            }
            Event::StageRetried { stage, .. } => {
                self.under_way.remove(&stage.key);
            }
            Event::StageFinished { stage, seconds } => {
                self.close(stage);
                self.took.entry(stage.stage).or_default().push(*seconds);
            }
            Event::StageFailed { stage, .. } | Event::StageInvalid { stage, .. } => self.close(stage),
            _ => {}
        }
    }

    fn reached(&mut self, stage: &StageRef, done: u64, total: u64, at: f64) {
        if let Some(under_way) = self.under_way.get_mut(&stage.key) {
            under_way.reached(done as f64 / total.max(1) as f64, at);
        }
    }

    fn close(&mut self, stage: &StageRef) {
        self.under_way.remove(&stage.key);
        if let Some(open) = self.open.get_mut(&stage.stage) {
            *open = open.saturating_sub(1);
        }
    }

    /// Seconds that a stage under way will still take, where anything tells.
    pub fn seconds_left_of(&self, key: &Key, now: f64) -> Option<f64> {
        let under_way = self.under_way.get(key)?;
        under_way.left(self.takes(under_way.stage), now)
    }

    /// How long such a stage takes.
    fn takes(&self, stage: StageName) -> Option<f64> {
        let mean = self.took.get(&stage).map(|took| took.iter().sum::<f64>() / took.len() as f64);
        mean.or(self.typical.get(&stage).copied())
    }

    /// How many stages of a kind no worker has begun.
    fn waiting(&self, stage: StageName) -> usize {
        let begun = self.under_way.values().filter(|under_way| under_way.stage == stage).count();
        self.open.get(&stage).map_or(0, |open| open.saturating_sub(begun))
    }

    /// Seconds left: with all workers busy, but never less than what has to be done one after the other. None while nothing
    /// tells how long a stage takes that is to be done.
    pub fn seconds_left(&self, now: f64) -> Option<f64> {
        let mut work = 0.0;
        // What waits for a stage of each kind, and itself.
        let mut chain: BTreeMap<StageName, f64> = BTreeMap::new();
        for stage in StageName::ALL.into_iter().rev() {
            let after = chain_after(stage).iter().map(|next| chain[next]).fold(0.0, f64::max);
            let waiting = self.waiting(stage);
            let takes = if waiting > 0 { self.takes(stage)? } else { 0.0 };
            work += takes * waiting as f64;
            chain.insert(stage, takes + after);
        }
        let mut longest = chain.values().copied().fold(0.0, f64::max);
        for under_way in self.under_way.values() {
            let left = under_way.left(self.takes(under_way.stage), now)?;
            let after = chain_after(under_way.stage).iter().map(|next| chain[next]).fold(0.0, f64::max);
            work += left;
            longest = longest.max(left + after);
        }
        Some(longest.max(work / self.workers.max(1) as f64))
    }
}

/// The stages that read the result of one.
fn chain_after(stage: StageName) -> &'static [StageName] {
    match stage {
        StageName::Simulate => &[StageName::Train],
        StageName::Train => &[StageName::Explain],
        StageName::Explain => &[StageName::Evaluate, StageName::Render],
        StageName::Evaluate | StageName::Render => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Epoch;

    fn started(work: &[(StageName, usize)], typical: &[(StageName, f64)], workers: usize) -> Forecast {
        let mut forecast = Forecast::default();
        let event = Event::ExperimentStarted {
            format: crate::format::FORMAT,
            name: "a".into(),
            folder: "a".into(),
            runs: 4,
            stages: 8,
            cached: 0,
            work: work.iter().copied().collect(),
            typical_seconds: typical.iter().copied().collect(),
            workers,
        };
        forecast.observe(&event, 0.0);
        forecast
    }

    fn stage(stage: StageName, number: i32) -> StageRef {
        StageRef { stage, key: Key::of(&number.into()), runs: 1, run_ids: Vec::new() }
    }

    fn begin(stage: StageRef) -> Event {
        Event::StageStarted { stage, worker: 0, log: String::new(), log_offset: 0 }
    }

    fn epoch(stage: StageRef, epoch: usize, epochs: usize) -> Event {
        let epoch = Epoch { epoch, train_loss: 1.0, train_mae: 1.0, val_loss: 1.0, val_mae: 1.0, epoch_seconds: 1.0 };
        Event::EpochFinished { stage, epochs, epoch }
    }

    #[test]
    fn what_was_seen_counts_more_than_history_and_the_unknown_is_not_guessed() {
        let work = [(StageName::Train, 4), (StageName::Explain, 4)];
        let mut forecast = started(&work, &[(StageName::Train, 10.0)], 2);
        assert_eq!(forecast.seconds_left(0.0), None);
        let mut finish = |kind, number, seconds| {
            let stage = stage(kind, number);
            forecast.observe(&Event::StageFinished { stage, seconds }, 1.0);
            forecast.seconds_left(1.0)
        };
        assert_eq!(finish(StageName::Explain, 1, 2.0), Some((4.0 * 10.0 + 3.0 * 2.0) / 2.0));
        assert_eq!(finish(StageName::Train, 2, 20.0), Some((3.0 * 20.0 + 3.0 * 2.0) / 2.0));
    }

    #[test]
    fn it_is_never_shorter_than_a_single_worker() {
        // Many workers and one training left: they cannot share it.
        let mut forecast = started(&[(StageName::Train, 1)], &[(StageName::Train, 10.0)], 8);
        assert_eq!(forecast.seconds_left(0.0), Some(10.0));
        let train = stage(StageName::Train, 1);
        forecast.observe(&begin(train.clone()), 100.0);
        assert_eq!(forecast.seconds_left(104.0), Some(6.0));
        assert_eq!(forecast.seconds_left(300.0), Some(0.0), "longer than usual");
        // It turns out to be slower than those before.
        forecast.observe(&epoch(train.clone(), 2, 10), 110.0);
        assert_eq!(forecast.seconds_left(110.0), Some(40.0));
        assert_eq!(forecast.seconds_left_of(&train.key, 115.0), Some(35.0));
        assert_eq!(forecast.seconds_left(115.0), Some(35.0));
    }

    #[test]
    fn what_comes_after_a_stage_of_the_same_run_counts() {
        let takes =
            [(StageName::Train, 10.0), (StageName::Explain, 4.0), (StageName::Evaluate, 3.0), (StageName::Render, 5.0)];
        let mut forecast = started(&takes.map(|(stage, _)| (stage, 1)), &takes, 8);
        assert_eq!(forecast.seconds_left(0.0), Some(10.0 + 4.0 + 5.0));
        forecast.observe(&begin(stage(StageName::Train, 1)), 0.0);
        assert_eq!(forecast.seconds_left(4.0), Some(6.0 + 4.0 + 5.0));
        forecast.observe(&Event::StageFinished { stage: stage(StageName::Train, 1), seconds: 10.0 }, 10.0);
        assert_eq!(forecast.seconds_left(10.0), Some(9.0));
    }

    #[test]
    fn odd_progress_and_clocks_do_no_harm() {
        let train = stage(StageName::Train, 1);
        let mut forecast = started(&[(StageName::Train, 1)], &[], 0);
        forecast.observe(&begin(train.clone()), 50.0);
        assert_eq!(forecast.seconds_left(50.0), None);
        forecast.observe(&epoch(train.clone(), 0, 0), 60.0);
        assert_eq!(forecast.seconds_left(60.0), None, "nothing is done yet");
        forecast.observe(&epoch(train.clone(), 30, 10), 60.0);
        assert_eq!(forecast.seconds_left(60.0), Some(0.0), "more than all is done");
        forecast.observe(&epoch(train, 5, 10), 10.0);
        assert_eq!(forecast.seconds_left(0.0), Some(0.0), "time went back");
    }
}
