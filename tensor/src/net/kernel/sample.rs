//! One image through the network and back.

use super::conv::{Plane, convolve_row, weight_gradient};
use super::dense::Hidden;
use super::layout::{Block, Layout};
use super::pool::{Flat, no_winners, pool_row, route_row};
use super::simd::Simd;
use crate::net::architecture::BLOCKS;

/// Rows whose weight gradient is summed at a time: few enough that they stay in the first cache.
const GRADIENT_ROWS: usize = 4;

/// What one image leaves behind on its way through the network, in buffers allocated once.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Input of every block, and the output of the last, with borders of zeros.
    pub planes: Vec<Vec<f32>>,
    /// Who won in every pooling window, with borders of none.
    pub winners: Vec<Vec<u8>>,
    /// Three rows of a convolution's output and one of zeros, with borders.
    rows: [Vec<f32>; 4],
    pub hidden: Hidden,
}

impl Forward {
    pub fn new(layout: &Layout) -> Self {
        let blocks = &layout.blocks;
        let row = blocks.iter().map(|block| block.output.stride()).max().unwrap_or(0);
        Self {
            planes: blocks
                .iter()
                .map(|block| block.input)
                .chain([blocks[BLOCKS - 1].pooled])
                .map(|plane| vec![0.0; plane.len()])
                .collect(),
            winners: blocks.iter().map(|block| no_winners(block.pooled)).collect(),
            rows: std::array::from_fn(|_| vec![0.0; row]),
            hidden: Hidden::new(layout),
        }
    }

    /// Outputs for `image`, left in `hidden`. `mask` holds dropout's factors in the order of flatten. Where `flat_wins`,
    /// pooling windows without anything above zero are won by their first pixel, else by nobody.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        image: &[f32],
        mask: Option<&[f32]>,
        flat_wins: bool,
    ) {
        let input = layout.blocks[0].input;
        for (row, pixels) in image.chunks_exact(input.width).enumerate() {
            self.planes[0][input.at(row + 1, 1)..][..input.width].copy_from_slice(pixels);
        }
        for (index, block) in layout.blocks.iter().enumerate() {
            unsafe { self.block::<S>(index, block, parameters, flat_wins) };
        }
        let pooled = layout.blocks[BLOCKS - 1].pooled;
        let cells = inner(pooled).flat_map(|start| &self.planes[BLOCKS][start..start + pooled.channels]);
        for ((feature, &value), flat) in self.hidden.features.iter_mut().zip(cells).zip(&layout.features) {
            let factor = match (flat, mask) {
                (Some(flat), Some(mask)) => mask[*flat as usize],
                _ => 1.0,
            };
            *feature = value * factor;
        }
        self.hidden.forward(layout, parameters);
    }

    #[inline(always)]
    unsafe fn block<S: Simd>(&mut self, index: usize, block: &Block, parameters: &[f32], flat_wins: bool) {
        let (output, pooled) = (block.output, block.pooled);
        let weights = &parameters[block.weights..][..block.weight_count()];
        let bias = &parameters[block.bias..][..output.channels];
        let [input, result] = &mut self.planes[index..index + 2] else { unreachable!("a block has two sides") };
        let left = (output.width + 1) * output.channels;
        for row in &mut self.rows {
            // What a wider block left beside this one's row is no border.
            row[..output.channels].fill(0.0);
            row[left..left + output.channels].fill(0.0);
        }
        let mut next = 0;
        for window in 0..pooled.height {
            let first = (2 * window) as isize - (output.height % 2) as isize;
            while next < output.height && (next as isize) < first + 3 {
                let row = &mut self.rows[next % 3][output.channels..];
                unsafe { convolve_row::<S>((block.input, input), block.side, weights, Some(bias), next, row) };
                next += 1;
            }
            let row = |y: isize| match usize::try_from(first + y) {
                Ok(row) if row < output.height => &self.rows[row % 3][..],
                _ => &self.rows[3][..],
            };
            let start = pooled.at(window + 1, 1);
            let flat = if flat_wins { Flat::First { row: u8::from(first < 0) } } else { Flat::Nobody };
            unsafe {
                pool_row::<S>(
                    [row(0), row(1), row(2)],
                    output.width,
                    output.channels,
                    flat,
                    &mut result[start..],
                    &mut self.winners[index][start..],
                );
            }
        }
    }
}

