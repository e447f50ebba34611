//! The TOML specification of an experiment.

mod model;
mod train;

pub use model::{ModelSettings, OutputBias, Task};
pub use train::{Keep, Optimizer, Schedule, TrainSettings};
