//! Where an experiment stands, read from its folder: also while it runs, and from another process.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use super::frozen::FrozenPlan;
use super::journal::Recorded;
use super::results::ResultsFolder;
use crate::error::{Error, Result};
use crate::event::{Event, RunStatus, StageRef};
use crate::store::Key;

/// A stage that a worker is at.
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
    pub stages_done: usize,
    /// By their keys.
    pub under_way: BTreeMap<Key, UnderWay>,
    /// The events since the last start.
    pub events: Vec<Event>,
}

impl Standing {
    /// Reads a results folder.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder that holds no experiment.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = ResultsFolder::at(path);
        let frozen = read_plan(path)?;
        let recorded = read_events(&folder)?;
        let start = recorded.iter().rposition(|one| matches!(one.event, Event::ExperimentStarted { .. }));
        let recorded = &recorded[start.unwrap_or(recorded.len())..];
        let mut standing = Self {
            running: is_running(&folder),
            seconds: 0.0,
            runs: vec![(RunStatus::Pending, None); frozen.plan.runs.len()],
            stages_done: 0,
            under_way: BTreeMap::new(),
            events: recorded.iter().map(|one| one.event.clone()).collect(),
            frozen,
        };
        let index: HashMap<String, usize> =
            standing.frozen.plan.runs.iter().enumerate().map(|(index, run)| (run.run_id.clone(), index)).collect();
        recorded.iter().for_each(|one| standing.observe(&one.event, &index));
        if !standing.running {
            standing.under_way.clear();
        }
        let last = if standing.running { Some(SystemTime::now()) } else { recorded.last().and_then(Recorded::when) };
        let span = recorded.first().and_then(Recorded::when).zip(last);
        standing.seconds = span.and_then(|(from, to)| to.duration_since(from).ok()).map_or(0.0, |d| d.as_secs_f64());
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
            Event::StageCached(_) => self.stages_done += 1,
            Event::StageFinished { stage, .. } => {
                self.under_way.remove(&stage.key);
                self.stages_done += 1;
            }
            Event::StageRetried { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StageInvalid { stage, .. } => {
                self.under_way.remove(&stage.key);
            }
            Event::RunFinished { run_id, status, reason } => {
                if let Some(&run) = index.get(run_id) {
                    self.runs[run] = (*status, reason.clone());
                }
            }
            Event::Interrupted | Event::ExperimentFinished { .. } => self.under_way.clear(),
            _ => {}
        }
    }

    /// How many runs have a status.
    pub fn count(&self, status: RunStatus) -> usize {
        self.runs.iter().filter(|(known, _)| *known == status).count()
    }
}

/// The plan of a results folder.
pub fn read_plan(path: &Path) -> Result<FrozenPlan> {
    FrozenPlan::read(path).map_err(|error| {
        Error::usage(
            format!("{} holds no experiment: {error}", path.display()),
            "name a results folder, such as results/quickstart",
        )
    })
}

/// All events of a results folder, of every start.
pub fn read_events(folder: &ResultsFolder) -> Result<Vec<Recorded>> {
    let path = folder.events();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    // A line that is being written, or was written by another version, tells nothing.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Whether a runner holds the folder's lock.
fn is_running(folder: &ResultsFolder) -> bool {
    File::open(folder.lock()).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
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
