//! Where an experiment stands, read from its folder: also while it runs, and from another process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::journal::{EVENTS, Events, Recorded};
use super::results::ResultsFolder;
use crate::disk::Folder;
use crate::error::{Error, Result};
use crate::event::{Event, RunStatus, StageRef};
use crate::format::{FORMAT, Newer};
use crate::key::Key;
use crate::plan::FrozenPlan;

/// Longer than this nothing goes on without an event.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// A stage that a worker does.
#[derive(Debug, Clone)]
pub struct UnderWay {
    pub stage: StageRef,
    pub worker: usize,
    /// The epochs done and to do, of a training.
    pub epochs: Option<(usize, usize)>,
}

/// An experiment as its folder tells of it.
#[derive(Debug)]
pub struct Standing {
    pub frozen: FrozenPlan,
    /// Whether a runner is at it now.
    pub running: bool,
    /// Since its last start.
    pub seconds: f64,
    /// Of every run of the plan: its status, and why it failed or is invalid.
    pub runs: Vec<(RunStatus, Option<String>)>,
    /// What else must be known of runs, by their places in the plan.
    pub notes: BTreeMap<usize, String>,
    pub stages_done: usize,
    /// What of the folder could not be read, for a person.
    pub trouble: Vec<String>,
    /// By their keys.
    pub under_way: BTreeMap<Key, UnderWay>,
    /// The events since the last start, and the seconds from there to each.
    pub events: Vec<(f64, Event)>,
}

impl Standing {
    /// Reads a results folder.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder that holds no experiment.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = ResultsFolder::at(path);
        let frozen = read_plan(path)?;
        let Events { recorded, trouble } = Events::read(folder.folder());
        let start = recorded.iter().rposition(|one| matches!(one.event, Event::ExperimentStarted { .. }));
        // Where the line of the start is damaged, those after it still tell.
        let recorded = &recorded[start.unwrap_or(0)..];
        let running = folder.is_running();
        let unknown = running.as_ref().err().map(|error| format!("whether it is running is not known: {error}"));
        let newer = recorded.iter().find_map(|one| match one.event {
            Event::ExperimentStarted { format, .. } if format > FORMAT => Some(format!("{EVENTS}: {}", Newer(format))),
            _ => None,
        });
        let mut standing = Self {
            running: running.unwrap_or(false),
            seconds: 0.0,
            runs: vec![(RunStatus::Pending, None); frozen.plan.runs.len()],
            notes: BTreeMap::new(),
            stages_done: 0,
            trouble: trouble.into_iter().chain(unknown).chain(newer).collect(),
            under_way: BTreeMap::new(),
            events: since_start(recorded),
            frozen,
        };
        let index: HashMap<String, usize> =
            standing.frozen.plan.runs.iter().enumerate().map(|(index, run)| (run.run_id.clone(), index)).collect();
        recorded.iter().for_each(|one| standing.observe(&one.event, &index));
        standing.stages_done = standing.count_done(recorded);
        if !standing.running {
            standing.under_way.clear();
        }
        standing.seconds = standing.events.last().map_or(0.0, |(at, _)| *at);
        if standing.running {
            standing.seconds += recorded.last().map_or(0.0, |last| since(last.when(), SystemTime::now()));
        }
        Ok(standing)
    }

    fn observe(&mut self, event: &Event, index: &HashMap<String, usize>) {
        match event {
            Event::StageStarted { stage, worker, .. } => {
                let under_way = UnderWay { stage: stage.clone(), worker: *worker, epochs: None };
                self.under_way.insert(stage.key.clone(), under_way);
            }
            Event::EpochFinished { stage, epochs, epoch } => {
                if let Some(under_way) = self.under_way.get_mut(&stage.key) {
                    under_way.epochs = Some((epoch.epoch, *epochs));
                }
            }
            Event::StageFinished { stage, .. }
            | Event::StageRetried { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StageInvalid { stage, .. } => {
                self.under_way.remove(&stage.key);
            }
            Event::RunFinished { run_id, status, reason, note } => {
                if let Some(&run) = index.get(run_id) {
                    self.runs[run] = (*status, reason.clone());
                    self.notes.extend(note.clone().map(|note| (run, note)));
                }
            }
            Event::Interrupted | Event::ExperimentFinished { .. } => self.under_way.clear(),
            _ => {}
        }
    }

    /// How many tasks of the plan are done: each counts once, however often the events name it.
    fn count_done(&self, recorded: &[Recorded]) -> usize {
        let done = recorded.iter().filter_map(|one| match &one.event {
            Event::StageCached(stage) | Event::StageFinished { stage, .. } => Some(&stage.key),
            _ => None,
        });
        let done: BTreeSet<&Key> = done.collect();
        self.frozen.plan.tasks.iter().filter(|task| done.contains(&task.key)).count()
    }

    /// How many runs have a status.
    pub fn count(&self, status: RunStatus) -> usize {
        self.runs.iter().filter(|(known, _)| *known == status).count()
    }
}

