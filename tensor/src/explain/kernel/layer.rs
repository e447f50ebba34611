//! One layer's rule, carried out for the outputs that have relevance.

use tch::Tensor;
use xdlreg_core::explain::{Denominator, Gate, InputPart};

use super::hits::Hits;
use super::order::Order;
use super::window::Window;
use crate::explain::ledger::{Taken, sum};
use crate::explain::linear::Part;
use crate::explain::rule::{Divisor, LayerPass, LayerRule};
use crate::explain::stabilise::stabilise;
use crate::net::kernel::buffer::Buffer;
use crate::net::kernel::simd::Simd;

/// Parts of an input that rules distinguish: x, max(x, 0), min(x, 0), and constants.
pub const PARTS: usize = 4;

/// A layer's own weights and bias, and its rule.
pub type Ruled<'a> = (&'a Part, Option<&'a Tensor>, &'a LayerRule);

/// A rule with the weights of one layer.
#[derive(Debug)]
pub struct RuledLayer {
    /// Values of the layer's input, with borders and padding.
    pub inputs: usize,
    /// Which parts of the input get shares of their own.
    pub parts: [bool; PARTS],
    /// Values of a window.
    pub window: usize,
    passes: Vec<Pass>,
    /// Whether a pass divides by the layer's own output.
    pub divides_by_output: bool,
    /// Weights and biases of the layer itself, for rules that look at the sign of its output.
    own: Option<(Buffer, Vec<f32>)>,
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
    /// Whether the denominator is the layer's own output.
    by_output: bool,
    gate: Gate,
}

#[derive(Debug)]
struct Term {
    part: usize,
    /// The part's value where it is constant, else 1.
    factor: f32,
    /// `[outputs, window]`.
    weights: Buffer,
}

/// What a layer reads, and where its shares are added up.
pub struct Sides<'a> {
    /// The input x, and max(x, 0) and min(x, 0) where a term takes them.
    pub x: [&'a [f32]; PARTS - 1],
    pub shares: &'a mut [Buffer; PARTS],
    /// Values from one run of a window to the next.
    pub stride: usize,
}

impl RuledLayer {
    pub fn new((own, bias, rule): Ruled, order: &Order) -> Self {
        let passes: Vec<Pass> = rule.passes.iter().map(|pass| Pass::new(pass, bias, order)).collect();
        let mut parts = [false; PARTS];
        for pass in &passes {
            pass.terms.iter().for_each(|term| parts[term.part] = true);
        }
        let gated = passes.iter().any(|pass| pass.gate != Gate::Always);
        let divides_by_output = passes.iter().any(|pass| pass.by_output);
        let own = gated.then(|| (order.weights(own).into(), order.bias(bias)));
        Self { inputs: order.inputs, parts, window: order.window, passes, divides_by_output, own }
    }

    /// Adds the shares of all `hits`.
    ///
    /// # Safety
    /// Needs the instructions of `S`, and hits whose windows lie in the layer's input.
    #[inline(always)]
    pub unsafe fn share<S: Simd, W: Window>(&self, window: W, hits: &mut Hits, sides: &mut Sides, taken: &mut Taken) {
        for part in 0..PARTS {
            assert!(!self.parts[part] || sides.shares[part].len() >= self.inputs);
            assert!(part == PARTS - 1 || !(self.parts[part] || part == 0) || sides.x[part].len() >= self.inputs);
        }
        if let Some((weights, bias)) = &self.own {
            hits.z.clear();
            hits.z.extend(hits.filters.iter().map(|&filter| bias[filter as usize]));
            // SAFETY: the caller has the instructions, and hits whose windows lie in the input, whose length was
            // asserted.
            unsafe {
                self.multiply::<S, W>(
                    window,
                    weights,
                    sides.x[0],
                    sides.stride,
                    &hits.starts,
                    &hits.filters,
                    &mut hits.z,
                )
            };
        }
        for pass in &self.passes {
            hits.quotients.clear();
            hits.quotients.extend(hits.relevance.iter().map(|relevance| relevance * pass.coefficient));
            let closed = |z: f32| match pass.gate {
                Gate::Always => false,
                Gate::Positive => z <= 0.0,
                Gate::Negative => z >= 0.0,
            };
            if pass.gate != Gate::Always {
                for (quotient, &z) in hits.quotients.iter_mut().zip(&hits.z) {
                    *quotient = if closed(z) { 0.0 } else { *quotient };
                }
            }
            if pass.denominator != Denominator::One {
                // SAFETY: as above.
                unsafe { self.divide::<S, W>(window, pass, hits, sides, taken) };
            }
            for term in &pass.terms {
                let to = sides.shares[term.part].as_mut_ptr();
                let each = hits.starts.iter().zip(&hits.filters).zip(&hits.quotients);
                for ((&start, &filter), &quotient) in each {
                    let weights = term.weights[filter as usize * self.window..][..self.window].as_ptr();
                    // SAFETY: as above; the shares are as long as the input, and the slice of weights is a window long.
                    unsafe { window.add::<S>(to.add(start as usize), sides.stride, weights, quotient * term.factor) };
                }
            }
        }
    }

