//! From a resolved spec to finished results: plan, carry out, collect.

mod assembly;
mod awake;
mod collector;
mod device;
mod ensembles;
mod executor;
mod experiment;
mod folds;
mod hands;
mod journal;
#[cfg(test)]
mod keys_tests;
mod local;
mod notes;
mod outcome;
pub mod pause;
mod places;
mod planner;
mod provenance;
mod reader;
mod recent;
mod results;
mod scheduler;
mod shard;
pub mod slurm;
mod standing;
mod validity;
mod worker;

pub use awake::AwakeClock;
pub use device::{Resolved as ResolvedDevice, resolve as resolve_device};
pub use experiment::{RunOptions, collect, device_of, run_experiment};
pub use journal::{EVENTS, Events, Recorded, Stamped};
pub use outcome::{Outcome, RunOutcome};
pub use places::places;
pub use planner::{make_plan, run_id};
pub use results::ResultsFolder;
pub use shard::{Shard, ShardOutcome, run_shard};
pub use standing::{Standing, UnderWay, find_run, read_plan};
pub use worker::{Heard, NO_LOG, Worker, WorkerPlace};
