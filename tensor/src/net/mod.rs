//! Networks of tensors and their training.

mod autograd;
pub mod device;
pub(crate) mod engine;
mod flow;
mod init;
#[cfg(target_arch = "x86_64")]
pub(crate) mod kernel;
pub mod layer;
mod loss;
pub mod network;
mod optimizer;
pub mod tensorboard;
mod train;
mod train_state;

pub use flow::Flow;
pub use init::initial_weights;
pub use layer::Layer;
pub use network::Network;
pub use train::{TrainError, Trained, Training};
pub use train_state::{KeptWeights, TrainState, TrainStateError};
pub use xdlreg_core::net::weights::{self, Weights, WeightsError};
pub use xdlreg_core::net::{Adapted, adapt, adapt_to};
