//! The results folder of an experiment: what a user opens.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ensembles;
use super::plan::{Plan, PlannedRun};
use crate::error::{Error, Result};
use crate::event::{Epoch, RunStatus};
use crate::sim::Pumpkin;
use crate::stage::evaluate::Measurement;
use crate::stage::{StageName, files};
use crate::store::tables::{DatasetRecord, RunRecord};
use crate::store::{Entry, Lookup, Store, arrays, dataset, temporary};

/// The folder of the store, beside the results folders.
pub const STORE: &str = ".store";

/// A folder of results.
#[derive(Debug, Clone)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    pub fn new(output: &Path, name: &str) -> Self {
        Self { path: output.join(name) }
    }

    /// A results folder by its path.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The store that its results come from.
    pub fn store(&self) -> Store {
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        Store::new(absolute.parent().unwrap_or(Path::new("")).join(STORE))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// A file that asks the runner to stop.
    pub fn cancel(&self) -> PathBuf {
        self.path.join(".cancel")
    }

    pub fn lock(&self) -> PathBuf {
        self.path.join(".lock")
    }

    /// Puts the files of a finished run where users look for them; what is there already stays.
    pub fn publish(&self, run: &PlannedRun, reader: &mut Reader) -> Result<()> {
        let entry = |reader: &mut Reader, stage| reader.entry(run.task(stage));
        let train = entry(reader, StageName::Train)?;
        let explain = entry(reader, StageName::Explain)?;
        let render = entry(reader, StageName::Render)?;
        let id = &run.run_id;
        let place = |source: &Path, target: PathBuf| {
            place_file(source, &target).map_err(|error| Error::io("write", &target, &error))
        };
        place(&train.file(files::MODEL), self.path.join("models").join(format!("{id}.safetensors")))?;
        place(&explain.file(files::RELEVANCE), self.path.join("relevance").join(format!("{id}.npy")))?;
        for (folder, entry) in [(files::TENSORBOARD, &train), (files::CHECKPOINTS, &train), (HEATMAPS, &render)] {
            let inner = if folder == HEATMAPS { "" } else { folder };
            let target = self.path.join(folder).join(id);
            place_folder(entry, inner, &target).map_err(|error| Error::io("write", &target, &error))?;
        }
        Ok(())
    }

    /// Removes what a runner that was killed had begun to write. The caller holds the lock.
    pub fn remove_leftovers(&self) {
        let folders = ["", "models", "relevance", ensembles::FOLDER, files::TENSORBOARD, files::CHECKPOINTS, HEATMAPS];
        for item in folders.iter().flat_map(|folder| fs::read_dir(self.path.join(folder))).flatten().flatten() {
            let name = item.file_name();
            if name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(".tmp") {
                // What cannot be removed is only untidy.
                let _ =
                    if item.path().is_dir() { fs::remove_dir_all(item.path()) } else { fs::remove_file(item.path()) };
            }
        }
    }
}

const HEATMAPS: &str = "heatmaps";

/// Whether `target` has the content of `source`, as far as the file system tells.
fn is_placed(source: &Path, target: &Path) -> bool {
    let (Ok(source), Ok(target)) = (fs::metadata(source), fs::metadata(target)) else { return false };
    source.len() == target.len()
        && matches!((source.modified(), target.modified()), (Ok(one), Ok(other)) if one == other)
}

/// Hard links cost nothing; where the file system has none, the file is copied.
fn link(source: &Path, target: &Path) -> io::Result<()> {
    if fs::hard_link(source, target).is_err() {
        fs::copy(source, target)?;
        // So that it is known again as the same.
        fs::File::options().write(true).open(target)?.set_modified(fs::metadata(source)?.modified()?)?;
    }
    Ok(())
}

fn place_file(source: &Path, target: &Path) -> io::Result<()> {
    if is_placed(source, target) {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let temporary = temporary(target);
    let _ = fs::remove_file(&temporary);
    link(source, &temporary)?;
    fs::rename(&temporary, target)
}

/// Puts the files below `inner` of an entry into `target`, in place of what was there. Without any such files there
/// is no folder.
fn place_folder(entry: &Entry, inner: &str, target: &Path) -> io::Result<()> {
    let below = |name: &&String| inner.is_empty() || name.strip_prefix(inner).is_some_and(|rest| rest.starts_with('/'));
    let names: Vec<&String> = entry.manifest.files.keys().filter(below).collect();
    let short = |name: &str| name.strip_prefix(inner).unwrap_or(name).trim_start_matches('/').to_owned();
    let there = fs::read_dir(target).map_or(0, Iterator::count);
    if there > 0 && names.iter().all(|name| is_placed(&entry.file(name), &target.join(short(name)))) {
        return Ok(());
    }
    let temporary = temporary(target);
    for old in [&temporary, target] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        let target = temporary.join(short(name));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        link(&entry.file(name), &target)?;
    }
    fs::rename(&temporary, target)
}

