//! Relevance on the CPU by kernels written for this network.
//!
//! Behind a max-pool only winners have relevance, and behind a ReLU most features are zero, so a few per cent of a
//! convolution's outputs have any. The forward pass is that of training; on the way back, every output with relevance
//! is taken by itself: its denominator is one product of its window with its weights, and its shares are those weights
//! added at the window. Rules are those of [`LayerRule`](super::rule::LayerRule), which libtorch carries out elsewhere.

mod hits;
mod layer;
mod order;
mod window;

use std::array;

use xdlreg_core::explain::Activation;
use xdlreg_core::net::BLOCKS;

use self::hits::{Hits, Pooled};
use self::layer::{PARTS, Ruled, RuledLayer, Sides};
use self::order::Order;
use self::window::{Line, Pixels, Runs};
use super::ledger::{Taken, sum};
use crate::net::Network;
use crate::net::engine::trainable_values;
use crate::net::kernel::buffer::Buffer;
use crate::net::kernel::conv::Plane;
use crate::net::kernel::forward::{Forward, Inputs, inner};
use crate::net::kernel::isa::{Isa, Work};
use crate::net::kernel::layout::{Block, Layout};
use crate::net::kernel::order::Orders;
use crate::net::kernel::simd::{LANES, Simd};

/// A network with its rules, and the buffers of one thread.
#[derive(Debug)]
pub(super) struct Kernels {
    pub isa: Isa,
    layout: Layout,
    parameters: Vec<f32>,
    /// Weights of the blocks by channel, where that is faster.
    by_channel: Vec<Buffer>,
    /// Five convolutions, the hidden dense layer, the output.
    layers: Vec<RuledLayer>,
    activation: Activation,
    space: Space,
}

#[derive(Debug)]
struct Space {
    forward: Forward,
    /// max(x, 0) and min(x, 0) of the image.
    signed: [Buffer; 2],
    /// Sums of shares at every part of the input of the layer at hand.
    shares: [Buffer; PARTS],
    /// Relevance of the output of the layer at hand, and then of its input.
    relevance: Buffer,
    /// Relevance of three rows of a convolution's outputs with a border, those that one row of pooling windows sees.
    rows: [Buffer; 3],
    /// The hidden units, padded.
    units: Buffer,
    hits: Hits,
}

impl Kernels {
    /// `ruled` are the seven linear layers; `None` where the processor or the network has no kernels.
    pub fn new(net: &Network, ruled: &[Ruled], activation: Activation) -> Option<Self> {
        let layout = Layout::new(net.spec()).filter(|_| !net.device().is_cuda())?;
        let isa = *Isa::available().first()?;
        let parameters = layout.pack(&trainable_values(&net.weights()));
        let convolutions = layout.blocks.iter().zip(&layout.channels);
        let convolutions = convolutions.map(|(block, &channels)| Order::convolution(block, channels));
        let orders = convolutions.chain([Order::hidden(&layout), Order::output(&layout)]);
        let layers: Vec<RuledLayer> =
            ruled.iter().zip(orders).map(|(&ruled, order)| RuledLayer::new(ruled, &order)).collect();
        let space = Space::new(&layout, &layers);
        let mut orders = Orders::new(isa, &layout);
        orders.arrange_forward(&layout, &parameters);
        Some(Self { isa, layout, parameters, by_channel: orders.by_channel, layers, activation, space })
    }

    /// What the network puts out for `image`.
    pub fn output(&mut self, image: &[f32]) -> &[f32] {
        self.isa.run(&mut Predict { kernels: self, image });
        &self.space.forward.hidden.outputs
    }

    /// Activation of the hidden units for the image of the last [`Self::output`].
    pub fn units(&self) -> &[f32] {
        &self.space.forward.hidden.units
    }

    /// Relevance of every pixel of the image of the last [`Self::output`], given that of the outputs. `ledger` has an
    /// entry a linear layer, from the input on.
    pub fn propagate(&mut self, outputs: &[f32], map: &mut [f32], ledger: &mut [Taken]) {
        self.isa.run(&mut Propagate { kernels: self, relevance: outputs, of_units: false, map, ledger });
    }

