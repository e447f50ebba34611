//! The results folder of an experiment: what a user opens.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::EVENTS;
use super::reader::Reader;
use crate::disk::{Folder, Kind, temporary};
use crate::error::{Error, Result};
use crate::key::{Key, is_run_id};
use crate::plan::{CANCEL, PLAN, Plan, PlannedRun};
use crate::stage::files;
use crate::stage_name::StageName;
use crate::store::{Entry, Hold, STORE, Store};

const LOGS: &str = "logs";
const LOCK: &str = ".lock";
const MODELS: &str = "models";
const RELEVANCE: &str = "relevance";
const LEDGER: &str = "ledger";
const HEATMAPS: &str = "heatmaps";
const FIGURES: &str = "figures";
/// The data sets of the runs, by the keys of their first stages.
const DATASETS: &str = "datasets";
const DATASET_ENDING: &str = ".npz";
/// The maps of ensembles.
pub const ENSEMBLES: &str = "relevance/ensembles";

/// The folders in a results folder that hold a file or a folder for each run, with what follows the run's name.
const OF_RUNS: [(&str, &str); 7] = [
    (MODELS, ".safetensors"),
    (RELEVANCE, ".npy"),
    (LEDGER, ".npy"),
    (HEATMAPS, ""),
    (files::TENSORBOARD, ""),
    (files::CHECKPOINTS, ""),
    (FIGURES, ""),
];

/// A folder of results.
#[derive(Debug, Clone)]
pub struct ResultsFolder {
    path: PathBuf,
    folder: Folder,
}

impl ResultsFolder {
    pub fn new(output: &Path, name: &str) -> Self {
        Self::at(&output.join(name))
    }

