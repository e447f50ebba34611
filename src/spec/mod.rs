//! The TOML specification of an experiment: layers -> merged -> validated.

mod experiment;
mod explain_error;
mod extends;
mod layers;
#[cfg(test)]
mod limits_tests;
pub mod memory;
mod merge;
mod paths;
mod resolved;
mod run;
mod slurm;
mod source;
mod spelling;
mod sweep;
mod takes;
#[cfg(test)]
mod tests;
mod unquoted;

pub use experiment::{ExperimentSettings, ExperimentSpec};
pub use layers::{Layer, Layers, Origin};
pub use resolved::{ResolvedSpec, check, merged};
pub use run::{ExecutorChoice, RunSettings, Workers};
pub use slurm::{SlurmSettings, TasksPerJob};
pub use source::SourceFile;
pub use sweep::{Cell, CellSettings, MAX_CELLS, SweepBlock};
pub use takes::schema;
