//! Simulation of pumpkins that age by known signs.

mod settings;

pub use settings::{DataSettings, Distribution, GrowthMode};
