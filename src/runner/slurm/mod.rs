//! The executor of a cluster under Slurm.
//!
//! Slurm is the engine. A submission is an array of jobs, each of which does a group of tasks of the frozen plan with
//! `xdlreg-worker task`. Everything that is known of it lies in the results folder, so that no process has to stay: the same
//! command, from any node, collects what is finished and submits what is missing.
//!
//! - A result in the store is the truth. Slurm is asked about tasks without one only, and what it does not know is no success.
//! - The intent is written before `sbatch` is called, under a name that no other job has, so that a submission is found
//!   again whatever was killed in between.

mod advice;
mod calls;
mod executor;
mod groups;
mod known;
mod ledger;
mod preview;
mod script;
mod submit;
mod view;

pub use advice::advice;
pub use calls::{is_here, scancel};
pub use executor::SlurmExecutor;
pub use ledger::{Ledger, SLURM};
pub use preview::preview;
pub use view::{View, logs_of};
