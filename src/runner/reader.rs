//! Finished stages, read from the store: the store's entries are the truth, and little of them is kept.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::recent::Recent;
use crate::data::Target;
use crate::error::{Error, Result};
use crate::event::{Epoch, RunStatus};
use crate::explain::{Finding, Flaw};
use crate::metric::{LeftOutSigns, Measurement, RegionRelevance};
use crate::plan::{Plan, PlannedRun};
use crate::stage::{Explained, Job, files};
use crate::stage_name::{PerStage, StageName};
use crate::store::dataset::{self, Samples};
use crate::store::{Check, Entry, Lookup, Store, arrays, pumpkins};
use crate::tables::{DatasetRecord, RunDetails, RunRecord};
use crate::task::Task;

/// So many entries are known at once: those of the runs of a start that are looked at together, and those that runs share.
const ENTRIES: usize = 2048;
/// So many data sets are known at once, without images.
const DATASETS: usize = 8;

/// Reads finished stages.
pub struct Reader<'a> {
    plan: &'a Plan,
    store: &'a Store,
    entries: Recent<Entry>,
    samples: Recent<Samples>,
    /// The names of the columns of scores, each once.
    names: HashSet<Arc<str>>,
}

impl<'a> Reader<'a> {
    pub fn new(plan: &'a Plan, store: &'a Store) -> Self {
        let (entries, samples) = (Recent::new(ENTRIES), Recent::new(DATASETS));
        Self { plan, store, entries, samples, names: HashSet::new() }
    }

    /// Remembers the entry of a task that was looked up already.
    pub fn keep(&mut self, task: usize, entry: Entry) {
        self.entries.keep(task, entry);
    }

    /// The entry of a finished task.
    pub fn entry(&mut self, task: usize) -> Result<Arc<Entry>> {
        if let Some(entry) = self.entries.get(task) {
            return Ok(entry);
        }
        let planned = &self.plan.tasks[task];
        let (stage, key) = (planned.stage(), &planned.key);
        // It was checked when it was found, or made by this experiment.
        match self.store.lookup(stage, key, Check::Times) {
            Lookup::Hit(entry) => Ok(self.entries.keep(task, *entry)),
            Lookup::Miss => Err(Error::Failed { message: format!("the result of {stage} {key} is gone"), help: None }),
            Lookup::Newer(newer) => {
                Err(Error::Failed { message: format!("the result of {stage} {key}: {newer}"), help: None })
            }
            Lookup::Corrupt(why) => {
                Err(Error::Failed { message: format!("the result of {stage} {key} is damaged: {why}"), help: None })
            }
        }
    }

    fn samples(&mut self, task: usize) -> Result<Arc<Samples>> {
        if let Some(samples) = self.samples.get(task) {
            return Ok(samples);
        }
        let samples = dataset::load_samples(&self.entry(task)?.file(files::DATA)).map_err(unreadable)?;
        Ok(self.samples.keep(task, samples))
    }

    /// What there is of a run: of the stages that it finished.
    pub fn found(&mut self, run: &PlannedRun, done: &[bool]) -> Result<Found> {
        let entries = PerStage::try_new(|stage| match run.tasks[stage] {
            task if done[task] => self.entry(task).map(Some),
            _ => Ok(None),
        })?;
        let has = |stage| entries[stage].is_some();
        let samples = match has(StageName::Simulate) && has(StageName::Train) {
            true => Some(self.samples(run.tasks[StageName::Simulate])?),
            false => None,
        };
        Ok(Found { entries, samples, task: self.plan.learning_task(run) })
    }

