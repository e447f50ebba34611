//! One layer's rule, carried out output by output.

use tch::Tensor;
use xdlreg::explain::{Denominator, Gate, InputPart};

use super::order::Order;
use super::window::{Line, Pixels, Runs, Window};
use crate::explain::ledger::Taken;
use crate::explain::linear::Part;
use crate::explain::rule::{Divisor, LayerPass, LayerRule};
use crate::explain::stabilise::stabilise;
use crate::net::kernel::layout::Block;
use crate::net::kernel::simd::{LANES, Simd};

/// Parts of an input that rules distinguish: x, max(x, 0), min(x, 0), and constants.
pub const PARTS: usize = 4;

/// A layer's own weights and bias, and its rule.
pub type Ruled<'a> = (&'a Part, Option<&'a Tensor>, &'a LayerRule);

/// A rule with the weights of one layer.
#[derive(Debug)]
pub struct Layer {
    /// Values of the layer's input, with borders and padding.
    pub inputs: usize,
    /// Which parts of the input get shares of their own.
    pub parts: [bool; PARTS],
    window: usize,
    passes: Vec<Pass>,
    /// Weights and biases of the layer itself, for rules that look at the sign of its output.
    own: Option<(Vec<f32>, Vec<f32>)>,
}

#[derive(Debug)]
struct Pass {
    coefficient: f32,
    terms: Vec<Term>,
    /// `[outputs]`.
    bias: Vec<f32>,
    /// What of the denominator does not depend on the input, `[pixels, outputs]`, or empty.
    offset: Vec<f32>,
    denominator: Denominator,
    gate: Gate,
}

#[derive(Debug)]
struct Term {
    part: usize,
    /// The part's value where it is constant, else 1.
    factor: f32,
    /// `[outputs, window]`.
    weights: Vec<f32>,
}

/// Where a layer's rule reads and adds: the first window of a row of outputs.
#[derive(Clone, Copy)]
struct Place {
    x: [*const f32; PARTS - 1],
    shares: [*mut f32; PARTS],
    /// Values from one run of a window to the next.
    stride: usize,
    /// Number of the output among all outputs with the same weights.
    pixel: usize,
}

impl Place {
    /// The window of the next `columns` outputs, `channels` values apart.
    ///
    /// # Safety
    /// It must lie in the input as well.
    #[inline(always)]
    unsafe fn right(self, columns: usize, channels: usize) -> Self {
        let by = columns * channels;
        // A part that no term takes has no memory and is not read.
        let (x, shares) = (self.x.map(|x| x.wrapping_add(by)), self.shares.map(|to| to.wrapping_add(by)));
        Self { x, shares, pixel: self.pixel + columns, ..self }
    }
}

impl Layer {
    pub fn new((own, bias, rule): Ruled, order: &Order) -> Self {
        let passes: Vec<Pass> = rule.passes.iter().map(|pass| Pass::new(pass, bias, order)).collect();
        let mut parts = [false; PARTS];
        for pass in &passes {
            pass.terms.iter().for_each(|term| parts[term.part] = true);
        }
        let gated = passes.iter().any(|pass| pass.gate != Gate::Always);
        let own = gated.then(|| (order.weights(own), order.bias(bias)));
        Self { inputs: order.inputs, parts, window: order.window, passes, own }
    }

    /// Adds the shares of row `number` of a convolution's outputs, whose relevance is `row`.
    ///
    /// # Safety
    /// Needs the instructions of `S`, and a layer of this block.
    #[inline(always)]
    pub unsafe fn share_row<S: Simd>(
        &self,
        block: &Block,
        x: [&[f32]; PARTS - 1],
        number: usize,
        row: &[f32],
        shares: &mut [Vec<f32>; PARTS],
        taken: &mut Taken,
    ) {
        let plane = block.input;
        assert!(self.inputs == plane.len() && row.len() == plane.width * block.output.channels);
        let start = plane.at(number + 1 - block.side / 2, 1 - block.side / 2);
        let place = self.place(x, shares, (start, plane.stride(), number * plane.width));
        unsafe {
            match (block.side, plane.channels) {
                (3, 1) => self.row::<S, _>(Pixels, place, 1, row, taken),
                (3, 16) => self.row::<S, _>(Runs::<3, 3>, place, 16, row, taken),
                (3, 32) => self.row::<S, _>(Runs::<3, 6>, place, 32, row, taken),
                (3, 64) => self.row::<S, _>(Runs::<3, 12>, place, 64, row, taken),
                (1, 16) => self.row::<S, _>(Runs::<1, 1>, place, 16, row, taken),
                (1, 32) => self.row::<S, _>(Runs::<1, 2>, place, 32, row, taken),
                (1, 64) => self.row::<S, _>(Runs::<1, 4>, place, 64, row, taken),
                (side, channels) => unreachable!("no kernel of {side} on {channels} channels"),
            }
        }
    }

