//! What a network is and how it is trained, as settings. The tensor side carries them out.

mod model;
mod train;

pub use model::{ModelSettings, OutputBias};
pub use train::{Keep, Optimizer, Schedule, TrainSettings};
