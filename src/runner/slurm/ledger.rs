//! What was submitted, as the results folder tells of it.
//!
//! Each submission has a folder of its own below `slurm`, with at most two files for each of its jobs and so few jobs that
//! shared file systems list it quickly:
//!
//! - `submission.json`: what it is to do, written before `sbatch` is called,
//! - `job.sh` and `tasks`: the script, and the tasks of each job, a line a job,
//! - `job.json`: its number, written after `sbatch` answered,
//! - `N.log` and `N.jsonl`: what the N-th job printed, and what happened in it,
//! - `closed`: everything in it is done, or was told.

use std::collections::HashMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::calls::random;
use crate::disk::{Folder, Kind};
use crate::error::{Error, Result};
use crate::format::{FORMAT, Newer};
use crate::key::Key;
use crate::protocol::TaskReply;

/// The folder of submissions, in a results folder.
pub const SLURM: &str = "slurm";

/// Jobs of a submission, at most: with two files each, a folder has some 2,000.
pub const MOST_JOBS: usize = 1000;

const INTENT: &str = "submission.json";
const NUMBER: &str = "job.json";
const CLOSED: &str = "closed";
pub const TASKS: &str = "tasks";
pub const SCRIPT: &str = "job.sh";

/// What a submission is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub format: u32,
    /// Of its jobs; no other submission has it.
    pub name: String,
    pub submitted_at: String,
    /// The tasks of each job: their places in the plan of that time, and their keys.
    pub jobs: Vec<Vec<(usize, Key)>>,
    /// How often its tasks were lost before.
    #[serde(default)]
    pub attempt: usize,
    /// How often for want of memory.
    #[serde(default)]
    pub grown: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Number {
    /// None where it turned out that it was never submitted.
    job: Option<u64>,
}

/// A submission with what became of it.
#[derive(Debug, Clone)]
pub struct Submission {
    pub folder: Folder,
    pub intent: Intent,
    /// Its number; not known between `sbatch` and the note of its answer.
    pub job: Option<u64>,
    /// Whether `sbatch` is known to have failed.
    pub is_void: bool,
    pub is_closed: bool,
}

impl Submission {
    pub fn name(&self) -> &str {
        &self.intent.name
    }

    /// Whether something may still come of it.
    pub fn is_open(&self) -> bool {
        !self.is_closed && !self.is_void
    }

    pub fn note_number(&mut self, job: Option<u64>) -> Result<()> {
        (self.job, self.is_void) = (job, job.is_none());
        let json = serde_json::to_vec(&Number { job }).map_err(io::Error::from);
        json.and_then(|json| self.folder.replace(NUMBER, &json)).map_err(|error| unwritable(&self.folder, &error))
    }

    pub fn close(&mut self) -> Result<()> {
        self.is_closed = true;
        self.folder.replace(CLOSED, b"").map_err(|error| unwritable(&self.folder, &error))
    }

    /// What happened in a job, as far as it was written. A line that is not whole yet is left out.
    pub fn replies(&self, job: usize) -> Vec<TaskReply> {
        let text = self.folder.read(&events(job)).unwrap_or_default();
        let lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// What a job printed.
    pub fn log(&self, job: usize) -> String {
        String::from_utf8_lossy(&self.folder.read(&log(job)).unwrap_or_default()).into_owned()
    }
}

pub fn events(job: impl std::fmt::Display) -> String {
    format!("{job}.jsonl")
}

pub fn log(job: impl std::fmt::Display) -> String {
    format!("{job}.log")
}

/// All submissions of a results folder, the oldest first.
#[derive(Debug)]
pub struct Ledger {
    folder: Folder,
    pub submissions: Vec<Submission>,
}

impl Ledger {
    /// Reads the submissions of a results folder; there may be none.
    ///
    /// # Errors
    /// Fails where they cannot be listed, or a later version made one.
    pub fn read(results: &Folder) -> Result<Self> {
        let folder = results.folder(SLURM);
        let items = folder.list().map_err(|error| Error::io("read", &folder.path(), &error))?;
        let mut submissions = Vec::new();
        for item in items.into_iter().filter(|item| item.kind == Kind::Folder) {
            let own = folder.folder(&item.name);
            // One that was killed before it had written the intent has submitted nothing.
            let Ok(json) = own.read(INTENT) else { continue };
            let intent: Intent = serde_json::from_slice(&json).map_err(|error| {
                Error::failed(
                    format!("{} is damaged: {error}", own.path_of(INTENT).display()),
                    "cancel what runs, and remove the folder: results that are in the store stay",
                )
            })?;
            if intent.format > FORMAT {
                return Err(Error::usage(
                    format!("{}: {}", own.path_of(INTENT).display(), Newer(intent.format)),
                    "xdlreg-run --version says which this one is",
                ));
            }
            let number: Option<Number> = own.read(NUMBER).ok().and_then(|json| serde_json::from_slice(&json).ok());
            let is_void = number.as_ref().is_some_and(|number| number.job.is_none());
            let (job, is_closed) = (number.and_then(|number| number.job), own.kind(CLOSED).is_some());
            submissions.push(Submission { folder: own, intent, job, is_void, is_closed });
        }
        submissions.sort_by(|one, other| {
            (&one.intent.submitted_at, one.name()).cmp(&(&other.intent.submitted_at, other.name()))
        });
        Ok(Self { folder, submissions })
    }

    /// A folder for a new submission, under a name that no other one has.
    pub fn begin(&self) -> Result<(String, Folder)> {
        let name = format!("xdlreg-{:08x}{:04x}", random(), std::process::id() & 0xffff);
        let folder = self.folder.folder(&name);
        folder.make().map_err(|error| unwritable(&folder, &error))?;
        Ok((name, folder))
    }

    /// Notes what a submission is to do. From here on it is found again.
    pub fn note(&mut self, folder: Folder, intent: Intent) -> Result<&mut Submission> {
        let json = serde_json::to_vec(&intent).map_err(io::Error::from);
        json.and_then(|json| folder.replace(INTENT, &json)).map_err(|error| unwritable(&folder, &error))?;
        self.submissions.push(Submission { folder, intent, job: None, is_void: false, is_closed: false });
        Ok(self.submissions.last_mut().expect("it was just added"))
    }

    /// The names of the submissions of which something may still come.
    pub fn open_names(&self) -> Vec<String> {
        let open = self.submissions.iter().filter(|submission| submission.is_open());
        open.map(|submission| submission.name().to_owned()).collect()
    }

    /// The numbers of open submissions by their names.
    pub fn numbers(&self) -> HashMap<String, u64> {
        let open = self.submissions.iter().filter(|submission| submission.is_open());
        open.filter_map(|submission| Some((submission.name().to_owned(), submission.job?))).collect()
    }

    /// The folder of the plan that submissions of a plan work by. It is frozen: what is changed later changes no job.
    pub fn plan_folder(&self, digest: &str) -> Folder {
        self.folder.folder("plans").folder(digest)
    }
}

fn unwritable(folder: &Folder, error: &io::Error) -> Error {
    Error::io("write in", &folder.path(), error)
}