    /// As [`Self::propagate`], given the relevance of the hidden units; the output layer's entry is left as it is.
    pub fn propagate_units(&mut self, units: &[f32], map: &mut [f32], ledger: &mut [Taken]) {
        self.isa.run(&mut Propagate { kernels: self, relevance: units, of_units: true, map, ledger });
    }
}

impl Space {
    fn new(layout: &Layout, layers: &[RuledLayer]) -> Self {
        let size = layers.iter().map(|layer| layer.inputs).max().unwrap_or(0);
        let shares = array::from_fn(|part| match layers.iter().any(|layer| layer.parts[part]) {
            true => Buffer::zeros(size),
            false => Buffer::default(),
        });
        let row = layout.blocks.iter().map(|block| block.output.stride()).max().unwrap_or(0);
        Self {
            forward: Forward::new(layout),
            signed: array::from_fn(|sign| Buffer::zeros(if layers[0].parts[1 + sign] { layers[0].inputs } else { 0 })),
            shares,
            relevance: Buffer::zeros(size),
            rows: array::from_fn(|_| Buffer::zeros(row)),
            units: Buffer::zeros(layers[BLOCKS + 1].inputs),
            hits: Hits::default(),
        }
    }
}

struct Predict<'a> {
    kernels: &'a mut Kernels,
    image: &'a [f32],
}

impl Work for Predict<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&mut self) {
        let Kernels { layout, parameters, by_channel, activation, space, .. } = &mut *self.kernels;
        let flat_wins = matches!(activation, Activation::Pass | Activation::Deconvnet);
        let inputs = Inputs { parameters, by_channel, flat_wins };
        // SAFETY: the caller has the instructions.
        unsafe { space.forward.run::<S>(layout, inputs, self.image, None) };
        space.units[..layout.units].copy_from_slice(&space.forward.hidden.units);
    }
}

struct Propagate<'a> {
    kernels: &'a mut Kernels,
    relevance: &'a [f32],
    of_units: bool,
    map: &'a mut [f32],
    ledger: &'a mut [Taken],
}

impl Work for Propagate<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&mut self) {
        let Kernels { layout, layers, activation, space, .. } = &mut *self.kernels;
        space.relevance[..self.relevance.len()].copy_from_slice(self.relevance);
        // SAFETY: the caller has the instructions.
        unsafe {
            if !self.of_units {
                space.dense::<S>(&layers[BLOCKS + 1], self.relevance.len(), BLOCKS + 1, self.ledger);
            }
            space.through_units(*activation);
            space.dense::<S>(&layers[BLOCKS], layout.units, BLOCKS, self.ledger);
            space.unflatten(layout.blocks[BLOCKS - 1].pooled);
            for index in (0..BLOCKS).rev() {
                space.convolution::<S>(&layers[index], &layout.blocks[index], index, *activation, self.ledger);
            }
        }
        let input = layout.blocks[0].input;
        for (row, map) in self.map.chunks_exact_mut(input.width).enumerate() {
            map.copy_from_slice(&space.relevance[input.at(row + 1, 1)..][..input.width]);
        }
    }
}

