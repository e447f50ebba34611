//! One image through the network.

use std::ops::Range;

use super::buffer::Buffer;
use super::conv::{Plane, convolve_row};
use super::dense::Hidden;
use super::layout::{Block, Layout};
use super::pool::{Flat, no_winners, pool_row};
use super::scatter::{Nonzero, scatter_row};
use super::simd::{LANES, NO_WINNER, Simd};
use super::winners::SLACK;
use xdlreg_core::net::BLOCKS;

/// What one image leaves behind on its way through the network, in buffers allocated once.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Input of every block, and the output of the last, with borders of zeros.
    pub planes: Vec<Buffer>,
    /// Who won in every pooling window, with borders of none.
    pub winners: Vec<Vec<u8>>,
    /// The columns outside of which each row of the image is empty, both with the border counted.
    pub seen: Vec<Range<usize>>,
    /// Six rows of a convolution's output, one of zeros, and one for what falls beyond the edge, with borders.
    rows: [Buffer; 8],
    nonzero: Nonzero,
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
    /// The weights of every block [by channel](super::order::by_channel), to skip zeros where that is faster; none
    /// for blocks that are better convolved row by row.
    pub by_channel: &'a [Buffer],
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
                .map(|plane| Buffer::zeros(plane.len() + SLACK))
                .collect(),
            winners: blocks.iter().map(|block| no_winners(block.pooled)).collect(),
            seen: vec![0..0; blocks[0].input.height + 2],
            rows: std::array::from_fn(|_| Buffer::zeros(row)),
            nonzero: Nonzero::new(blocks[1..].iter().map(|block| block.input)),
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
            self.seen[row + 1] = match pixels.iter().position(|&pixel| pixel != 0.0) {
                Some(first) => {
                    let last = pixels.iter().rposition(|&pixel| pixel != 0.0).unwrap_or(first);
                    first + 1..last + 2
                }
                None => 0..0,
            };
        }
        // SAFETY: the caller has the instructions.
        unsafe { self.first_block::<S>(&layout.blocks[0], inputs) };
        for (index, block) in layout.blocks.iter().enumerate().skip(1) {
            // SAFETY: as above.
            unsafe {
                match (inputs.by_channel[index].is_empty(), block.side) {
                    (true, _) => self.block::<S>(index, block, inputs),
                    (false, 3) => self.sparse_block::<S, 3>(index, block, inputs),
                    (false, side) => {
                        assert_eq!(side, 1, "kernels of three or one");
                        self.sparse_block::<S, 1>(index, block, inputs);
                    }
                }
            }
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

    /// The block that reads the image. Where a pooling window sees nothing of it, every output is the bias, and so the
    /// pooled value is known.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn first_block<S: Simd>(&mut self, block: &Block, inputs: Inputs) {
        let (output, pooled) = (block.output, block.pooled);
        assert!(output.height.is_multiple_of(2) && output.width.is_multiple_of(2), "windows begin in the image");
        let (weights, bias) = weights_and_bias(block, inputs.parameters);
        for row in &mut self.rows {
            clear_ends(row, output);
        }
        let mut window = 0;
        for row in 0..output.height {
            // Two rows of windows may see this one, and each sees columns of its own.
            let rows = [row / 2, (row / 2).saturating_sub(1 - row % 2)];
            let seen =
                rows.map(|row| seen_windows(&self.seen, pooled, row)).into_iter().filter(|seen| !seen.is_empty());
            if let Some(columns) = seen.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end)) {
                let outputs = 2 * columns.start..(2 * columns.end + 1).min(output.width);
                let input = (block.input, &self.planes[0][..]);
                let row_out = &mut self.rows[row % KEPT][output.channels..];
                // SAFETY: the caller has the instructions.
                unsafe { convolve_row::<S>(input, block.side, weights, bias, (row, outputs), row_out) };
            }
            while window < pooled.height && last_row(window, output) <= row {
                let columns = seen_windows(&self.seen, pooled, window);
                self.fill_windows(pooled, window, 0..columns.start, bias, inputs.flat_wins);
                self.fill_windows(pooled, window, columns.end..pooled.width, bias, inputs.flat_wins);
                // SAFETY: as above.
                unsafe { self.pool::<S>((0, block), window, columns, inputs.flat_wins) };
                window += 1;
            }
        }
    }

    /// Pooling windows of the first block that see nothing of the image.
    #[inline(always)]
    fn fill_windows(&mut self, pooled: Plane, window: usize, columns: Range<usize>, bias: &[f32], flat_wins: bool) {
        for column in columns {
            let at = pooled.at(window + 1, column + 1);
            let (values, winners) = (&mut self.planes[1][at..], &mut self.winners[0][at..]);
            for ((value, winner), &bias) in values.iter_mut().zip(winners).zip(bias) {
                *value = bias.max(0.0);
                *winner = if bias > 0.0 || flat_wins { 0 } else { NO_WINNER };
            }
        }
    }

    /// A block that reads the output of another.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn block<S: Simd>(&mut self, index: usize, block: &Block, inputs: Inputs) {
        let (output, pooled) = (block.output, block.pooled);
        let (weights, bias) = weights_and_bias(block, inputs.parameters);
        for row in &mut self.rows {
            // What a wider block left beside this one's row is no border.
            clear_ends(row, output);
        }
        let mut window = 0;
        for row in 0..output.height {
            let input = (block.input, &self.planes[index][..]);
            let row_out = &mut self.rows[row % KEPT][output.channels..];
            // SAFETY: the caller has the instructions.
            unsafe { convolve_row::<S>(input, block.side, weights, bias, (row, 0..output.width), row_out) };
            while window < pooled.height && last_row(window, output) <= row {
                // SAFETY: as above.
                unsafe { self.pool::<S>((index, block), window, 0..pooled.width, inputs.flat_wins) };
                window += 1;
            }
        }
    }

    /// As [`Self::block`], from the values of the input that are not zero alone.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn sparse_block<S: Simd, const SIDE: usize>(&mut self, index: usize, block: &Block, inputs: Inputs) {
        let (output, pooled) = (block.output, block.pooled);
        let (_, bias) = weights_and_bias(block, inputs.parameters);
        for row in &mut self.rows {
            clear_ends(row, output);
        }
        let (mut window, reach) = (0, SIDE / 2);
        for row in 0..reach {
            // SAFETY: the caller has the instructions; so in the rest of this function.
            unsafe { fill_row::<S>(&mut self.rows[row], output, bias) };
        }
        for row in 0..output.height {
            if row + reach < output.height {
                // SAFETY: as above.
                unsafe { fill_row::<S>(&mut self.rows[(row + reach) % KEPT], output, bias) };
            }
            // The rows that see this one.
            let places: [usize; SIDE] = std::array::from_fn(|y| match (row + y).checked_sub(reach) {
                Some(row) if row < output.height => row % KEPT,
                _ => BEYOND,
            });
            let input = (block.input, &self.planes[index][..]);
            let rows = self.rows.get_disjoint_mut(places).expect("an image of more than one row");
            let rows = rows.map(|row| &mut row[..]);
            let weights = &inputs.by_channel[index];
            // SAFETY: as above.
            unsafe { scatter_row::<S, SIDE>(input, weights, row, rows, output.channels, &mut self.nonzero) };
            // Complete are those rows that no later one adds to.
            let complete = if row + 1 == output.height { row + 1 } else { (row + 1).saturating_sub(reach) };
            for row in row.saturating_sub(reach)..complete {
                clear_ends(&mut self.rows[row % KEPT], output);
            }
            while window < pooled.height && last_row(window, output) < complete {
                // SAFETY: as above.
                unsafe { self.pool::<S>((index, block), window, 0..pooled.width, inputs.flat_wins) };
                window += 1;
            }
        }
    }

    /// Pools some columns of a row of windows.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn pool<S: Simd>(
        &mut self,
        (index, block): (usize, &Block),
        window: usize,
        columns: Range<usize>,
        flat_wins: bool,
    ) {
        let (output, pooled) = (block.output, block.pooled);
        let first = (2 * window) as isize - (output.height % 2) as isize;
        let row = |y: isize| match usize::try_from(first + y) {
            Ok(row) if row < output.height => &self.rows[row % KEPT][..],
            _ => &self.rows[ZEROS][..],
        };
        let start = pooled.at(window + 1, 1);
        let flat = if flat_wins { Flat::First { row: u8::from(first < 0) } } else { Flat::Nobody };
        // SAFETY: the caller has the instructions.
        unsafe {
            pool_row::<S>(
                [row(0), row(1), row(2)],
                (output.width, columns),
                output.channels,
                flat,
                &mut self.planes[index + 1][start..],
                &mut self.winners[index][start..],
            );
        }
    }
}

