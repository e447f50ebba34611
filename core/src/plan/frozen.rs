//! `plan.json`: the plan as it was when an experiment started. Editing the spec later changes nothing of it.
//!
//! It holds every job complete, so that a process that is given the file and the index of a task can do the task. It is
//! sealed: a plan that was damaged is not believed.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Plan, PlannedRun, PlannedTask};
use crate::disk::Folder;
use crate::format::{self, Newer, Unreadable};
use crate::stage::Compute;
use crate::store::seal::{seal, unseal};

/// The file, in a results folder.
pub const PLAN: &str = "plan.json";

/// A plan on disk.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "File")]
pub struct FrozenPlan {
    pub format: u32,
    pub name: String,
    /// When the experiment was first started with this plan, in RFC 3339.
    pub frozen_at: String,
    pub compute: Compute,
    pub plan: Plan,
}

/// What is written: a plan as if it had been frozen at another time.
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    name: &'a str,
    frozen_at: &'a str,
    compute: Compute,
    #[serde(flatten)]
    plan: &'a Plan,
}

/// All that the file holds, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "format::first")]
    format: u32,
    name: String,
    frozen_at: String,
    compute: Compute,
    runs: Vec<PlannedRun>,
    tasks: Vec<PlannedTask>,
}

impl From<File> for FrozenPlan {
    fn from(File { format, name, frozen_at, compute, runs, tasks }: File) -> Self {
        Self { format, name, frozen_at, compute, plan: Plan { runs, tasks } }
    }
}

/// What is wrong with the file of a plan.
#[derive(Debug, thiserror::Error)]
enum UnusablePlan {
    #[error("{path} is damaged: {reason}")]
    Damaged {
        path: PathBuf,
        #[source]
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{path}: {newer}")]
    Newer {
        path: PathBuf,
        #[source]
        newer: Newer,
    },
}

impl FrozenPlan {
    /// Writes the file, unless it holds this plan already: what was made of it, such as the report, still holds then.
    pub fn write(&self, folder: &Folder) -> io::Result<()> {
        if let Ok(known) = Self::read(folder)
            && folder.read(PLAN)? == self.sealed(&known.frozen_at)?
        {
            return Ok(());
        }
        folder.replace(PLAN, &self.sealed(&self.frozen_at)?)
    }

    fn sealed(&self, frozen_at: &str) -> io::Result<Vec<u8>> {
        let Self { format, name, compute, plan, .. } = self;
        let written = Written { format: *format, name, frozen_at, compute: *compute, plan };
        Ok(seal(&serde_json::to_vec(&written)?))
    }

    /// Reads the plan of a results folder.
    ///
    /// # Errors
    /// Fails where there is none, and for one that is damaged or that a later version of the programs wrote.
    pub fn read(folder: &Folder) -> io::Result<Self> {
        let damaged = |reason| {
            let damaged = UnusablePlan::Damaged { path: folder.path_of(PLAN), reason };
            io::Error::new(io::ErrorKind::InvalidData, damaged)
        };
        let json = unseal(&folder.read(PLAN)?).map_err(|error| damaged(error.into()))?;
        let newer = |newer| {
            let newer = UnusablePlan::Newer { path: folder.path_of(PLAN), newer };
            io::Error::new(io::ErrorKind::Unsupported, newer)
        };
        let frozen = format::read(&json, |frozen: &Self| frozen.format).map_err(|error| match error {
            Unreadable::Newer(later) => newer(later),
            Unreadable::Json(error) => damaged(error.into()),
        })?;
        if frozen.plan.is_sound() { Ok(frozen) } else { Err(damaged("it contradicts itself".into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_with_the_same_plan_leaves_the_file_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        let write = |name: &str, frozen_at: &str| {
            let (name, frozen_at) = (name.to_owned(), frozen_at.to_owned());
            let plan = Plan::default();
            FrozenPlan { format: crate::format::FORMAT, name, frozen_at, compute: Compute::Cpu, plan }
                .write(&own)
                .unwrap();
            own.read(PLAN).unwrap()
        };
        let first = write("study", "2026-01-01T00:00:00Z");
        assert_eq!(write("study", "2026-01-02T00:00:00Z"), first);
        let other = write("other", "2026-01-03T00:00:00Z");
        assert_eq!(FrozenPlan::read(&own).unwrap().frozen_at, "2026-01-03T00:00:00Z");
        std::fs::write(folder.path().join(PLAN), &other[..other.len() / 2]).unwrap();
        assert_eq!(write("other", "2026-01-03T00:00:00Z"), other, "what is damaged is written again");
    }

    #[test]
    fn a_plan_that_cannot_be_used_keeps_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let read = |json: &[u8]| {
            std::fs::write(folder.path().join(PLAN), seal(json)).unwrap();
            FrozenPlan::read(&Folder::at(folder.path())).unwrap_err()
        };
        let damaged = read(br#"{"format":"no number"}"#);
        assert!(damaged.kind() == io::ErrorKind::InvalidData, "{damaged:?}");
        let source = damaged.get_ref().and_then(|plan| plan.source()).expect("a source");
        assert!(source.is::<serde_json::Error>() && damaged.to_string().ends_with(&source.to_string()), "{damaged}");
        let newer = read(br#"{"format":4000}"#);
        assert!(newer.kind() == io::ErrorKind::Unsupported, "{newer:?}");
        let source = newer.get_ref().and_then(|plan| plan.source()).expect("a source");
        assert!(source.is::<Newer>() && newer.to_string().ends_with(&source.to_string()), "{newer}");
    }
}
