//! The TOML specification of an experiment: layers -> merged -> validated.

mod composite;
mod evaluate;
mod experiment;
mod explain;
mod explain_error;
mod extends;
mod heatmaps;
mod invalid;
mod layers;
#[cfg(test)]
mod limits_tests;
pub mod memory;
mod merge;
mod model;
pub mod number;
mod reference;
mod resolved;
mod run;
mod source;
mod spelling;
mod sweep;
mod takes;
#[cfg(test)]
mod tests;
mod train;
mod unquoted;

pub use composite::{CompositeEntry, RuleName};
pub use evaluate::EvaluateSettings;
pub use experiment::{ExperimentSettings, ExperimentSpec};
pub use explain::{Bias, Class, ExplainSettings};
pub use explain_error::near_miss;
pub use heatmaps::{HeatmapSettings, PictureFormat};
pub use invalid::Invalid;
pub use layers::{Layer, Layers, Origin};
pub use model::{ModelSettings, OutputBias, Task};
pub use reference::Reference;
pub use resolved::{ResolvedSpec, check};
pub use run::{Device, Executor, RunSettings, Workers};
pub use source::SourceFile;
pub use sweep::{Cell, CellSettings, MAX_CELLS, SweepBlock};
pub use takes::schema;
pub use train::{Keep, Optimizer, Schedule, TrainSettings};