/// Events with the seconds from the first to each: by the clock of the runner that only goes forward, or, where an earlier
/// version did not record it, by the time of day. They never go back.
fn since_start(recorded: &[Recorded]) -> Vec<(f64, Event)> {
    let first = recorded.first();
    let mut reached = 0.0;
    let at = |one: &Recorded| match (first.and_then(|first| first.elapsed_seconds), one.elapsed_seconds) {
        (Some(first), Some(elapsed)) => elapsed - first,
        _ => {
            first.and_then(Recorded::when).map_or(0.0, |first| one.when().map_or(0.0, |when| since(Some(first), when)))
        }
    };
    let event = |one: &Recorded| {
        reached = at(one).max(reached);
        (reached, one.event.clone())
    };
    recorded.iter().map(event).collect()
}

/// Seconds from one time of day to another. A day without an event, or less than nothing, is a clock that was set.
fn since(from: Option<SystemTime>, to: SystemTime) -> f64 {
    let passed = from.and_then(|from| to.duration_since(from).ok()).unwrap_or_default();
    if passed < A_DAY { passed.as_secs_f64() } else { 0.0 }
}

/// The plan of a results folder.
pub fn read_plan(path: &Path) -> Result<FrozenPlan> {
    FrozenPlan::read(&Folder::at(path)).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Error::failed(
            format!("cannot read the plan of {}: {error}", path.display()),
            "run the same experiment again: finished results are reused, and the plan is written again",
        ),
        std::io::ErrorKind::Unsupported => {
            Error::failed(error.to_string(), "xdlreg-run --version says which this one is")
        }
        _ => Error::usage(
            format!("{} holds no experiment: {error}", path.display()),
            "name a results folder, such as results/quickstart",
        ),
    })
}

