//! The outputs of a layer that have relevance, taken together row by row.

use crate::net::kernel::conv::Plane;
use crate::net::kernel::simd::{LANES, Simd};

/// What a block's pooling put out, and who won in its windows.
#[derive(Debug, Clone, Copy)]
pub struct Pooled<'a> {
    pub plane: Plane,
    pub values: &'a [f32],
    pub winners: &'a [u8],
}

/// Outputs with relevance, in parallel lists, so that each step is one tight loop over all of them.
#[derive(Debug, Default)]
pub struct Hits {
    /// Where each one's window starts in the layer's input.
    pub starts: Vec<u32>,
    /// Which filter (or unit) each one belongs to.
    pub filters: Vec<u32>,
    /// Its place among all outputs: pixel * filters + filter.
    pub places: Vec<u32>,
    pub relevance: Vec<f32>,
    /// The layer's own outputs, where a rule asks for their signs.
    pub z: Vec<f32>,
    /// The layer's own outputs behind its ReLU, as they went on through the network, where a rule divides by them; 0 where
    /// nothing went on.
    pub passed_on: Vec<f32>,
    pub divisors: Vec<f32>,
    pub quotients: Vec<f32>,
    /// What bias or stabiliser take.
    pub taken: Vec<f32>,
}

impl Hits {
    /// All that is not zero in a row of a convolution's outputs, `[columns, filters]`, which is zero afterwards. The
    /// window of the first column begins at `start`, that of the next `channels` later; the row begins with the output
    /// `place`.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn collect_row<S: Simd>(
        &mut self,
        row: &mut [f32],
        filters: usize,
        (start, channels, place): (usize, usize, usize),
    ) {
        // Every vector may leave sixteen, of which those that are zero are written over by the next.
        self.relevance.clear();
        self.relevance.reserve(row.len() + LANES);
        self.places.clear();
        self.places.reserve(row.len() + LANES);
        let (relevance, places) = (self.relevance.as_mut_ptr(), self.places.as_mut_ptr());
        let mut count = 0;
        for (vector, values) in row.chunks_exact_mut(LANES).enumerate() {
            let (values, first) = (values.as_mut_ptr(), (vector * LANES) as u32);
            // SAFETY: the caller has the instructions, and no more than sixteen a vector came before, for which there
            // is room. To look first whether any is not zero is slower.
            unsafe {
                count += S::compress(values, first, relevance.add(count), places.add(count));
                S::store(values, S::zero());
            }
        }
        // SAFETY: so many were written, one after the other. Zeros to write over would cost as much as a rule's step.
        unsafe {
            self.relevance.set_len(count);
            self.places.set_len(count);
        }
        // A power of two: division is a shift.
        let shift = filters.trailing_zeros();
        debug_assert!(filters.is_power_of_two());
        self.filters.clear();
        self.filters.extend(self.places.iter().map(|&at| at & (filters as u32 - 1)));
        self.starts.clear();
        self.starts.extend(self.places.iter().map(|&at| start as u32 + (at >> shift) * channels as u32));
        self.places.iter_mut().for_each(|at| *at += place as u32);
    }

    /// Finds for every hit what pooling took of it.
    pub fn find_passed_on(&mut self, output: Plane, pooled: &Pooled) {
        let Pooled { plane, values, winners } = *pooled;
        // Windows of three begin every second pixel; of an odd number of pixels the first lies before the border.
        let (above, left) = (output.height % 2, output.width % 2);
        self.passed_on.clear();
        self.passed_on.extend(self.places.iter().zip(&self.filters).map(|(&place, &filter)| {
            let pixel = place as usize / output.channels;
            let (row, column) = (pixel / output.width + above, pixel % output.width + left);
            let along = |at: usize| [(at / 2, at % 2), ((at / 2).wrapping_sub(1), 2)].into_iter().take(2 - at % 2);
            let windows = along(row).flat_map(|row| along(column).map(move |column| (row, column)));
            let mut inside = windows.filter(|((row, _), (column, _))| *row < plane.height && *column < plane.width);
            let won = inside.find_map(|((row, y), (column, x))| {
                let at = plane.at(row + 1, column + 1) + filter as usize;
                (usize::from(winners[at]) == 3 * y + x).then(|| values[at])
            });
            won.unwrap_or(0.0)
        }));
    }

    /// All outputs of a dense layer that are not zero.
    pub fn collect_units(&mut self, relevance: &[f32]) {
        let hits = || relevance.iter().enumerate().filter(|(_, relevance)| **relevance != 0.0);
        self.relevance.clear();
        self.relevance.extend(hits().map(|(_, relevance)| relevance));
        self.places.clear();
        self.places.extend(hits().map(|(unit, _)| unit as u32));
        self.filters.clone_from(&self.places);
        self.starts.clear();
        self.starts.resize(self.places.len(), 0);
    }
}
