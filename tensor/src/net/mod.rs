//! PumpkinNet and its training.

pub mod architecture;
pub mod layer;
pub mod pumpkin_net;
pub mod weights;

pub use architecture::Architecture;
pub use layer::Layer;
pub use pumpkin_net::PumpkinNet;
pub use weights::{Weights, WeightsError};