/// Buffers of one thread of a training, allocated once.
#[derive(Debug, Clone)]
pub struct Workspace {
    pub forward: Forward,
    /// Gradient of every block's output, with borders of zeros.
    d_planes: Vec<Vec<f32>>,
    /// Gradient of the convolutions' outputs, with borders of zeros; one row of the first.
    d_convolved: Vec<Vec<f32>>,
    d_features: Vec<f32>,
    /// Sum of the gradients of the samples since it was last cleared, laid out as the parameters.
    pub gradient: Vec<f32>,
}

impl Workspace {
    pub fn new(layout: &Layout) -> Self {
        let d_convolved = |(index, block): (usize, &Block)| match index {
            0 => vec![0.0; first_row(block).len()],
            _ => vec![0.0; block.output.len()],
        };
        Self {
            forward: Forward::new(layout),
            d_planes: layout.blocks.iter().map(|block| vec![0.0; block.pooled.len()]).collect(),
            d_convolved: layout.blocks.iter().enumerate().map(d_convolved).collect(),
            d_features: vec![0.0; layout.features.len()],
            gradient: vec![0.0; layout.len],
        }
    }

    /// Adds this sample's gradient, after [`Forward::run`]. `turned` holds the weights of blocks 2 to 5 as
    /// [`turn_weights`](super::layout::turn_weights) makes them, at the places of the originals.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn backward<S: Simd>(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        turned: &[f32],
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
            unsafe { self.backward_block::<S>(index, &layout.blocks[index], turned) };
        }
        unsafe { self.backward_first::<S>(&layout.blocks[0]) };
    }

    #[inline(always)]
    unsafe fn backward_block<S: Simd>(&mut self, index: usize, block: &Block, turned: &[f32]) {
        let (input, output) = (block.input, block.output);
        let d_convolved = &mut self.d_convolved[index][..];
        let (d_weights, d_bias) = gradients(&mut self.gradient, block);
        let routed = (&self.d_planes[index][..], &self.forward.winners[index][..]);
        for row in 0..output.height {
            let d_row = &mut d_convolved[output.at(row + 1, 1)..];
            unsafe { route_row::<S>(output, row, block.pooled, routed, d_row, d_bias) };
        }
        let image = (input, &self.forward.planes[index][..]);
        for start in (0..output.height).step_by(GRADIENT_ROWS) {
            let rows = start..output.height.min(start + GRADIENT_ROWS);
            unsafe { weight_gradient::<S>(image, (output, d_convolved), block.side, rows, d_weights) };
        }
        let turned = &turned[block.weights..][..block.weight_count()];
        for row in 0..input.height {
            let d_input = &mut self.d_planes[index - 1][input.at(row + 1, 1)..];
            unsafe { convolve_row::<S>((output, d_convolved), block.side, turned, None, row, d_input) };
        }
    }

    /// The first block has no gradient to hand on, so one row of its convolution's gradient is enough at a time.
    #[inline(always)]
    unsafe fn backward_first<S: Simd>(&mut self, block: &Block) {
        let output = block.output;
        let single = first_row(block);
        let d_row = &mut self.d_convolved[0][..];
        let (d_weights, d_bias) = gradients(&mut self.gradient, block);
        let routed = (&self.d_planes[0][..], &self.forward.winners[0][..]);
        for row in 0..output.height {
            unsafe {
                route_row::<S>(output, row, block.pooled, routed, &mut d_row[single.at(1, 1)..], d_bias);
                let above = &self.forward.planes[0][block.input.at(row, 0)..];
                let image = (Plane { height: 1, ..block.input }, above);
                weight_gradient::<S>(image, (single, d_row), block.side, 0..1, d_weights);
            }
        }
    }
}

/// One row of the block's output, as a plane.
fn first_row(block: &Block) -> Plane {
    Plane { height: 1, ..block.output }
}

/// Where the pixels of a plane start, without its border, row by row.
pub fn inner(plane: Plane) -> impl DoubleEndedIterator<Item = usize> {
    (1..=plane.height).flat_map(move |row| (1..=plane.width).map(move |column| plane.at(row, column)))
}

/// The gradients of a block's weights and biases.
fn gradients<'a>(gradient: &'a mut [f32], block: &Block) -> (&'a mut [f32], &'a mut [f32]) {
    let (weights, bias) = gradient[block.weights..].split_at_mut(block.bias - block.weights);
    (weights, &mut bias[..block.output.channels])
}
