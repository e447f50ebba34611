//! One image through the network and back.

use super::buffer::Buffer;
use super::conv::{Plane, convolve_row, weight_gradient};
use super::dense::Hidden;
use super::layout::{Block, Layout};
use super::pool::{Flat, no_winners, pool_row, route_row};
use super::scatter::scatter_row;
use super::simd::{LANES, Simd};
use crate::net::architecture::BLOCKS;

/// Rows whose weight gradient is summed at a time: few enough that they stay in the first cache.
const GRADIENT_ROWS: usize = 4;

/// What one image leaves behind on its way through the network, in buffers allocated once.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Input of every block, and the output of the last, with borders of zeros.
    pub planes: Vec<Buffer>,
    /// Who won in every pooling window, with borders of none.
    pub winners: Vec<Vec<u8>>,
    /// Six rows of a convolution's output, one of zeros, and one for what falls beyond the edge, with borders.
    rows: [Buffer; 8],
    pub hidden: Hidden,
}

/// Rows of [`Forward::rows`] that are kept at a time, the place of the zeros, and that of what is not wanted.
const KEPT: usize = 6;
const ZEROS: usize = KEPT;
const BEYOND: usize = KEPT + 1;

/// What a forward pass is carried out with.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub parameters: &'a [f32],
    /// The weights of every block [by channel](super::scatter::by_channel), to skip zeros where that is faster; none
    /// for blocks that are better convolved row by row.
    pub by_channel: Option<&'a [Buffer]>,
    /// Whether pooling windows without anything above zero are won by their first pixel, else by nobody.
    pub flat_wins: bool,
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
                .map(|plane| Buffer::zeros(plane.len()))
                .collect(),
            winners: blocks.iter().map(|block| no_winners(block.pooled)).collect(),
            rows: std::array::from_fn(|_| Buffer::zeros(row)),
            hidden: Hidden::new(layout),
        }
    }

    /// Outputs for `image`, left in `hidden`. `mask` holds dropout's factors in the order of flatten.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&mut self, layout: &Layout, inputs: Inputs, image: &[f32], mask: Option<&[f32]>) {
        let input = layout.blocks[0].input;
        for (row, pixels) in image.chunks_exact(input.width).enumerate() {
            self.planes[0][input.at(row + 1, 1)..][..input.width].copy_from_slice(pixels);
        }
        for (index, block) in layout.blocks.iter().enumerate() {
            unsafe { self.block::<S>(index, block, inputs) };
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
        self.hidden.forward(layout, inputs.parameters);
    }

    #[inline(always)]
    unsafe fn block<S: Simd>(&mut self, index: usize, block: &Block, inputs: Inputs) {
        let (output, pooled) = (block.output, block.pooled);
        let weights = &inputs.parameters[block.weights..][..block.weight_count()];
        let bias = &inputs.parameters[block.bias..][..output.channels];
        let scattered = inputs.by_channel.map(|weights| &weights[index][..]).filter(|weights| !weights.is_empty());
        for row in &mut self.rows {
            // What a wider block left beside this one's row is no border.
            clear_ends(row, output);
        }
        if scattered.is_some() {
            unsafe { fill_row::<S>(&mut self.rows[0], output, bias) };
        }
        let mut window = 0;
        for row in 0..output.height {
            unsafe {
                match scattered {
                    Some(weights) => self.scatter::<S>((index, block), weights, bias, row),
                    None => {
                        let input = (block.input, &self.planes[index][..]);
                        let row_out = &mut self.rows[row % KEPT][output.channels..];
                        convolve_row::<S>(input, block.side, weights, Some(bias), row, row_out);
                    }
                }
                // Of scattered rows the last is complete only when the next was scattered.
                let complete = if scattered.is_some() && row + 1 < output.height { row } else { row + 1 };
                while window < pooled.height && (2 * window + 3 - output.height % 2).min(output.height) <= complete {
                    self.pool::<S>((index, block), window, inputs.flat_wins);
                    window += 1;
                }
            }
        }
    }

    /// Adds what an input row contributes to the rows of the output, and begins the row after the next with the bias.
    #[inline(always)]
    unsafe fn scatter<S: Simd>(&mut self, (index, block): (usize, &Block), weights: &[f32], bias: &[f32], row: usize) {
        let output = block.output;
        let last = row + 1 == output.height;
        let below = if last { BEYOND } else { (row + 1) % KEPT };
        if !last {
            unsafe { fill_row::<S>(&mut self.rows[below], output, bias) };
        }
        let above = if row == 0 { BEYOND } else { (row - 1) % KEPT };
        let rows = self.rows.get_disjoint_mut([above, row % KEPT, below]);
        let Ok([above_row, own, below_row]) = rows else { unreachable!("an image has more than one row") };
        let input = (block.input, &self.planes[index][..]);
        unsafe { scatter_row::<S>(input, weights, row, [above_row, own, below_row], output.channels) };
        clear_ends(&mut self.rows[above], output);
        if last {
            clear_ends(&mut self.rows[row % KEPT], output);
        }
    }

    #[inline(always)]
    unsafe fn pool<S: Simd>(&mut self, (index, block): (usize, &Block), window: usize, flat_wins: bool) {
        let (output, pooled) = (block.output, block.pooled);
        let first = (2 * window) as isize - (output.height % 2) as isize;
        let row = |y: isize| match usize::try_from(first + y) {
            Ok(row) if row < output.height => &self.rows[row % KEPT][..],
            _ => &self.rows[ZEROS][..],
        };
        let start = pooled.at(window + 1, 1);
        let flat = if flat_wins { Flat::First { row: u8::from(first < 0) } } else { Flat::Nobody };
        unsafe {
            pool_row::<S>(
                [row(0), row(1), row(2)],
                output.width,
                output.channels,
                flat,
                &mut self.planes[index + 1][start..],
                &mut self.winners[index][start..],
            );
        }
    }
}

/// Clears the border of a row of a convolution's output.
fn clear_ends(row: &mut [f32], output: Plane) {
    let right = (output.width + 1) * output.channels;
    row[..output.channels].fill(0.0);
    row[right..right + output.channels].fill(0.0);
}

/// Every pixel of a row as the bias.
///
/// # Safety
/// Needs the instructions of `S`.
#[inline(always)]
unsafe fn fill_row<S: Simd>(row: &mut [f32], output: Plane, bias: &[f32]) {
    let pixels = row[output.channels..].chunks_exact_mut(output.channels).take(output.width);
    for pixel in pixels {
        // A copy of so few values is not worth a call.
        for (to, from) in pixel.chunks_exact_mut(LANES).zip(bias.chunks_exact(LANES)) {
            unsafe { S::store(to.as_mut_ptr(), S::load(from.as_ptr())) };
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
