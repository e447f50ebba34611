//! A block's weights in the orders that its passes read them in, and their gradient back in the first of these.
//!
//! Parameters are kept as `[filters / 16, taps, channels, 16]`, where a tap is a pixel of the window.

use super::buffer::Buffer;
use super::isa::Isa;
use super::layout::{Block, Layout};
use super::simd::LANES;

/// The weights of every block in other orders; a block that does not need one has an empty buffer there.
#[derive(Debug, Clone)]
pub struct Orders {
    /// As [`by_channel`] makes them.
    pub by_channel: Vec<Buffer>,
    /// As [`turned`] makes them.
    pub turned: Vec<Buffer>,
}

impl Orders {
    pub fn new(isa: Isa, layout: &Layout) -> Self {
        let tables = |needed: fn(Isa, &Block) -> bool| {
            let size = |block| if needed(isa, block) { block.weight_count() } else { 0 };
            layout.blocks.iter().map(|block| Buffer::zeros(size(block))).collect()
        };
        Self { by_channel: tables(Isa::skips_zeros), turned: tables(|_, block| block.input.channels > 1) }
    }

    /// Takes the weights out of all parameters, for the way forward.
    pub fn arrange_forward(&mut self, layout: &Layout, parameters: &[f32]) {
        arrange(layout, parameters, &mut self.by_channel, by_channel);
    }

    /// The same for both ways.
    pub fn arrange(&mut self, layout: &Layout, parameters: &[f32]) {
        self.arrange_forward(layout, parameters);
        arrange(layout, parameters, &mut self.turned, turned);
    }
}

fn arrange(layout: &Layout, parameters: &[f32], tables: &mut [Buffer], order: fn(&Block, &[f32], &mut [f32])) {
    for (block, table) in layout.blocks.iter().zip(tables).filter(|(_, table)| !table.is_empty()) {
        order(block, &parameters[block.weights..][..block.weight_count()], table);
    }
}

/// `[channels, taps, filters]`: what a value of the block's input is multiplied with.
pub fn by_channel(block: &Block, weights: &[f32], to: &mut [f32]) {
    let (channels, filters, taps) = (block.input.channels, block.output.channels, block.side * block.side);
    for (vector, weights) in weights.chunks_exact(taps * channels * LANES).enumerate() {
        for (at, lanes) in weights.chunks_exact(LANES).enumerate() {
            let (tap, channel) = (at / channels, at % channels);
            to[(channel * taps + tap) * filters + vector * LANES..][..LANES].copy_from_slice(lanes);
        }
    }
}

/// `[filters, taps, channels]` with windows turned by 180 degrees: what a value of the gradient of the block's output is
/// multiplied with to give that of its input.
pub fn turned(block: &Block, weights: &[f32], to: &mut [f32]) {
    let (channels, taps) = (block.input.channels, block.side * block.side);
    let window = taps * channels;
    for (weights, to) in weights.chunks_exact(window * LANES).zip(to.chunks_exact_mut(window * LANES)) {
        for (at, lanes) in weights.chunks_exact(LANES).enumerate() {
            let place = (taps - 1 - at / channels) * channels + at % channels;
            for (lane, &weight) in lanes.iter().enumerate() {
                to[lane * window + place] = weight;
            }
        }
    }
}

/// From `[filters, taps, channels]` to the order of the parameters.
pub fn by_lanes(block: &Block, by_filter: &[f32], to: &mut [f32]) {
    let window = block.side * block.side * block.input.channels;
    for (from, to) in by_filter.chunks_exact(window * LANES).zip(to.chunks_exact_mut(window * LANES)) {
        for (at, lanes) in to.chunks_exact_mut(LANES).enumerate() {
            for (lane, value) in lanes.iter_mut().enumerate() {
                *value = from[lane * window + at];
            }
        }
    }
}
