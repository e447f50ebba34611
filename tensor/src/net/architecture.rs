//! The shape of a PumpkinNet: which parameters it has.

use xdlreg_core::net::ModelSettings;
use xdlreg_core::sim::SIDE;
use xdlreg_core::task::Task;

/// Blocks of convolution, ReLU and pooling.
pub const BLOCKS: usize = 5;

/// Side of the convolutions' kernels in pixels, block by block.
pub const KERNELS: [usize; BLOCKS] = [3, 3, 3, 3, 1];

/// Height and width of what a max-pool (3 x 3, stride 2, SAME) makes of `side` pixels.
pub const fn pooled(side: usize) -> usize {
    side.div_ceil(2)
}

/// Pixels of a feature map after all five blocks, 4 x 4 for the images of 98 x 98.
pub const CELLS: usize = {
    let side = pooled(pooled(pooled(pooled(pooled(SIDE)))));
    side * side
};

/// What decides the names and shapes of all parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    pub task: Task,
    pub conv_filters: [usize; BLOCKS],
    pub dense_units: usize,
    pub batch_norm: bool,
}

impl Architecture {
    pub fn of(model: &ModelSettings) -> Self {
        Self {
            task: model.task,
            conv_filters: model.conv_filters,
            dense_units: model.dense_units,
            batch_norm: model.batch_norm,
        }
    }

    /// Channels that go into convolution `block` (counted from 0), or into flatten for `block` = [`BLOCKS`].
    pub fn channels(&self, block: usize) -> usize {
        if block == 0 { 1 } else { self.conv_filters[block - 1] }
    }

    /// Features that enter the dense layer.
    pub fn features(&self) -> usize {
        self.channels(BLOCKS) * CELLS
    }

    /// Values the network puts out for an image: the age, or a logit for "young" and one for "old".
    pub fn outputs(&self) -> usize {
        match self.task {
            Task::Regression => 1,
            Task::Classification => 2,
        }
    }

    /// Name and shape of every parameter, in the order in which the network uses them.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let mut list = Vec::new();
        for (block, side) in KERNELS.into_iter().enumerate() {
            let (number, channels, filters) = (block + 1, self.channels(block), self.conv_filters[block]);
            self.push_batch_norm(&mut list, number, channels);
            list.push((format!("conv{number}.weight"), vec![filters, channels, side, side]));
            list.push((format!("conv{number}.bias"), vec![filters]));
        }
        self.push_batch_norm(&mut list, BLOCKS + 1, self.channels(BLOCKS));
        list.push(("dense.weight".into(), vec![self.dense_units, self.features()]));
        list.push(("dense.bias".into(), vec![self.dense_units]));
        list.push(("output.weight".into(), vec![self.outputs(), self.dense_units]));
        if self.task == Task::Regression {
            list.push(("output.bias".into(), vec![1]));
        }
        list
    }

    fn push_batch_norm(&self, list: &mut Vec<(String, Vec<usize>)>, number: usize, channels: usize) {
        if self.batch_norm {
            for part in ["weight", "bias", "running_mean", "running_var"] {
                list.push((format!("bn{number}.{part}"), vec![channels]));
            }
        }
    }
}

/// Whether a parameter is learned by gradient descent; batch norm's running statistics are not.
pub fn is_trainable(name: &str) -> bool {
    !name.contains(".running_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_network_has_60593_parameters() {
        let architecture = Architecture::of(&ModelSettings::default());
        let count: usize = architecture.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(count, 60_593);
        assert_eq!(architecture.features(), 512);
    }
}
