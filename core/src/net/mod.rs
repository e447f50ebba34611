//! What a network is and how it is trained, as data and settings. The tensor side carries them out.

mod engine;
mod entry;
mod layer;
mod model;
mod network;
mod pumpkin_net;
mod shapes;
mod shipped;
mod sides;
mod start;
mod state_dict;
mod summary;
mod train;
pub mod weights;

pub use engine::{EngineChoice, EngineKind, MOST_FILTERS, without_kernels};
pub use entry::{LayerEntry, LayerType};
pub use layer::{LayerSpec, Padding, Shape};

pub use model::{Architecture, ModelSettings, OutputBias};
pub use network::{NamedLayer, NetworkError, NetworkSpec, Placed};
pub use pumpkin_net::{BATCH_NORM_EPSILON, BLOCKS, KERNELS, PumpkinNet, pooled};
pub use sides::{PaddingEntry, PaddingName, Sides};
pub use start::{SeenWeights, StartError, read_start};
pub use state_dict::{Adapted, adapt, adapt_to};
pub use summary::{LayerRow, summary};
pub use train::{Keep, Optimizer, Schedule, TrainSettings};
pub use weights::{Weights, WeightsError};