/// The last row of a convolution's output that a row of pooling windows sees.
fn last_row(window: usize, output: Plane) -> usize {
    (2 * window + 2 - output.height % 2).min(output.height - 1)
}

/// The pooling windows of row `row` that see something of an image, which is empty outside of the columns `seen` of each
/// row, both with the border counted: a window sees five rows and columns.
pub fn seen_windows(seen: &[Range<usize>], pooled: Plane, row: usize) -> Range<usize> {
    let rows = seen[2 * row..(2 * row + 5).min(seen.len())].iter().filter(|columns| !columns.is_empty());
    let (start, end) = rows.fold((usize::MAX, 0), |(start, end), row| (start.min(row.start), end.max(row.end)));
    match end {
        0 => 0..0,
        _ => start.saturating_sub(4).div_ceil(2)..end.div_ceil(2).min(pooled.width),
    }
}

fn weights_and_bias<'a>(block: &Block, parameters: &'a [f32]) -> (&'a [f32], &'a [f32]) {
    (&parameters[block.weights..][..block.weight_count()], &parameters[block.bias..][..block.output.channels])
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
            // SAFETY: the caller has the instructions, and both chunks are a vector long.
            unsafe { S::store(to.as_mut_ptr(), S::load(from.as_ptr())) };
        }
    }
}

/// Where the pixels of a plane start, without its border, row by row.
pub fn inner(plane: Plane) -> impl DoubleEndedIterator<Item = usize> {
    (1..=plane.height).flat_map(move |row| (1..=plane.width).map(move |column| plane.at(row, column)))
}
