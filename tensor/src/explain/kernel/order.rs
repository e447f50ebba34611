//! From libtorch's order of values to that of windows.

use tch::Tensor;

use crate::explain::linear::Part;
use crate::net::kernel::layout::{Block, Layout};
use crate::net::kernel::simd::LANES;

/// How the weights `[outputs, ...]` of a layer become `[outputs, window]`, padded.
pub struct Order {
    pub outputs: usize,
    /// Values of a window.
    pub window: usize,
    /// Values of the layer's input, with its border.
    pub inputs: usize,
    /// Where each of an output's weights goes within the window.
    places: Vec<usize>,
}

impl Order {
    /// For a convolution of this block with so many channels before padding.
    pub fn convolution(block: &Block, channels: usize) -> Self {
        let (area, padded) = (block.side * block.side, block.input.channels);
        let places = (0..channels).flat_map(|channel| (0..area).map(move |pixel| pixel * padded + channel)).collect();
        Self { outputs: block.output.channels, window: area * padded, inputs: block.input.len(), places }
    }

    /// For the layer that reads the flattened features.
    pub fn hidden(layout: &Layout) -> Self {
        let kept = layout.features.iter().enumerate().filter_map(|(place, flat)| flat.map(|flat| (flat, place)));
        let mut places: Vec<(u32, usize)> = kept.collect();
        places.sort_unstable();
        Self::line(layout.units, layout.features.len(), places.into_iter().map(|(_, place)| place).collect())
    }

    /// For the layer that puts out the prediction.
    pub fn output(layout: &Layout) -> Self {
        Self::line(layout.outputs, layout.units, (0..layout.units).collect())
    }

    fn line(outputs: usize, inputs: usize, places: Vec<usize>) -> Self {
        let padded = inputs.next_multiple_of(LANES);
        Self { outputs, window: padded, inputs: padded, places }
    }

    pub fn weights(&self, part: &Part) -> Vec<f32> {
        let mut arranged = vec![0.0; self.outputs * self.window];
        let values = floats(part.weights());
        for (values, window) in values.chunks_exact(self.places.len()).zip(arranged.chunks_exact_mut(self.window)) {
            for (&place, &value) in self.places.iter().zip(values) {
                window[place] = value;
            }
        }
        arranged
    }

    /// One value an output, zero where there is no bias.
    pub fn bias(&self, bias: Option<&Tensor>) -> Vec<f32> {
        let mut values = bias.map(floats).unwrap_or_default();
        values.resize(self.outputs, 0.0);
        values
    }

    /// `[1, filters, rows, columns]` or `[1, outputs]` as `[pixels, outputs]`.
    pub fn offset(&self, offset: &Tensor) -> Vec<f32> {
        let last = if offset.dim() == 4 { offset.permute([0, 2, 3, 1]) } else { offset.shallow_clone() };
        let real = offset.size()[1] as usize;
        let mut padded = Vec::new();
        for pixel in floats(&last).chunks_exact(real) {
            padded.extend_from_slice(pixel);
            padded.resize(padded.len() + self.outputs - real, 0.0);
        }
        padded
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view(-1)).expect("f32 values")
}