    /// What the table of runs tells of a run, from what there is of it. Its status is that of a pending one.
    pub fn record(&mut self, run: &PlannedRun, found: &Found, details: &RunDetails) -> RunRecord {
        let manifests = || found.entries.iter().filter_map(|(_, entry)| Some(&entry.as_ref()?.manifest));
        let complete = manifests().count() == StageName::ALL.len();
        let scores = details.measurements.iter().filter_map(|row| Some((row.column()?, row.value)));
        RunRecord {
            train_seconds: found.entries[StageName::Train].as_ref().map(|entry| entry.manifest.seconds),
            total_seconds: complete.then(|| manifests().map(|manifest| manifest.seconds).sum()),
            peak_memory_bytes: manifests().map(|manifest| manifest.peak_memory_bytes).max(),
            scores: scores.map(|(name, value)| (self.name(&name), value)).collect(),
            ..RunRecord::pending(self.plan, run)
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// What the tables tell of the data set that a finished task made.
    pub fn dataset(&mut self, task: usize) -> Result<DatasetRecord> {
        let samples = self.samples(task)?;
        let planned = &self.plan.tasks[task];
        let simulated = matches!(&planned.job, Job::Simulate { data } if data.pumpkins().is_some());
        let path = self.entry(task)?.file(files::DATA);
        let pumpkins = simulated.then(|| pumpkins::load_pumpkins(&path)).transpose().map_err(unreadable)?;
        Ok(DatasetRecord { key: planned.key.to_string(), samples, pumpkins })
    }
}

/// The entries of the stages that a run finished, and the samples of its data set. What is in them is read when it is needed,
/// which may be done for several runs at once.
pub struct Found {
    entries: PerStage<Option<Arc<Entry>>>,
    samples: Option<Arc<Samples>>,
    /// What its network learns.
    task: Task,
}

impl Found {
    /// What the tables tell of the run.
    pub fn details(&self) -> Result<RunDetails> {
        let mut details = RunDetails::default();
        if let (Some(train), Some(samples)) = (&self.entries[StageName::Train], &self.samples) {
            details.epochs = read_json::<Vec<Epoch>>(train, files::EPOCHS)?;
            details.predictions = self.predictions()?;
            details.task = Some(self.task);
            details.samples = Some(Arc::clone(samples));
        }
        if let Some(evaluate) = &self.entries[StageName::Evaluate] {
            details.measurements = read_json::<Vec<Measurement>>(evaluate, files::MEASUREMENTS)?;
            details.signs = read_json::<Vec<LeftOutSigns>>(evaluate, files::SIGNS)?;
            details.regions = read_json::<Vec<RegionRelevance>>(evaluate, files::REGIONS)?;
        }
        Ok(details)
    }

    /// The prediction of every sample; empty before there is a network.
    pub fn predictions(&self) -> Result<Vec<f32>> {
        let Some(train) = &self.entries[StageName::Train] else { return Ok(Vec::new()) };
        arrays::read_vector(&train.file(files::PREDICTIONS)).map_err(unreadable)
    }

    /// The samples of its data set, once they are predicted.
    pub fn samples(&self) -> Option<&Arc<Samples>> {
        self.samples.as_ref()
    }

    /// What must be known of its maps, and those that mean nothing, by their places.
    pub fn explained(&self) -> Result<(Vec<Finding>, BTreeMap<usize, Flaw>)> {
        let Some(explain) = &self.entries[StageName::Explain] else { return Ok(Default::default()) };
        let Explained { findings, flaws, .. } = read_json(explain, files::EXPLAINED)?;
        Ok((findings, flaws))
    }
}

impl RunRecord {
    /// A run of which nothing is known but its place in the plan.
    pub fn pending(plan: &Plan, run: &PlannedRun) -> Self {
        Self {
            run_id: run.run_id.clone(),
            status: RunStatus::Pending,
            reason: None,
            note: None,
            settings: run.settings.clone(),
            replicate: run.replicate,
            keys: PerStage::new(|stage| plan.tasks[run.tasks[stage]].key.to_string()),
            train_seconds: None,
            total_seconds: None,
            peak_memory_bytes: None,
            scores: Vec::new(),
        }
    }
}

/// What a run predicts.
pub fn target_of(plan: &Plan, run: &PlannedRun) -> Target {
    match &plan.tasks[run.tasks[StageName::Simulate]].job {
        Job::Simulate { data } => data.target(),
        job => unreachable!("the first task of a run makes its data set, it does not {}", job.stage()),
    }
}

fn read_json<T: DeserializeOwned>(entry: &Entry, name: &str) -> Result<T> {
    let failed = |error: std::io::Error| Error::io("read", &entry.file(name), &error);
    let text = entry.folder.read(name).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Failed { message: error.to_string(), help: None }
}
