//! PumpkinNet, the network of XDLreg: five blocks of convolution, ReLU and max-pooling, and two dense layers.

use super::layer::{LayerSpec, Padding};
use super::model::ModelSettings;
use super::network::{NamedLayer, NetworkSpec};
use crate::raster::ImageShape;
use crate::task::Task;

/// Blocks of convolution, ReLU and pooling.
pub const BLOCKS: usize = 5;

/// Side of the convolutions' kernels in pixels, block by block.
pub const KERNELS: [usize; BLOCKS] = [3, 3, 3, 3, 1];

/// Added to a variance before its root, as in Keras.
pub const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Height (or width) of what a max-pool (3 x 3, stride 2, SAME) makes of `side` pixels.
pub const fn pooled(side: usize) -> usize {
    side.div_ceil(2)
}

/// What is chosen of a PumpkinNet: it decides the names and shapes of all parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PumpkinNet {
    pub task: Task,
    pub conv_filters: [usize; BLOCKS],
    pub dense_units: usize,
    pub batch_norm: bool,
}

impl PumpkinNet {
    pub fn of(model: &ModelSettings) -> Self {
        Self {
            task: model.task,
            conv_filters: model.conv_filters,
            dense_units: model.dense_units,
            batch_norm: model.batch_norm,
        }
    }

    /// Values it puts out for an image: the target, or a logit for either class.
    pub fn outputs(&self) -> usize {
        match self.task {
            Task::Regression => 1,
            Task::Classification => 2,
        }
    }

    /// Its layers for images of any size, named `bn1`, `conv1`, `relu1`, `pool1`, ..., `bn6`, `flatten`, `dropout`, `dense`,
    /// `relu6`, `output`; `bn*` only with batch norm.
    pub fn network(&self, input: ImageShape, dropout: f64) -> NetworkSpec {
        let mut layers = Vec::new();
        let mut push = |name: String, layer| layers.push(NamedLayer { name, layer });
        for (block, (filters, side)) in self.conv_filters.into_iter().zip(KERNELS).enumerate() {
            let number = block + 1;
            if self.batch_norm {
                push(format!("bn{number}"), LayerSpec::BatchNorm { epsilon: BATCH_NORM_EPSILON });
            }
            let (kernel, stride, padding) = ([side; 2], [1; 2], Padding::Same);
            push(format!("conv{number}"), LayerSpec::Conv { filters, kernel, stride, padding, bias: true });
            push(format!("relu{number}"), LayerSpec::Relu);
            push(format!("pool{number}"), LayerSpec::MaxPool { kernel: [3; 2], stride: [2; 2], padding });
        }
        if self.batch_norm {
            push(format!("bn{}", BLOCKS + 1), LayerSpec::BatchNorm { epsilon: BATCH_NORM_EPSILON });
        }
        push("flatten".into(), LayerSpec::Flatten);
        push("dropout".into(), LayerSpec::Dropout { rate: dropout });
        push("dense".into(), LayerSpec::Dense { units: self.dense_units, bias: true });
        push(format!("relu{}", BLOCKS + 1), LayerSpec::Relu);
        let bias = self.task == Task::Regression;
        push("output".into(), LayerSpec::Dense { units: self.outputs(), bias });
        NetworkSpec { input, layers }
    }

    /// The PumpkinNet that a network is, whatever its dropout; none where it is another one.
    pub fn found_in(network: &NetworkSpec) -> Option<Self> {
        let filters = network.layers.iter().filter_map(|named| match named.layer {
            LayerSpec::Conv { filters, .. } => Some(filters),
            _ => None,
        });
        let dense = network.layers.iter().find_map(|named| match named.layer {
            LayerSpec::Dense { units, .. } => Some(units),
            _ => None,
        });
        let batch_norm = network.layers.iter().any(|named| matches!(named.layer, LayerSpec::BatchNorm { .. }));
        let conv_filters = filters.collect::<Vec<_>>().try_into().ok()?;
        let found = Self { task: network.task(), conv_filters, dense_units: dense?, batch_norm };
        (found.network(network.input, 0.0) == network.without_rates()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SHAPE;

    #[test]
    fn the_published_network_has_60593_parameters() {
        let network = PumpkinNet::of(&ModelSettings::default()).network(SHAPE, 0.5);
        assert_eq!(network.parameter_count(), 60_593);
        assert_eq!(network.dropouts(), [(0.5, 512)]);
        assert!(network.is_sound());
    }

    #[test]
    fn it_is_found_by_its_layers() {
        for (task, batch_norm) in [(Task::Regression, false), (Task::Classification, true)] {
            let model = ModelSettings { task, batch_norm, dense_units: 9, ..ModelSettings::default() };
            let net = PumpkinNet::of(&model);
            for input in [SHAPE, ImageShape::new(3, 64, 80)] {
                let network = net.network(input, 0.3);
                assert!(network.is_sound());
                assert_eq!(PumpkinNet::found_in(&network), Some(net));
                let mut other = network.clone();
                other.layers[2].name = "mine".into();
                assert_eq!(PumpkinNet::found_in(&other), None);
                let mut other = network;
                other.layers.remove(other.layers.len() - 2);
                assert_eq!(PumpkinNet::found_in(&other), None, "without its last ReLU");
            }
        }
    }
}
