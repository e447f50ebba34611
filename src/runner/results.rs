//! The results folder of an experiment: what a user opens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::plan::{Plan, PlannedRun};
use crate::error::{Error, Result};
use crate::event::{Epoch, RunStatus};
use crate::stage::evaluate::Measurement;
use crate::stage::{StageName, files};
use crate::store::tables::{DatasetRecord, RunRecord};
use crate::store::{Entry, Store, arrays, dataset};

/// A folder of results.
#[derive(Debug, Clone)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    pub fn new(output: &Path, name: &str) -> Self {
        Self { path: output.join(name) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub fn heatmaps(&self) -> PathBuf {
        self.path.join("heatmaps")
    }

    /// Puts the files of a finished run where users look for them.
    pub fn publish(&self, run: &PlannedRun, plan: &Plan, store: &Store) -> Result<()> {
        let entry = |stage| require(plan, run, store, stage);
        let (train, explain, render) =
            (entry(StageName::Train)?, entry(StageName::Explain)?, entry(StageName::Render)?);
        let id = &run.run_id;
        let place = |source: &Path, target: PathBuf| {
            replace_with_link(source, &target).map_err(|error| Error::io("write", &target, &error))
        };
        place(&train.file(files::MODEL), self.path.join("models").join(format!("{id}.safetensors")))?;
        place(&explain.file(files::RELEVANCE), self.path.join("relevance").join(format!("{id}.npy")))?;
        for (folder, entry) in [(files::TENSORBOARD, &train), (files::CHECKPOINTS, &train), ("heatmaps", &render)] {
            let inner = if folder == "heatmaps" { "" } else { folder };
            let target = self.path.join(folder).join(id);
            replace_folder(entry, inner, &target).map_err(|error| Error::io("write", &target, &error))?;
        }
        Ok(())
    }
}

fn require(plan: &Plan, run: &PlannedRun, store: &Store, stage: StageName) -> Result<Entry> {
    let key = &plan.tasks[run.task(stage)].key;
    store.require(stage, key).map_err(|error| Error::io("read", store.root(), &error))
}

/// Hard links cost nothing; where the file system has none, the file is copied.
fn replace_with_link(source: &Path, target: &Path) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let temporary = target.with_extension("tmp");
    let _ = fs::remove_file(&temporary);
    if fs::hard_link(source, &temporary).is_err() {
        fs::copy(source, &temporary)?;
    }
    fs::rename(&temporary, target)
}

/// Puts the files below `inner` of an entry into `target`, in place of what was there. Without any such files there
/// is no folder.
fn replace_folder(entry: &Entry, inner: &str, target: &Path) -> io::Result<()> {
    let names: Vec<&String> =
        entry.manifest.files.keys().filter(|name| inner.is_empty() || name.starts_with(&format!("{inner}/"))).collect();
    match fs::remove_dir_all(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for name in names {
        let short = name.strip_prefix(inner).unwrap_or(name).trim_start_matches('/');
        replace_with_link(&entry.file(name), &target.join(short))?;
    }
    Ok(())
}

/// What the tables tell of a run, from the stages that it finished.
pub fn record(
    plan: &Plan,
    run: &PlannedRun,
    store: &Store,
    status: RunStatus,
    reason: Option<String>,
    done: &[bool],
) -> Result<RunRecord> {
    let finished = |stage: StageName| match done[run.task(stage)] {
        true => require(plan, run, store, stage).map(Some),
        false => Ok(None),
    };
    let entries = [
        finished(StageName::Simulate)?,
        finished(StageName::Train)?,
        finished(StageName::Explain)?,
        finished(StageName::Evaluate)?,
        finished(StageName::Render)?,
    ];
    let manifests = || entries.iter().flatten().map(|entry| &entry.manifest);
    let mut record = RunRecord {
        run_id: run.run_id.clone(),
        status,
        reason,
        keys: run.tasks.map(|task| plan.tasks[task].key.to_string()),
        train_seconds: entries[1].as_ref().map(|entry| entry.manifest.seconds),
        total_seconds: (status == RunStatus::Done).then(|| manifests().map(|manifest| manifest.seconds).sum()),
        peak_memory_bytes: manifests().map(|manifest| manifest.peak_memory_bytes).max(),
        epochs: Vec::new(),
        predictions: Vec::new(),
        measurements: Vec::new(),
    };
    if let [Some(simulate), Some(train), ..] = &entries {
        record.epochs = read_json::<Vec<Epoch>>(&train.file(files::EPOCHS))?;
        let predictions = arrays::read_vector(&train.file(files::PREDICTIONS)).map_err(unreadable)?;
        let ages = dataset::load_pumpkins(&simulate.file(files::DATA)).map_err(unreadable)?;
        record.predictions = ages.iter().map(|pumpkin| pumpkin.age).zip(predictions).collect();
    }
    if let Some(evaluate) = &entries[3] {
        record.measurements = read_json::<Vec<Measurement>>(&evaluate.file(files::MEASUREMENTS))?;
    }
    Ok(record)
}

/// The data sets of a plan that are finished.
pub fn dataset_records(plan: &Plan, store: &Store, done: &[bool]) -> Result<Vec<DatasetRecord>> {
    let simulated = plan.tasks.iter().zip(done).filter(|(task, done)| **done && task.stage() == StageName::Simulate);
    simulated
        .map(|(task, _)| {
            let entry = store.require(task.stage(), &task.key).map_err(|e| Error::io("read", store.root(), &e))?;
            let pumpkins = dataset::load_pumpkins(&entry.file(files::DATA)).map_err(unreadable)?;
            Ok(DatasetRecord { key: task.key.to_string(), pumpkins })
        })
        .collect()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    serde_json::from_slice(&text).map_err(|error| Error::io("read", path, &error.into()))
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Failed { message: error.to_string(), help: None }
}