    /// Divides the quotients by what the pass prescribes.
    ///
    /// # Safety
    /// As [`Self::share`], which asserts the lengths of `sides`.
    #[inline(always)]
    unsafe fn divide<S: Simd, W: Window>(
        &self,
        window: W,
        pass: &Pass,
        hits: &mut Hits,
        sides: &Sides,
        taken: &mut Taken,
    ) {
        let bias = |filter: &u32| pass.bias[*filter as usize];
        hits.divisors.clear();
        hits.divisors.extend(hits.filters.iter().map(bias));
        if !pass.offset.is_empty() {
            for (divisor, &place) in hits.divisors.iter_mut().zip(&hits.places) {
                *divisor += pass.offset[place as usize];
            }
        }
        if pass.by_output {
            let each = hits.divisors.iter_mut().zip(&hits.passed_on).zip(hits.starts.iter().zip(&hits.filters));
            for ((divisor, &passed_on), (&start, &filter)) in each {
                // Relevance that came down is a multiple of what went on: divided by anything but that very number, sums that
                // nearly cancel would leave their rounding.
                *divisor = if passed_on == 0.0 {
                    // SAFETY: as the caller promises.
                    *divisor + unsafe { self.dot::<S, W>(window, &pass.terms[0].weights, sides, start, filter) }
                } else {
                    passed_on
                };
            }
        }
        for term in pass.terms.iter().filter(|term| term.part < PARTS - 1 && !pass.by_output) {
            let x = sides.x[term.part];
            // SAFETY: as the caller promises.
            unsafe {
                self.multiply::<S, W>(
                    window,
                    &term.weights,
                    x,
                    sides.stride,
                    &hits.starts,
                    &hits.filters,
                    &mut hits.divisors,
                )
            };
        }
        hits.taken.clear();
        for (quotient, &divisor) in hits.quotients.iter_mut().zip(&hits.divisors) {
            let safe = stabilise(divisor, pass.denominator);
            *quotient /= safe;
            hits.taken.push(*quotient * (safe - divisor));
        }
        taken.stabiliser += sum(&hits.taken);
        for ((taken, quotient), filter) in hits.taken.iter_mut().zip(&hits.quotients).zip(&hits.filters) {
            *taken = quotient * bias(filter);
        }
        taken.bias += sum(&hits.taken);
    }

    /// The product of the window of x at `start` and the weights of a filter.
    ///
    /// # Safety
    /// As [`Self::multiply`], of the input x.
    #[inline(always)]
    unsafe fn dot<S: Simd, W: Window>(
        &self,
        window: W,
        weights: &[f32],
        sides: &Sides,
        start: u32,
        filter: u32,
    ) -> f32 {
        let weights = weights[filter as usize * self.window..][..self.window].as_ptr();
        // SAFETY: as the caller promises; the slice of weights is a window long.
        unsafe { window.dot::<S>(sides.x[0].as_ptr().add(start as usize), sides.stride, weights) }
    }

    /// Adds to every sum the product of its window of `x` and its weights.
    ///
    /// # Safety
    /// Needs the instructions of `S`, and windows that lie in `x` at every one of `starts`.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "lists of the same length")]
    unsafe fn multiply<S: Simd, W: Window>(
        &self,
        window: W,
        weights: &[f32],
        x: &[f32],
        stride: usize,
        starts: &[u32],
        filters: &[u32],
        sums: &mut [f32],
    ) {
        for ((&start, &filter), sum) in starts.iter().zip(filters).zip(sums) {
            let weights = weights[filter as usize * self.window..][..self.window].as_ptr();
            // SAFETY: as the caller promises; the slice of weights is a window long.
            *sum += unsafe { window.dot::<S>(x.as_ptr().add(start as usize), stride, weights) };
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
            weights: order.weights(part).into(),
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
            by_output: pass.denominator != Denominator::One && matches!(pass.divisor, Divisor::Output),
            gate: pass.gate,
        }
    }
}