impl Space {
    /// Relevance through a dense layer.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn dense<S: Simd>(&mut self, layer: &RuledLayer, outputs: usize, index: usize, ledger: &mut [Taken]) {
        let x = if index == BLOCKS { &self.forward.hidden.features[..] } else { &self.units[..] };
        let relevance = &self.relevance[..outputs];
        let mut taken = Taken { rest: sum(relevance), ..Taken::default() };
        self.hits.collect_units(relevance);
        if layer.divides_by_output {
            let hidden = &self.forward.hidden;
            let outputs = if index == BLOCKS { &hidden.units[..] } else { &hidden.outputs[..] };
            self.hits.passed_on.clear();
            self.hits.passed_on.extend(self.hits.places.iter().map(|&unit| outputs[unit as usize]));
        }
        let mut sides = Sides { x: [x, &[], &[]], shares: &mut self.shares, stride: 0 };
        // SAFETY: the caller has the instructions, and the window of every unit is the whole input.
        unsafe { layer.share::<S, _>(Line(layer.window / LANES), &mut self.hits, &mut sides, &mut taken) };
        self.combine(layer, index);
        taken.rest -= sum(&self.relevance[..layer.inputs]) + taken.bias + taken.stabiliser;
        ledger[index] = taken;
    }

    /// Relevance through a block of convolution and pooling.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn convolution<S: Simd>(
        &mut self,
        layer: &RuledLayer,
        block: &Block,
        index: usize,
        activation: Activation,
        ledger: &mut [Taken],
    ) {
        if index == 0 {
            let [positive, negative] = &mut self.signed;
            positive.iter_mut().zip(&self.forward.planes[0][..]).for_each(|(part, x)| *part = x.max(0.0));
            negative.iter_mut().zip(&self.forward.planes[0][..]).for_each(|(part, x)| *part = x.min(0.0));
        }
        let mut taken = Taken { rest: sum(&self.relevance[..block.pooled.len()]), ..Taken::default() };
        let above = block.output.height % 2;
        for window in 0..block.pooled.height {
            // SAFETY: the caller has the instructions.
            unsafe { self.route_windows::<S>(block, index, window) };
            // What the next row of windows sees as well is not complete yet.
            let complete = if window + 1 == block.pooled.height { 3 } else { 2 };
            for y in 0..complete {
                let number = (2 * window + y).wrapping_sub(above);
                if number < block.output.height {
                    // SAFETY: as above.
                    unsafe { self.share_row::<S>(layer, block, index, activation, (y, number), &mut taken) };
                }
            }
            self.rows.swap(0, 2);
        }
        self.combine(layer, index);
        if layer.parts[PARTS - 1] {
            clear_border(block.input, &mut self.relevance);
        }
        taken.rest -= sum(&self.relevance[..layer.inputs]) + taken.bias + taken.stabiliser;
        ledger[index] = taken;
    }

    /// Adds the relevance of a row of pooling windows to that of their winners.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn route_windows<S: Simd>(&mut self, block: &Block, index: usize, window: usize) {
        let (filters, left) = (block.output.channels, 1 - block.output.width % 2);
        let winners = &self.forward.winners[index][..];
        assert!(winners.len() >= block.pooled.len() && self.relevance.len() >= block.pooled.len());
        assert!(self.rows.iter().all(|row| row.len() >= block.output.stride()));
        for column in 0..block.pooled.width {
            for vector in (0..filters).step_by(LANES) {
                let at = block.pooled.at(window + 1, column + 1) + vector;
                // SAFETY: the caller has the instructions, and the lengths asserted above cover every window and the
                // three pixels of each row that it sees, with the border.
                unsafe {
                    if !S::any(self.relevance.as_ptr().add(at)) {
                        continue;
                    }
                    let value = S::load(self.relevance.as_ptr().add(at));
                    for (y, row) in self.rows.iter_mut().enumerate() {
                        for x in 0..3 {
                            let to = row.as_mut_ptr().add((2 * column + x + left) * filters + vector);
                            let pixel = (3 * y + x) as u8;
                            S::store(to, S::add_where(S::load(to), value, winners.as_ptr().add(at), pixel));
                        }
                    }
                }
            }
        }
    }

    /// Shares out what is in `rows[y]`, the convolution's row `number`, and clears it.
    ///
    /// # Safety
    /// Needs the instructions of `S`.
    #[inline(always)]
    unsafe fn share_row<S: Simd>(
        &mut self,
        layer: &RuledLayer,
        block: &Block,
        index: usize,
        activation: Activation,
        (y, number): (usize, usize),
        taken: &mut Taken,
    ) {
        let (input, output) = (block.input, block.output);
        let row = &mut self.rows[y][output.channels..][..output.width * output.channels];
        if matches!(activation, Activation::Deconvnet | Activation::Guided) {
            row.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        let start = input.at(number + 1 - block.side / 2, 1 - block.side / 2);
        let place = number * output.width * output.channels;
        // SAFETY: the caller has the instructions.
        unsafe { self.hits.collect_row::<S>(row, output.channels, (start, input.channels, place)) };
        if layer.divides_by_output {
            let from = Pooled {
                plane: block.pooled,
                values: &self.forward.planes[index + 1],
                winners: &self.forward.winners[index],
            };
            self.hits.find_passed_on(output, &from);
        }
        let x = [&self.forward.planes[index][..], &self.signed[0], &self.signed[1]];
        let mut sides = Sides { x, shares: &mut self.shares, stride: input.stride() };
        let (hits, sides) = (&mut self.hits, &mut sides);
        // SAFETY: the caller has the instructions. A window begins for every output at the pixel above and left of it,
        // border counted, and is as large as the arms say, so it lies in the input.
        unsafe {
            match (block.side, input.channels) {
                (3, 1) => layer.share::<S, _>(Pixels, hits, sides, taken),
                (3, 16) => layer.share::<S, _>(Runs::<3, 3>, hits, sides, taken),
                (3, 32) => layer.share::<S, _>(Runs::<3, 6>, hits, sides, taken),
                (3, 64) => layer.share::<S, _>(Runs::<3, 12>, hits, sides, taken),
                (1, 16) => layer.share::<S, _>(Runs::<1, 1>, hits, sides, taken),
                (1, 32) => layer.share::<S, _>(Runs::<1, 2>, hits, sides, taken),
                (1, 64) => layer.share::<S, _>(Runs::<1, 4>, hits, sides, taken),
                (side, channels) => unreachable!("no kernel of {side} on {channels} channels"),
            }
        }
    }

    /// Relevance of the layer's input: the sum of shares over its parts, each times that part. Shares are zero again
    /// afterwards.
    #[inline(always)]
    fn combine(&mut self, layer: &RuledLayer, index: usize) {
        let x = match index {
            0..BLOCKS => &self.forward.planes[index][..],
            BLOCKS => &self.forward.hidden.features[..],
            _ => &self.units[..],
        };
        let relevance = &mut self.relevance[..layer.inputs];
        let [all, .., constant] = &mut self.shares;
        match (layer.parts[0], layer.parts[PARTS - 1]) {
            (true, false) => {
                for ((relevance, &x), share) in relevance.iter_mut().zip(x).zip(&mut all[..]) {
                    *relevance = x * take(share);
                }
            }
            (false, true) => {
                for (relevance, share) in relevance.iter_mut().zip(&mut constant[..]) {
                    *relevance = take(share);
                }
            }
            (true, true) => {
                for (((relevance, &x), all), constant) in
                    relevance.iter_mut().zip(x).zip(&mut all[..]).zip(&mut constant[..])
                {
                    *relevance = x.mul_add(take(all), take(constant));
                }
            }
            (false, false) => relevance.fill(0.0),
        }
        for (part, x) in (1..).zip(&self.signed) {
            if layer.parts[part] {
                for ((relevance, &x), share) in relevance.iter_mut().zip(&x[..]).zip(&mut self.shares[part][..]) {
                    *relevance = x.mul_add(take(share), *relevance);
                }
            }
        }
    }

    /// Back through the ReLU of the hidden units.
    fn through_units(&mut self, activation: Activation) {
        for (relevance, &unit) in self.relevance.iter_mut().zip(&self.units[..]) {
            if matches!(activation, Activation::Deconvnet | Activation::Guided) {
                *relevance = relevance.max(0.0);
            }
            if matches!(activation, Activation::Gradient | Activation::Guided) && unit <= 0.0 {
                *relevance = 0.0;
            }
        }
    }

    /// From features one after the other to a plane with a border, from the end on, because they move to the right.
    fn unflatten(&mut self, plane: Plane) {
        let mut cell = plane.height * plane.width;
        for start in inner(plane).rev() {
            cell -= 1;
            let from = cell * plane.channels;
            self.relevance.copy_within(from..from + plane.channels, start);
        }
        clear_border(plane, &mut self.relevance);
    }
}

#[inline(always)]
fn take(share: &mut f32) -> f32 {
    std::mem::take(share)
}

/// Zero padding has no relevance.
fn clear_border(plane: Plane, values: &mut [f32]) {
    let stride = plane.stride();
    values[..stride].fill(0.0);
    values[plane.at(plane.height + 1, 0)..][..stride].fill(0.0);
    for row in 1..=plane.height {
        values[plane.at(row, 0)..][..plane.channels].fill(0.0);
        values[plane.at(row, plane.width + 1)..][..plane.channels].fill(0.0);
    }
}
