//! Where the kernels keep every trainable value, and the shapes between the layers.

use super::conv::Plane;
use super::simd::LANES;
use xdlreg_core::net::{BLOCKS, KERNELS, NetworkSpec, PumpkinNet, pooled};
use xdlreg_core::sim::{SHAPE, SIDE};

/// One block: convolution, ReLU, pooling.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Side of the convolution's kernel.
    pub side: usize,
    pub input: Plane,
    /// The convolution's output.
    pub output: Plane,
    pub pooled: Plane,
    /// Start of the weights, `[filters / 16, side * side * channels, 16]`.
    pub weights: usize,
    /// Start of the biases.
    pub bias: usize,
}

impl Block {
    pub fn weight_count(&self) -> usize {
        self.side * self.side * self.input.channels * self.output.channels
    }
}

/// The network as the kernels see it: channels padded to 16, 32 or 64, all parameters in one slice.
#[derive(Debug, Clone)]
pub struct Layout {
    pub blocks: [Block; BLOCKS],
    /// Channels that go into every block, without padding.
    pub channels: [usize; BLOCKS],
    pub units: usize,
    pub outputs: usize,
    /// Start of the dense weights, `[features, units]`, features in the order row, column, channel.
    pub dense_weights: usize,
    pub dense_bias: usize,
    /// Start of the output weights, `[outputs, units]`.
    pub output_weights: usize,
    /// Start of the output biases; they stay zero for classification.
    pub output_bias: usize,
    /// Length of the slice of all parameters.
    pub len: usize,
    /// For every trainable value in the order of the weights file, where the kernels keep it.
    places: Vec<u32>,
    /// For every feature in the order of the kernels, its place in the order of flatten; `None` for padding.
    pub features: Vec<Option<u32>>,
}

/// Channels as the kernels have them, or `None` above 64.
fn padded(channels: usize) -> Option<usize> {
    [LANES, 2 * LANES, 4 * LANES].into_iter().find(|&padded| channels <= padded)
}

impl Layout {
    /// The layout of a PumpkinNet, or `None` where the kernels have no code: for other networks, batch norm, more than 64
    /// filters, and images of another shape than the pumpkins'.
    pub fn new(network: &NetworkSpec) -> Option<Self> {
        let net = PumpkinNet::found_in(network).filter(|net| !net.batch_norm && network.input == SHAPE)?;
        let mut start = 0;
        let mut take = |count: usize| {
            start += count;
            start - count
        };
        let mut side = SIDE;
        let mut channels = 1;
        let mut blocks = Vec::with_capacity(BLOCKS);
        for (filters, kernel) in net.conv_filters.into_iter().zip(KERNELS) {
            let filters = padded(filters)?;
            let plane = |side, channels| Plane { height: side, width: side, channels };
            blocks.push(Block {
                side: kernel,
                input: plane(side, channels),
                output: plane(side, filters),
                pooled: plane(pooled(side), filters),
                weights: take(kernel * kernel * channels * filters),
                bias: take(filters),
            });
            (side, channels) = (pooled(side), filters);
        }
        let (units, outputs) = (net.dense_units, net.outputs());
        let features = features(net.conv_filters[BLOCKS - 1], side, channels);
        let mut layout = Self {
            dense_weights: take(features.len() * units),
            dense_bias: take(units),
            output_weights: take(outputs * units),
            output_bias: take(outputs),
            len: start,
            blocks: blocks.try_into().expect("five blocks"),
            channels: std::array::from_fn(
                |block| if block == 0 { SHAPE.channels } else { net.conv_filters[block - 1] },
            ),
            units,
            outputs,
            places: Vec::new(),
            features,
        };
        layout.places = layout.find_places(&net);
        Some(layout)
    }

    /// Values in the order of the weights file, as the kernels want them.
    pub fn pack(&self, values: &[f32]) -> Vec<f32> {
        assert_eq!(values.len(), self.places.len(), "trainable values");
        let mut packed = vec![0.0; self.len];
        for (&place, &value) in self.places.iter().zip(values) {
            packed[place as usize] = value;
        }
        packed
    }

    /// The inverse of [`pack`](Self::pack).
    pub fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        self.places.iter().map(|&place| packed[place as usize]).collect()
    }

    fn find_places(&self, net: &PumpkinNet) -> Vec<u32> {
        let mut places = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let window = block.side * block.side * block.input.channels;
            for filter in 0..net.conv_filters[index] {
                for channel in 0..self.channels[index] {
                    for pixel in 0..block.side * block.side {
                        let tap = pixel * block.input.channels + channel;
                        places.push(block.weights + (filter / LANES * window + tap) * LANES + filter % LANES);
                    }
                }
            }
            places.extend((0..net.conv_filters[index]).map(|filter| block.bias + filter));
        }
        let mut dense = vec![0; self.features.iter().flatten().count()];
        for (feature, flat) in self.features.iter().enumerate() {
            if let Some(flat) = flat {
                dense[*flat as usize] = self.dense_weights + feature * self.units;
            }
        }
        places.extend((0..self.units).flat_map(|unit| dense.iter().map(move |start| start + unit)));
        places.extend((0..self.units).map(|unit| self.dense_bias + unit));
        places.extend((0..self.outputs * self.units).map(|weight| self.output_weights + weight));
        if self.outputs == 1 {
            places.push(self.output_bias);
        }
        places.into_iter().map(|place| place as u32).collect()
    }
}

/// Places in the order channel, row, column of features in the order row, column, channel.
fn features(channels: usize, side: usize, padded: usize) -> Vec<Option<u32>> {
    let cells = side * side;
    (0..cells).flat_map(|cell| (0..padded).map(move |c| (c < channels).then_some((c * cells + cell) as u32))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xdlreg_core::net::ModelSettings;
    use xdlreg_core::raster::ImageShape;
    use xdlreg_core::task::Task;

    #[test]
    fn packing_is_undone_by_unpacking() {
        let small = ModelSettings {
            task: Task::Classification,
            conv_filters: [3, 20, 16, 64, 7],
            dense_units: 5,
            ..ModelSettings::default()
        };
        for model in [ModelSettings::default(), small] {
            let network = model.network(SHAPE).expect("a network");
            let layout = Layout::new(&network).expect("a layout");
            let count: usize = network.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
            let values: Vec<f32> = (1..=count).map(|value| value as f32).collect();
            assert_eq!(layout.unpack(&layout.pack(&values)), values);
        }
    }

    #[test]
    fn too_many_filters_and_batch_norm_have_no_layout() {
        let wide = ModelSettings { conv_filters: [16, 16, 32, 65, 32], ..ModelSettings::default() };
        let normed = ModelSettings { batch_norm: true, ..ModelSettings::default() };
        assert!([wide, normed].iter().all(|model| Layout::new(&model.network(SHAPE).expect("a network")).is_none()));
    }

    #[test]
    fn other_networks_and_images_have_no_layout() {
        let model = ModelSettings::default();
        for shape in [ImageShape::plane(SIDE, SIDE + 2), ImageShape::new(3, SIDE, SIDE)] {
            assert!(Layout::new(&model.network(shape).expect("a network")).is_none(), "{shape}");
        }
        let mut network = model.network(SHAPE).expect("a network");
        assert!(Layout::new(&network).is_some());
        network.layers.remove(1);
        assert!(Layout::new(&network).is_none(), "without its first ReLU");
    }
}