    /// A results folder by its path.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), folder: Folder::at(path) }
    }

    /// The store that its results come from.
    pub fn store(&self) -> Store {
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        Store::new(absolute.parent().unwrap_or(Path::new("")).join(STORE))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The folder of the workers' logs.
    pub fn logs(&self) -> Folder {
        self.folder.folder(LOGS)
    }

    /// The path of the journal.
    pub fn events(&self) -> PathBuf {
        self.folder.path_of(EVENTS)
    }

    /// A file that asks the runner to stop.
    pub fn cancel(&self) -> PathBuf {
        self.folder.path_of(CANCEL)
    }

    /// Asks the runner to stop.
    pub fn ask_to_cancel(&self) -> Result<()> {
        self.folder.replace(CANCEL, b"").map_err(|error| Error::io("write", &self.cancel(), &error))
    }

    /// Whoever cancelled the last start did not mean the next one.
    pub fn forget_cancel(&self) -> Result<()> {
        self.folder.remove_file(CANCEL).map_err(|error| Error::io("remove", &self.cancel(), &error))
    }

    /// The file whose lock the runner holds; it is created where there is none.
    pub fn lock_file(&self) -> Result<std::fs::File> {
        self.folder.lock_file(LOCK).map_err(|error| Error::io("write", &self.folder.path_of(LOCK), &error))
    }

    /// Takes the lock; `None` while another process has it.
    pub fn hold(&self) -> Result<Option<Hold>> {
        Hold::take(&self.folder, LOCK, self.lock_file()?).map_err(|error| Error::io("lock", &self.path, &error))
    }

    /// Whether a runner holds the folder's lock.
    ///
    /// # Errors
    /// Fails where the lock cannot be read, so that a runner may or may not hold it.
    pub fn is_running(&self) -> io::Result<bool> {
        match self.folder.open(LOCK) {
            Ok(lock) => Hold::is_held(&self.folder, LOCK, &lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an experiment was begun here, by what it leaves.
    pub fn is_of_experiment(&self) -> bool {
        [PLAN, EVENTS, "runs.parquet"].iter().any(|name| self.folder.kind(name).is_some())
    }

    /// Refuses a folder in which something else lies where its own folders and logs belong: nothing is written through
    /// links, and before long work is done it is known that its results can be put into place.
    pub fn check(&self) -> Result<()> {
        let known = OF_RUNS.iter().map(|(name, _)| *name).chain([LOGS, ENSEMBLES, DATASETS]);
        let logs = self.logs().list().into_iter().flatten().filter(|log| log.name.ends_with(".log"));
        let checked = known
            .map(|name| self.folder.folder(name).exists().map(drop))
            .chain(logs.map(|log| self.logs().append(&log.name).map(drop)))
            .chain([self.journal_is_usable()]);
        let foreign = |error: io::Error| {
            let message = format!("cannot use the results folder {}: {error}", self.path.display());
            Error::usage(message, "see who put it there, or choose another folder with --output")
        };
        checked.collect::<io::Result<()>>().map_err(foreign)
    }

    fn journal_is_usable(&self) -> io::Result<()> {
        if self.folder.kind(EVENTS).is_none() { Ok(()) } else { self.folder.append(EVENTS).map(drop) }
    }

    /// Puts the files of a finished run where users look for them; what is there already stays.
    pub fn publish(&self, run: &PlannedRun, reader: &mut Reader) -> Result<()> {
        let entry = |reader: &mut Reader, stage| reader.entry(run.tasks[stage]);
        let dataset = entry(reader, StageName::Simulate)?;
        let train = entry(reader, StageName::Train)?;
        let explain = entry(reader, StageName::Explain)?;
        let render = entry(reader, StageName::Render)?;
        let id = &run.run_id;
        let place = |entry: &Entry, name: &str, folder: &str, target: String| {
            let folder = self.folder.folder(folder);
            let placed = folder.make().and_then(|()| place_file(entry, name, &folder, &target));
            placed.map_err(|error| Error::io("write", &folder.path_of(&target), &error))
        };
        place(&dataset, files::DATA, DATASETS, format!("{}{DATASET_ENDING}", dataset.manifest.key))?;
        place(&train, files::MODEL, MODELS, format!("{id}.safetensors"))?;
        place(&explain, files::RELEVANCE, RELEVANCE, format!("{id}.npy"))?;
        if explain.has(files::LEDGER) {
            place(&explain, files::LEDGER, LEDGER, format!("{id}.npy"))?;
        }
        for (name, entry) in [(files::TENSORBOARD, &train), (files::CHECKPOINTS, &train), (HEATMAPS, &render)] {
            let inner = if name == HEATMAPS { "" } else { name };
            let folder = self.folder.folder(name);
            place_folder(entry, inner, &folder, id).map_err(|error| Error::io("write", &folder.path_of(id), &error))?;
        }
        Ok(())
    }

    /// Removes the files of runs that the plan does not have any more: what is in these folders is what is in the tables.
    /// The store keeps their results.
    pub fn remove_other_runs(&self, plan: &Plan) -> io::Result<()> {
        let ids: HashSet<&str> = plan.runs.iter().map(|run| run.run_id.as_str()).collect();
        for (name, ending) in OF_RUNS {
            let folder = self.folder.folder(name);
            for item in folder.list()? {
                let id = item.name.strip_suffix(ending).filter(|id| is_run_id(id));
                if id.is_some_and(|id| !ids.contains(id)) {
                    folder.remove_all(&item.name)?;
                }
            }
        }
        let keys: HashSet<String> = plan.tasks.iter().map(|task| task.key.to_string()).collect();
        let folder = self.folder.folder(DATASETS);
        for item in folder.list()? {
            let key = item.name.strip_suffix(DATASET_ENDING);
            if key.is_some_and(|key| Key::parse(key).is_some() && !keys.contains(key)) {
                folder.remove_all(&item.name)?;
            }
        }
        Ok(())
    }

    /// Removes what processes that were killed had begun to write, at any depth. The caller holds the lock.
    pub fn remove_leftovers(&self) {
        self.folder.remove_temporary(false);
        OF_RUNS.iter().for_each(|(name, _)| self.folder.folder(name).remove_temporary(true));
        self.folder.folder(DATASETS).remove_temporary(true);
    }
}

/// Whether `target` is a file of the entry: the same file, or a copy with the same content.
fn is_placed(entry: &Entry, name: &str, folder: &Folder, target: &str) -> bool {
    let Ok(stored) = entry.folder.open(name) else { return false };
    let is_copy = || entry.manifest.files.get(name).is_some_and(|record| record.is_of(folder, target));
    folder.is_at(target, &stored) || is_copy()
}

/// Hard links cost nothing; where the file system has none, the file is copied.
fn place_file(entry: &Entry, name: &str, folder: &Folder, target: &str) -> io::Result<()> {
    if is_placed(entry, name, folder, target) {
        return Ok(());
    }
    let temporary = temporary(target);
    let placed = folder.link(&temporary, &entry.folder, name).and_then(|()| folder.rename(&temporary, target));
    if placed.is_err() {
        // A leftover is only untidy, and goes at the next start.
        let _ = folder.remove_file(&temporary);
    }
    placed
}

/// Puts the files below `inner` of an entry into `target`, in place of what was there. Without any such files there
/// is no folder.
fn place_folder(entry: &Entry, inner: &str, folder: &Folder, target: &str) -> io::Result<()> {
    let below = |name: &&String| inner.is_empty() || name.strip_prefix(inner).is_some_and(|rest| rest.starts_with('/'));
    let names: Vec<&String> = entry.manifest.files.keys().filter(below).collect();
    let short = |name: &str| name.strip_prefix(inner).unwrap_or(name).trim_start_matches('/').to_owned();
    let there = folder.folder(target);
    // Where the files cannot be counted, they are placed again.
    let is_whole = count_files(&there).is_ok_and(|files| files == names.len())
        && names.iter().all(|name| is_placed(entry, name, &there, &short(name)));
    if is_whole && !names.is_empty() {
        return Ok(());
    }
    folder.remove_all(target)?;
    if names.is_empty() {
        return Ok(());
    }
    let temporary = temporary(target);
    let draft = folder.folder(&temporary);
    let link = |name: &&String| {
        let goal = short(name);
        let inner = goal.rsplit_once('/').map_or_else(|| draft.clone(), |(inner, _)| draft.folder(inner));
        inner.make()?;
        draft.link(&goal, &entry.folder, name)?;
        inner.sync()
    };
    let placed = names.iter().try_for_each(link).and_then(|()| folder.rename(&temporary, target));
    if placed.is_err() {
        // A leftover is only untidy, and goes at the next start.
        let _ = folder.remove_all(&temporary);
    }
    placed
}

/// How many files there are in a folder, at any depth.
fn count_files(folder: &Folder) -> io::Result<usize> {
    let mut count = 0;
    for item in folder.list()? {
        count += if item.kind == Kind::Folder { count_files(&folder.folder(&item.name))? } else { 1 };
    }
    Ok(count)
}
