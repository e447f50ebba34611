//! The plan of an experiment: what every run needs, with equal stages made once.
//!
//! It holds every job complete, so that a process which is given the plan and the index of a task can do the task.

mod frozen;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::StageRef;
use crate::key::{Key, read_run_id};
use crate::stage::Job;
use crate::stage_name::{PerStage, StageName};
use crate::task::Task;

pub use frozen::{FrozenPlan, PLAN};

/// A file in a results folder that asks whoever works on the experiment to stop.
pub const CANCEL: &str = ".cancel";

/// A stage to be done for one or more runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlannedTask {
    pub job: Job,
    pub key: Key,
    /// Indices of the tasks whose results it reads; all are smaller than its own.
    pub upstream: Vec<usize>,
    /// Indices of the runs that need it.
    pub runs: Vec<usize>,
}

impl PlannedTask {
    pub fn stage(&self) -> StageName {
        self.job.stage()
    }
}

/// One run: a pipeline through all stages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlannedRun {
    #[serde(deserialize_with = "read_run_id")]
    pub run_id: String,
    /// The values of all dotted keys that vary over the runs, in the order of the sweep; null for what is not set.
    pub settings: Vec<(String, Value)>,
    /// The name of its explanation, where it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Which of the replicates it is, where the sweep has such.
    pub replicate: Option<u64>,
    /// Its tasks, one a stage, in the order of [`StageName::ALL`].
    pub tasks: PerStage<usize>,
}

impl PlannedRun {
    /// "data.target_bias = 30, model.seed = 1"; empty for the only run of an experiment.
    pub fn label(&self) -> String {
        let set = told(&self.settings, |value| !value.is_null()).filter(|(_, value)| !value.is_null());
        set.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    }

    /// What it has in common with its replicates: the keys that vary but for seeds, and their values as text.
    pub fn setting(&self) -> Vec<(String, String)> {
        let text = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let varied = self.settings.iter().filter(|(key, _)| !is_seed(key));
        varied.map(|(key, value)| (key.clone(), text(value))).collect()
    }
}

/// All runs and tasks of an experiment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Plan {
    pub runs: Vec<PlannedRun>,
    pub tasks: Vec<PlannedTask>,
}

impl Plan {
    /// A task as events name it where it begins and ends: with its runs.
    pub fn stage_ref(&self, task: usize) -> StageRef {
        let run_ids = self.tasks[task].runs.iter().map(|&run| self.runs[run].run_id.clone()).collect();
        StageRef { run_ids, ..self.short_stage_ref(task) }
    }

    /// A task as events name it while it is under way: with its run, where it is of a single one.
    pub fn short_stage_ref(&self, task: usize) -> StageRef {
        let task = &self.tasks[task];
        let run_ids = if let [run] = task.runs[..] { vec![self.runs[run].run_id.clone()] } else { Vec::new() };
        StageRef { stage: task.stage(), key: task.key.clone(), runs: task.runs.len(), run_ids }
    }

    /// The runs that a stage of an event serves; none where it is of another plan.
    pub fn runs_of(&self, stage: &StageRef) -> impl Iterator<Item = &PlannedRun> {
        let task = self.tasks.iter().find(|task| task.key == stage.key);
        task.into_iter().flat_map(|task| &task.runs).map(|&run| &self.runs[run])
    }

    /// What the network of a run is trained for.
    pub fn learning_task(&self, run: &PlannedRun) -> Task {
        match &self.tasks[run.tasks[StageName::Train]].job {
            Job::Train { model, .. } => model.task,
            job => unreachable!("the second task of a run trains, it does not {}", job.stage()),
        }
    }

    /// Whether a plan that was read hangs together: every index that it holds is one of its own.
    pub fn is_sound(&self) -> bool {
        let tasks = self.tasks.iter().enumerate().all(|(index, task)| {
            task.upstream.iter().all(|&up| up < index) && task.runs.iter().all(|&run| run < self.runs.len())
        });
        let is_stage = |&index: &usize, stage| self.tasks.get(index).is_some_and(|task| task.stage() == stage);
        tasks && self.runs.iter().all(|run| StageName::ALL.into_iter().all(|stage| is_stage(&run.tasks[stage], stage)))
    }

    /// How many tasks of a stage there are.
    pub fn count(&self, stage: StageName) -> usize {
        self.tasks.iter().filter(|task| task.stage() == stage).count()
    }
}

/// The key of an explanation's name, which is told instead of the explanation's other settings.
pub const EXPLANATION_NAME: &str = "explain.name";

/// The settings by which a run is told from others: an explanation that has a name is known by that alone.
pub fn told<V>(settings: &[(String, V)], is_set: impl Fn(&V) -> bool) -> impl Iterator<Item = &(String, V)> {
    let named = settings.iter().any(|(key, value)| key == EXPLANATION_NAME && is_set(value));
    settings.iter().filter(move |(key, _)| !(named && is_named(key)))
}

/// Whether a key is of what an explanation's name stands for.
pub fn is_named(key: &str) -> bool {
    key.starts_with("explain.") && key != EXPLANATION_NAME && !is_seed(key)
}

/// The column that counts the runs of a setting.
pub const REPLICATE: &str = "replicate";

/// The fold of a cross-validation that a run tests.
pub const FOLD: &str = "data.fold";

/// Whether a key only repeats a run, with other random numbers or another fold.
pub fn is_seed(key: &str) -> bool {
    key == REPLICATE || key == FOLD || key.rsplit('.').next() == Some("seed")
}
