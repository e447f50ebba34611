//! `plan.json`: the plan as it was when an experiment started. Editing the spec later changes nothing of it.
//!
//! It holds every job complete, so that a process that is given the file and the index of a task can do the task.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::stage::Compute;
use crate::store::write_atomically;

const FILE: &str = "plan.json";

/// A plan on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrozenPlan {
    pub name: String,
    /// When the experiment was started, in RFC 3339.
    pub frozen_at: String,
    pub compute: Compute,
    #[serde(flatten)]
    pub plan: Plan,
}

impl FrozenPlan {
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        write_atomically(&folder.join(FILE), &serde_json::to_vec(self)?)
    }

    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join(FILE))?)?)
    }
}