    /// Adds the shares of a dense layer's outputs.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    pub unsafe fn share_dense<S: Simd>(
        &self,
        x: &[f32],
        relevance: &[f32],
        shares: &mut [Vec<f32>; PARTS],
        taken: &mut Taken,
    ) {
        let place = self.place([x, &[], &[]], shares, (0, 0, 0));
        for (filter, &relevance) in relevance.iter().enumerate().filter(|(_, relevance)| **relevance != 0.0) {
            unsafe { self.share::<S, _>(Line(self.window / LANES), place, filter, relevance, taken) };
        }
    }

    fn place(
        &self,
        x: [&[f32]; PARTS - 1],
        shares: &mut [Vec<f32>; PARTS],
        (start, stride, pixel): (usize, usize, usize),
    ) -> Place {
        let reads = |part: usize| self.parts[part] || part == 0;
        assert!((0..PARTS).all(|part| !self.parts[part] || shares[part].len() >= self.inputs));
        assert!((0..PARTS - 1).all(|part| !reads(part) || x[part].len() >= self.inputs));
        let x = x.map(|x| x.as_ptr().wrapping_add(start));
        let shares = shares.each_mut().map(|shares| shares.as_mut_ptr().wrapping_add(start));
        Place { x, shares, stride, pixel }
    }

    #[inline(always)]
    unsafe fn row<S: Simd, W: Window>(
        &self,
        window: W,
        place: Place,
        channels: usize,
        row: &[f32],
        taken: &mut Taken,
    ) {
        let filters = self.passes.first().map_or(LANES, |pass| pass.bias.len());
        for (column, values) in row.chunks_exact(filters).enumerate() {
            for first in (0..filters).step_by(LANES) {
                unsafe {
                    let mut lanes = S::nonzero(values.as_ptr().add(first));
                    while lanes != 0 {
                        let filter = first + lanes.trailing_zeros() as usize;
                        let place = place.right(column, channels);
                        self.share::<S, W>(window, place, filter, *values.get_unchecked(filter), taken);
                        lanes &= lanes - 1;
                    }
                }
            }
        }
    }

    /// Adds the shares of one output.
    #[inline(always)]
    unsafe fn share<S: Simd, W: Window>(
        &self,
        window: W,
        place: Place,
        filter: usize,
        relevance: f32,
        taken: &mut Taken,
    ) {
        let weights = |weights: &[f32]| weights[filter * self.window..][..self.window].as_ptr();
        let mut z = 0.0;
        if let Some((own, bias)) = &self.own {
            z = bias[filter] + unsafe { window.dot::<S>(place.x[0], place.stride, weights(own)) };
        }
        for pass in &self.passes {
            match pass.gate {
                Gate::Positive if z <= 0.0 => continue,
                Gate::Negative if z >= 0.0 => continue,
                Gate::Always | Gate::Positive | Gate::Negative => {}
            }
            let mut quotient = pass.coefficient * relevance;
            if pass.denominator != Denominator::One {
                let mut divisor = pass.bias[filter];
                if !pass.offset.is_empty() {
                    divisor += pass.offset[place.pixel * pass.bias.len() + filter];
                }
                for term in pass.terms.iter().filter(|term| term.part < PARTS - 1) {
                    let x = place.x[term.part];
                    divisor += unsafe { window.dot::<S>(x, place.stride, weights(&term.weights)) };
                }
                let safe = stabilise(divisor, pass.denominator);
                quotient /= safe;
                taken.bias += f64::from(quotient * pass.bias[filter]);
                taken.stabiliser += f64::from(quotient * (safe - divisor));
            }
            for term in &pass.terms {
                let (to, factor) = (place.shares[term.part], quotient * term.factor);
                unsafe { window.add::<S>(to, place.stride, weights(&term.weights), factor) };
            }
        }
    }
}

impl Pass {
    fn new(pass: &LayerPass, own_bias: Option<&Tensor>, order: &Order) -> Self {
        let term = |(input, part): &(InputPart, Part)| Term {
            part: match input {
                InputPart::All => 0,
                InputPart::Positive => 1,
                InputPart::Negative => 2,
                InputPart::Constant(_) => 3,
            },
            factor: if let InputPart::Constant(value) = input { *value as f32 } else { 1.0 },
            weights: order.weights(part),
        };
        let (bias, offset) = match &pass.divisor {
            Divisor::Output => (own_bias, Vec::new()),
            Divisor::Terms { offset } => {
                (pass.bias.as_ref(), offset.as_ref().map(|offset| order.offset(offset)).unwrap_or_default())
            }
        };
        Self {
            coefficient: pass.coefficient as f32,
            terms: pass.terms.iter().map(term).collect(),
            bias: order.bias(bias),
            offset,
            denominator: pass.denominator,
            gate: pass.gate,
        }
    }
}