/// Reads finished stages, each entry and data set once.
pub struct Reader<'a> {
    plan: &'a Plan,
    store: &'a Store,
    entries: HashMap<usize, Rc<Entry>>,
    datasets: HashMap<usize, Rc<Vec<Pumpkin>>>,
}

impl<'a> Reader<'a> {
    pub fn new(plan: &'a Plan, store: &'a Store) -> Self {
        Self { plan, store, entries: HashMap::new(), datasets: HashMap::new() }
    }

    /// Remembers the entry of a task that was looked up already.
    pub fn keep(&mut self, task: usize, entry: Entry) {
        self.entries.insert(task, Rc::new(entry));
    }

    fn entry(&mut self, task: usize) -> Result<Rc<Entry>> {
        if let Some(entry) = self.entries.get(&task) {
            return Ok(Rc::clone(entry));
        }
        let planned = &self.plan.tasks[task];
        let (stage, key) = (planned.stage(), &planned.key);
        match self.store.lookup(stage, key) {
            Lookup::Hit(entry) => {
                self.keep(task, *entry);
                Ok(Rc::clone(&self.entries[&task]))
            }
            Lookup::Miss => Err(Error::Failed { message: format!("the result of {stage} {key} is gone"), help: None }),
            Lookup::Corrupt(why) => {
                Err(Error::Failed { message: format!("the result of {stage} {key} is damaged: {why}"), help: None })
            }
        }
    }

    fn dataset(&mut self, task: usize) -> Result<Rc<Vec<Pumpkin>>> {
        if let Some(pumpkins) = self.datasets.get(&task) {
            return Ok(Rc::clone(pumpkins));
        }
        let pumpkins = dataset::load_pumpkins(&self.entry(task)?.file(files::DATA)).map_err(unreadable)?;
        let pumpkins = Rc::new(pumpkins);
        self.datasets.insert(task, Rc::clone(&pumpkins));
        Ok(pumpkins)
    }

    /// What the tables tell of a run, from the stages that it finished. Its status is that of a pending one.
    pub fn record(&mut self, run: &PlannedRun, done: &[bool]) -> Result<RunRecord> {
        let mut entries: Vec<Option<Rc<Entry>>> = Vec::with_capacity(StageName::ALL.len());
        for stage in StageName::ALL {
            let task = run.task(stage);
            entries.push(if done[task] { Some(self.entry(task)?) } else { None });
        }
        let manifests = || entries.iter().flatten().map(|entry| &entry.manifest);
        let mut record = RunRecord::pending(self.plan, run);
        record.train_seconds = entries[1].as_ref().map(|entry| entry.manifest.seconds);
        let complete = entries.iter().all(Option::is_some);
        record.total_seconds = complete.then(|| manifests().map(|manifest| manifest.seconds).sum());
        record.peak_memory_bytes = manifests().map(|manifest| manifest.peak_memory_bytes).max();
        if let [Some(_), Some(train), ..] = &entries[..] {
            record.epochs = read_json::<Vec<Epoch>>(&train.file(files::EPOCHS))?;
            let predictions = arrays::read_vector(&train.file(files::PREDICTIONS)).map_err(unreadable)?;
            let pumpkins = self.dataset(run.task(StageName::Simulate))?;
            record.predictions = pumpkins.iter().map(|pumpkin| pumpkin.age).zip(predictions).collect();
        }
        if let Some(evaluate) = &entries[3] {
            record.measurements = read_json::<Vec<Measurement>>(&evaluate.file(files::MEASUREMENTS))?;
        }
        Ok(record)
    }

    /// The data sets of the plan that are finished, in its order.
    pub fn datasets(&mut self, done: &[bool]) -> Result<Vec<DatasetRecord>> {
        let mut records = Vec::new();
        for (index, task) in self.plan.tasks.iter().enumerate() {
            if done[index] && task.stage() == StageName::Simulate {
                records.push(DatasetRecord { key: task.key.to_string(), pumpkins: self.dataset(index)? });
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
            keys: run.tasks.map(|task| plan.tasks[task].key.to_string()),
            train_seconds: None,
            total_seconds: None,
            peak_memory_bytes: None,
            epochs: Vec::new(),
            predictions: Vec::new(),
            measurements: Vec::new(),
        }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    serde_json::from_slice(&text).map_err(|error| Error::io("read", path, &error.into()))
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Failed { message: error.to_string(), help: None }
}
