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
