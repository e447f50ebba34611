//! One image's gradient, from the network's outputs back to its weights.

use super::buffer::Buffer;
use super::conv::Plane;
use super::forward::{Forward, inner};
use super::layout::{Block, Layout};
use super::pool::route_row;
use super::scatter::{Nonzero, scatter_row};
use super::simd::Simd;
use super::winners::{Winners, first_gradient};
use xdlreg_core::net::BLOCKS;

/// Buffers of one thread of a training, allocated once.
#[derive(Debug, Clone)]
pub struct Workspace {
    pub forward: Forward,
    /// Gradient of every block's output, with borders that say nothing.
    d_planes: Vec<Buffer>,
    /// Gradient of one row of a convolution's output.
    d_row: Buffer,
    d_features: Vec<f32>,
    winners: Winners,
    nonzero: Nonzero,
    /// Sum of the gradients of the samples since it was last cleared, laid out as the parameters but for the weights of
    /// blocks 2 to 5, which are `[filters, side * side * channels]`.
    pub gradient: Vec<f32>,
}

impl Workspace {
    pub fn new(layout: &Layout) -> Self {
        let blocks = &layout.blocks;
        Self {
            forward: Forward::new(layout),
            d_planes: blocks.iter().map(|block| Buffer::zeros(block.pooled.len())).collect(),
            d_row: Buffer::zeros(blocks.iter().map(|block| single_row(block).len()).max().unwrap_or(0)),
            d_features: vec![0.0; layout.features.len()],
            winners: Winners::new(&blocks[1..]),
            nonzero: Nonzero::new(blocks[1..].iter().map(|block| block.output)),
            gradient: vec![0.0; layout.len],
        }
    }

    /// Adds this sample's gradient, after [`Forward::run`]. `turned` holds the weights of blocks 2 to 5 as
    /// [`turned`](super::order::turned) makes them.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn backward<S: Simd>(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        turned: &[Buffer],
        d_outputs: &[f32],
        mask: &[f32],
    ) {
        self.forward.hidden.backward(layout, parameters, d_outputs, &mut self.gradient, &mut self.d_features);
        let pooled = layout.blocks[BLOCKS - 1].pooled;
        let factors = layout.features.iter().map(|flat| flat.map_or(0.0, |flat| mask[flat as usize]));
        let targets = inner(pooled).flat_map(|start| start..start + pooled.channels);
        for ((target, &d_feature), factor) in targets.zip(&self.d_features).zip(factors) {
            self.d_planes[BLOCKS - 1][target] = d_feature * factor;
        }
        for index in (1..BLOCKS).rev() {
            let block = &layout.blocks[index];
            let (d_weights, d_bias) = gradients(&mut self.gradient, block);
            let (d_inputs, d_outputs) = self.d_planes.split_at_mut(index);
            let d_input = d_inputs.last_mut().expect("blocks before this one");
            let routed = (&d_outputs[0][..], &self.forward.winners[index][..]);
            let buffers = (&mut self.d_row[..], &mut self.nonzero);
            // SAFETY: the caller has the instructions.
            unsafe {
                let image = &self.forward.planes[index];
                self.winners.weight_gradient::<S>(block, image, routed, d_weights);
                match block.side {
                    3 => input_gradient::<S, 3>(block, &turned[index], routed, d_input, d_bias, buffers),
                    _ => input_gradient::<S, 1>(block, &turned[index], routed, d_input, d_bias, buffers),
                }
            }
        }
        let block = &layout.blocks[0];
        let (d_weights, d_bias) = gradients(&mut self.gradient, block);
        let routed = (&self.d_planes[0][..], &self.forward.winners[0][..]);
        let image = (&self.forward.planes[0][..], &self.forward.seen[..]);
        // SAFETY: as above.
        unsafe { first_gradient::<S>(block, image, routed, d_weights, d_bias) };
    }
}

/// Gradient of a block's input, and what is added to that of its bias.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
pub unsafe fn input_gradient<S: Simd, const SIDE: usize>(
    block: &Block,
    turned: &[f32],
    routed: (&[f32], &[u8]),
    d_input: &mut [f32],
    d_bias: &mut [f32],
    (d_row, nonzero): (&mut [f32], &mut Nonzero),
) {
    let (input, output, single) = (block.input, block.output, single_row(block));
    assert_eq!(block.side, SIDE);
    let (stride, reach) = (input.stride(), SIDE / 2);
    d_input[..(1 + reach) * stride].fill(0.0);
    for row in 0..output.height {
        // The rows of the input that this output sees, of which the last gets its first share.
        let rows = &mut d_input[input.at(row + 1 - reach, 0)..][..SIDE * stride];
        rows[(SIDE - 1) * stride..].fill(0.0);
        let mut rows = rows.chunks_exact_mut(stride);
        let rows: [&mut [f32]; SIDE] = std::array::from_fn(|_| rows.next().expect("a row each"));
        // SAFETY: the caller has the instructions.
        unsafe {
            route_row::<S>(output, row, block.pooled, routed, &mut d_row[single.at(1, 1)..], d_bias);
            scatter_row::<S, SIDE>((single, d_row), turned, 0, rows, input.channels, nonzero);
        }
    }
}

/// One row of the block's output, as a plane.
pub fn single_row(block: &Block) -> Plane {
    Plane { height: 1, ..block.output }
}

/// The gradients of a block's weights and biases.
fn gradients<'a>(gradient: &'a mut [f32], block: &Block) -> (&'a mut [f32], &'a mut [f32]) {
    let (weights, bias) = gradient[block.weights..].split_at_mut(block.bias - block.weights);
    (weights, &mut bias[..block.output.channels])
}
