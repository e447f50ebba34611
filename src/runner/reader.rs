//! Finished stages, read for the tables.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::data::{Partition, Target};
use crate::error::{Error, Result};
use crate::event::{Epoch, RunStatus};
use crate::metric::Measurement;
use crate::plan::{Plan, PlannedRun};
use crate::stage::{Explained, Job, files};
use crate::stage_name::{PerStage, StageName};
use crate::store::{Check, Entry, Lookup, Store, arrays, dataset, pumpkins};
use crate::tables::{DatasetRecord, RunRecord, SampleRecords};

/// Reads finished stages, each entry and data set once.
pub struct Reader<'a> {
    plan: &'a Plan,
    store: &'a Store,
    entries: HashMap<usize, Rc<Entry>>,
    datasets: HashMap<usize, Rc<SampleRecords>>,
}

impl<'a> Reader<'a> {
    pub fn new(plan: &'a Plan, store: &'a Store) -> Self {
        Self { plan, store, entries: HashMap::new(), datasets: HashMap::new() }
    }

    /// Remembers the entry of a task that was looked up already.
    pub fn keep(&mut self, task: usize, entry: Entry) {
        self.entries.insert(task, Rc::new(entry));
    }

    /// The entry of a finished task.
    pub fn entry(&mut self, task: usize) -> Result<Rc<Entry>> {
        if let Some(entry) = self.entries.get(&task) {
            return Ok(Rc::clone(entry));
        }
        let planned = &self.plan.tasks[task];
        let (stage, key) = (planned.stage(), &planned.key);
        // It was checked when it was found, or made just now.
        match self.store.lookup(stage, key, Check::Times) {
            Lookup::Hit(entry) => {
                self.keep(task, *entry);
                Ok(Rc::clone(&self.entries[&task]))
            }
            Lookup::Miss => Err(Error::Failed { message: format!("the result of {stage} {key} is gone"), help: None }),
            Lookup::Newer(newer) => {
                Err(Error::Failed { message: format!("the result of {stage} {key}: {newer}"), help: None })
            }
            Lookup::Corrupt(why) => {
                Err(Error::Failed { message: format!("the result of {stage} {key} is damaged: {why}"), help: None })
            }
        }
    }

    fn dataset(&mut self, task: usize) -> Result<Rc<SampleRecords>> {
        if let Some(samples) = self.datasets.get(&task) {
            return Ok(Rc::clone(samples));
        }
        let path = self.entry(task)?.file(files::DATA);
        let dataset::Samples { targets, target, partition, names } =
            dataset::load_samples(&path).map_err(unreadable)?;
        let simulated = matches!(&self.plan.tasks[task].job, Job::Simulate { data } if data.pumpkins().is_some());
        let pumpkins = simulated.then(|| pumpkins::load_pumpkins(&path)).transpose().map_err(unreadable)?;
        let samples = Rc::new(SampleRecords { target, targets, partition, names, pumpkins });
        self.datasets.insert(task, Rc::clone(&samples));
        Ok(samples)
    }

    /// What the tables tell of a run, from the stages that it finished. Its status is that of a pending one.
    pub fn record(&mut self, run: &PlannedRun, done: &[bool]) -> Result<RunRecord> {
        let entries = PerStage::try_new(|stage| match run.tasks[stage] {
            task if done[task] => self.entry(task).map(Some),
            _ => Ok(None),
        })?;
        let manifests = || entries.iter().filter_map(|(_, entry)| Some(&entry.as_ref()?.manifest));
        let mut record = RunRecord::pending(self.plan, run);
        record.train_seconds = entries[StageName::Train].as_ref().map(|entry| entry.manifest.seconds);
        let complete = manifests().count() == StageName::ALL.len();
        record.total_seconds = complete.then(|| manifests().map(|manifest| manifest.seconds).sum());
        record.peak_memory_bytes = manifests().map(|manifest| manifest.peak_memory_bytes).max();
        if let (Some(_), Some(train)) = (&entries[StageName::Simulate], &entries[StageName::Train]) {
            record.epochs = read_json::<Vec<Epoch>>(train, files::EPOCHS)?;
            let predictions = arrays::read_vector(&train.file(files::PREDICTIONS)).map_err(unreadable)?;
            let samples = self.dataset(run.tasks[StageName::Simulate])?;
            record.partition = samples.partition.clone();
            record.predictions = samples.targets.iter().copied().zip(predictions).collect();
        }
        if let Some(explain) = &entries[StageName::Explain] {
            let Explained { findings, flaws, .. } = read_json(explain, files::EXPLAINED)?;
            (record.findings, record.flaws) = (findings, flaws);
        }
        if let Some(evaluate) = &entries[StageName::Evaluate] {
            record.measurements = read_json::<Vec<Measurement>>(evaluate, files::MEASUREMENTS)?;
        }
        Ok(record)
    }

    /// The data sets of the plan that are finished, in its order.
    pub fn datasets(&mut self, done: &[bool]) -> Result<Vec<DatasetRecord>> {
        let mut records = Vec::new();
        for (index, task) in self.plan.tasks.iter().enumerate() {
            if done[index] && task.stage() == StageName::Simulate {
                records.push(DatasetRecord { key: task.key.to_string(), samples: self.dataset(index)? });
            }
        }
        Ok(records)
    }
}

impl RunRecord {
    /// A run of which nothing is known but its place in the plan.
    pub fn pending(plan: &Plan, run: &PlannedRun) -> Self {
        Self {
            run_id: run.run_id.clone(),
            status: RunStatus::Pending,
            reason: None,
            settings: run.settings.clone(),
            replicate: run.replicate,
            keys: PerStage::new(|stage| plan.tasks[run.tasks[stage]].key.to_string()),
            train_seconds: None,
            total_seconds: None,
            peak_memory_bytes: None,
            epochs: Vec::new(),
            target: target_of(plan, run),
            partition: Partition::in_order(0),
            predictions: Vec::new(),
            findings: Vec::new(),
            flaws: BTreeMap::new(),
            note: None,
            measurements: Vec::new(),
        }
    }
}

/// What a run predicts.
fn target_of(plan: &Plan, run: &PlannedRun) -> Target {
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