/// The run of a plan whose identifier begins with `prefix`.
pub fn find_run(frozen: &FrozenPlan, prefix: &str) -> Result<usize> {
    let runs = &frozen.plan.runs;
    let found: Vec<usize> = (0..runs.len()).filter(|&run| runs[run].run_id.starts_with(prefix)).collect();
    match found[..] {
        [run] => Ok(run),
        [] => Err(Error::usage(
            format!("{} has no run {prefix}", frozen.name),
            "`xdlreg-run status DIR` and the table runs.parquet name the runs",
        )),
        _ => Err(Error::usage(
            format!("{} runs of {} begin with {prefix}", found.len(), frozen.name),
            "write more of the identifier",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::Epoch;
    use crate::plan::Plan;
    use crate::runner::journal::Journal;
    use crate::runner::make_plan;
    use crate::spec::{Cell, CellSettings, ExperimentSpec};
    use crate::stage::Compute;
    use crate::stage_name::StageName;

    /// A results folder with the plan of two runs that share their simulation.
    fn planned() -> (tempfile::TempDir, Plan) {
        let cell = |seed| {
            let mut spec = ExperimentSpec::default();
            spec.model.seed = seed;
            Cell { settings: CellSettings::default(), spec }
        };
        let plan = make_plan(&[cell(0), cell(1)], Compute::Cpu);
        let folder = tempfile::tempdir().unwrap();
        let frozen_at = "2026-01-01T00:00:00Z".to_owned();
        let frozen =
            FrozenPlan { format: FORMAT, name: "study".into(), frozen_at, compute: Compute::Cpu, plan: plan.clone() };
        frozen.write(&Folder::at(folder.path())).unwrap();
        (folder, plan)
    }

    fn started() -> Event {
        Event::ExperimentStarted {
            format: FORMAT,
            name: "study".into(),
            folder: "results/study".into(),
            runs: 2,
            stages: 9,
            cached: 0,
            work: BTreeMap::new(),
            typical_seconds: BTreeMap::new(),
            workers: 1,
        }
    }

    fn finished(plan: &Plan, run: usize, status: RunStatus) -> Event {
        Event::RunFinished { run_id: plan.runs[run].run_id.clone(), status, reason: None, note: None }
    }

    fn read(folder: &Path, events: &[Event]) -> Standing {
        let mut journal = Journal::open(&Folder::at(folder)).unwrap();
        events.iter().for_each(|event| journal.record(event).unwrap());
        Standing::read(folder).unwrap()
    }

    #[test]
    fn what_an_earlier_start_told_is_past() {
        let (folder, plan) = planned();
        let all = |one, other| [finished(&plan, 0, one), finished(&plan, 1, other)];
        let ended = Event::ExperimentFinished { done: 1, failed: 1, invalid: 0, seconds: 9.0 };
        let done = plan.stage_ref(plan.runs[0].tasks[StageName::Simulate]);
        let first = [&[started(), Event::StageCached(done.clone())][..], &all(RunStatus::Done, RunStatus::Failed)];
        let standing = read(folder.path(), &[first.concat(), vec![ended]].concat());
        assert_eq!([RunStatus::Done, RunStatus::Failed].map(|status| standing.count(status)), [1, 1]);
        assert_eq!((standing.stages_done, standing.events.len()), (1, 5));
        let standing = read(folder.path(), &[started(), finished(&plan, 1, RunStatus::Done)]);
        assert_eq!(standing.runs, [(RunStatus::Pending, None), (RunStatus::Done, None)]);
        assert_eq!((standing.stages_done, standing.events.len()), (0, 2));
    }

    #[test]
    fn a_stage_counts_once_however_often_it_is_told() {
        let (folder, plan) = planned();
        let stage = |run: usize, stage| plan.stage_ref(plan.runs[run].tasks[stage]);
        let [simulate, train] = [StageName::Simulate, StageName::Train].map(|name| stage(0, name));
        // A runner that joined finds what the first one made, and tells it as well.
        let again = Event::StageCached(simulate.clone());
        let events = [
            started(),
            Event::StageFinished { stage: simulate.clone(), seconds: 1.0 },
            again.clone(),
            again,
            Event::StageFinished { stage: train.clone(), seconds: 2.0 },
            Event::StageCached(train),
        ];
        assert_eq!(read(folder.path(), &events).stages_done, 2);
        assert_eq!(read(folder.path(), &[Event::StageCached(stage(1, StageName::Train))]).stages_done, 3);
    }

    #[test]
    fn nothing_is_under_way_where_nobody_runs() {
        let (folder, plan) = planned();
        let stage = plan.stage_ref(plan.runs[1].tasks[StageName::Train]);
        let epoch =
            Epoch { epoch: 3, train_loss: 1.0, train_mae: 1.0, val_loss: 1.0, val_mae: 1.0, epoch_seconds: 1.0 };
        let events = [
            started(),
            Event::StageStarted { stage: stage.clone(), worker: 4, log: "worker-4.log".into(), log_offset: 0 },
            Event::EpochFinished { stage: stage.clone(), epochs: 7, epoch },
        ];
        assert!(read(folder.path(), &events).under_way.is_empty(), "its runner was killed");
        let lock = ResultsFolder::at(folder.path()).lock_file().unwrap();
        lock.lock().unwrap();
        let standing = Standing::read(folder.path()).unwrap();
        let told = &standing.under_way[&stage.key];
        assert_eq!((standing.running, told.worker, told.epochs), (true, 4, Some((3, 7))));
    }
}
