//! What carries out the tasks of a frozen plan, as the scheduler sees it: worker processes on this machine, or whatever else
//! can be asked to do a task by its index.

use std::time::Duration;

use crate::error::Result;
use crate::event::Progress;

/// What becomes of a task that was submitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The work has begun.
    Started {
        worker: usize,
        /// The name of the log in the folder of logs, and where in it the task's part begins.
        log: String,
        log_offset: u64,
    },
    Progress(Progress),
    /// Another process is doing the task.
    Busy,
    /// Another process has done it.
    Found,
    Done {
        seconds: f64,
    },
    /// It was done, and gave nothing that can be used.
    Invalid {
        reason: String,
    },
    /// It cannot be done; trying again will not help.
    Failed {
        reason: String,
    },
    /// What carried it out died, hangs or was taken away; trying again may help.
    Lost {
        reason: String,
    },
}

impl Update {
    /// Whether the executor has nothing to do with the task any more.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Started { .. } | Self::Progress(_))
    }
}

/// Carries out tasks of a plan that it was made for.
pub trait Executor {
    /// Takes a task on. Returns false, and does nothing, where there is no room for one more now.
    ///
    /// # Errors
    /// Where no task can be carried out at all.
    fn submit(&mut self, task: usize) -> Result<bool>;

    /// The next thing that happens to a task, or nothing when `patience` is over.
    ///
    /// # Errors
    /// As [`Executor::submit`].
    fn poll(&mut self, patience: Duration) -> Result<Option<(usize, Update)>>;

    /// Ends everything that is under way, at once.
    fn cancel(&mut self);

    /// A clock by which the scheduler waits before it tries again.
    fn now(&self) -> Duration;
}
