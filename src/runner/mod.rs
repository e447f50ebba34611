//! From a resolved spec to finished results: plan, carry out, collect.

mod device;
mod experiment;
mod journal;
mod local;
mod plan;
mod protocol;
mod provenance;
mod results;
mod worker;

pub use device::resolve as resolve_device;
pub use experiment::{Outcome, RunOptions, RunOutcome, run_experiment};
pub use journal::Stamped;
pub use plan::{Plan, PlannedRun, Task, run_id};
pub use protocol::{Reply, Request};
pub use results::ResultsFolder;
pub use worker::{Heard, Worker};
