//! Relevance on the CPU by kernels written for this network.
//!
//! Behind a max-pool only winners have relevance, and behind a ReLU most features are zero, so a few per cent of a
//! convolution's outputs have any. The forward pass is that of training; on the way back, every output with relevance
//! is taken by itself: its denominator is one product of its window with its weights, and its shares are those weights
//! added at the window. Rules are those of [`LayerRule`](super::rule::LayerRule), which libtorch carries out elsewhere.

mod layer;
mod order;
mod window;

use std::array;

use xdlreg::explain::Activation;
use xdlreg::raster::SIDE;

use self::layer::{Layer, PARTS, Ruled};
use self::order::Order;
use super::ledger::Taken;
use crate::net::PumpkinNet;
use crate::net::architecture::BLOCKS;
use crate::net::engine::trainable_values;
use crate::net::kernel::conv::Plane;
use crate::net::kernel::isa::{Isa, Work};
use crate::net::kernel::layout::{Block, Layout};
use crate::net::kernel::pool::route_row;
use crate::net::kernel::sample::{Forward, inner};
use crate::net::kernel::simd::{LANES, Simd};

/// A network with its rules, and the buffers of one thread.
#[derive(Debug)]
pub(super) struct Kernels {
    isa: Isa,
    layout: Layout,
    parameters: Vec<f32>,
    /// Five convolutions, the hidden dense layer, the output.
    layers: Vec<Layer>,
    activation: Activation,
    space: Space,
}

#[derive(Debug)]
struct Space {
    forward: Forward,
    /// max(x, 0) and min(x, 0) of the image.
    signed: [Vec<f32>; 2],
    /// Sums of shares at every part of the input of the layer at hand.
    shares: [Vec<f32>; PARTS],
    /// Relevance of the output of the layer at hand, and then of its input.
    relevance: Vec<f32>,
    /// Relevance of one row of a convolution's outputs.
    row: Vec<f32>,
    /// The hidden units, padded.
    units: Vec<f32>,
    /// What routing adds up for training.
    unused: Vec<f32>,
}

impl Kernels {
    /// `ruled` are the seven linear layers; `None` where the processor or the network has no kernels.
    pub fn new(net: &PumpkinNet, ruled: &[Ruled], activation: Activation) -> Option<Self> {
        let layout = Layout::new(net.architecture(), (SIDE, SIDE)).filter(|_| !net.device().is_cuda())?;
        let isa = *Isa::available().first()?;
        let parameters = layout.pack(&trainable_values(&net.weights()));
        let channels = |index: usize| net.architecture().channels(index);
        let convolutions = layout.blocks.iter().enumerate();
        let convolutions = convolutions.map(|(index, block)| Order::convolution(block, channels(index)));
        let orders = convolutions.chain([Order::hidden(&layout), Order::output(&layout)]);
        let layers: Vec<Layer> = ruled.iter().zip(orders).map(|(&ruled, order)| Layer::new(ruled, &order)).collect();
        let space = Space::new(&layout, &layers);
        Some(Self { isa, layout, parameters, layers, activation, space })
    }

    /// What the network puts out for `image`.
    pub fn output(&mut self, image: &[f32]) -> &[f32] {
        self.isa.run(&mut Predict { kernels: self, image });
        &self.space.forward.hidden.outputs
    }

    /// Relevance of every pixel of the image of the last [`Self::output`], given that of the outputs. `ledger` has an
    /// entry a linear layer, from the input on.
    pub fn propagate(&mut self, outputs: &[f32], map: &mut [f32], ledger: &mut [Taken]) {
        self.isa.run(&mut Propagate { kernels: self, outputs, map, ledger });
    }
}

impl Space {
    fn new(layout: &Layout, layers: &[Layer]) -> Self {
        let size = layers.iter().map(|layer| layer.inputs).max().unwrap_or(0);
        let shares = array::from_fn(|part| match layers.iter().any(|layer| layer.parts[part]) {
            true => vec![0.0; size],
            false => Vec::new(),
        });
        let row = layout.blocks.iter().map(|block| block.output.width * block.output.channels).max().unwrap_or(0);
        let channels = layout.blocks.iter().map(|block| block.output.channels).max().unwrap_or(0);
        Self {
            forward: Forward::new(layout),
            signed: array::from_fn(|sign| vec![0.0; if layers[0].parts[1 + sign] { layers[0].inputs } else { 0 }]),
            shares,
            relevance: vec![0.0; size],
            row: vec![0.0; row],
            units: vec![0.0; layers[BLOCKS + 1].inputs],
            unused: vec![0.0; channels],
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
        let Kernels { layout, parameters, activation, space, .. } = &mut *self.kernels;
        let flat_wins = matches!(activation, Activation::Pass | Activation::Deconvnet);
        unsafe { space.forward.run::<S>(layout, parameters, self.image, None, flat_wins) };
        space.units[..layout.units].copy_from_slice(&space.forward.hidden.units);
    }
}

struct Propagate<'a> {
    kernels: &'a mut Kernels,
    outputs: &'a [f32],
    map: &'a mut [f32],
    ledger: &'a mut [Taken],
}

impl Work for Propagate<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&mut self) {
        let Kernels { layout, layers, activation, space, .. } = &mut *self.kernels;
        space.relevance[..self.outputs.len()].copy_from_slice(self.outputs);
        unsafe {
            space.dense::<S>(&layers[BLOCKS + 1], self.outputs.len(), BLOCKS + 1, self.ledger);
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
    #[inline(always)]
    unsafe fn dense<S: Simd>(&mut self, layer: &Layer, outputs: usize, index: usize, ledger: &mut [Taken]) {
        self.clear(layer);
        let (features, units) = (&self.forward.hidden.features[..], &self.units[..]);
        let x = if index == BLOCKS { features } else { units };
        let relevance = &self.relevance[..outputs];
        let mut taken = Taken { rest: sum(relevance), ..Taken::default() };
        unsafe { layer.share_dense::<S>(x, relevance, &mut self.shares, &mut taken) };
        self.combine(layer, index);
        taken.rest -= sum(&self.relevance[..layer.inputs]) + taken.bias + taken.stabiliser;
        ledger[index] = taken;
    }

    #[inline(always)]
    unsafe fn convolution<S: Simd>(
        &mut self,
        layer: &Layer,
        block: &Block,
        index: usize,
        activation: Activation,
        ledger: &mut [Taken],
    ) {
        self.clear(layer);
        let image = &self.forward.planes[index][..];
        for (sign, part) in self.signed.iter_mut().enumerate().filter(|_| index == 0) {
            for (part, &x) in part.iter_mut().zip(image) {
                *part = if sign == 0 { x.max(0.0) } else { x.min(0.0) };
            }
        }
        let x = [image, &self.signed[0], &self.signed[1]];
        let output = block.output;
        let row = &mut self.row[..output.width * output.channels];
        let mut taken = Taken::default();
        for number in 0..output.height {
            let routed = (&self.relevance[..], &self.forward.winners[index][..]);
            unsafe { route_row::<S>(output, number, block.pooled, routed, row, &mut self.unused) };
            if matches!(activation, Activation::Deconvnet | Activation::Guided) {
                row.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            taken.rest += sum(row);
            unsafe { layer.share_row::<S>(block, x, number, row, &mut self.shares, &mut taken) };
        }
        self.combine(layer, index);
        if layer.parts[PARTS - 1] {
            clear_border(block.input, &mut self.relevance);
        }
        taken.rest -= sum(&self.relevance[..layer.inputs]) + taken.bias + taken.stabiliser;
        ledger[index] = taken;
    }

    fn clear(&mut self, layer: &Layer) {
        for (shares, _) in self.shares.iter_mut().zip(layer.parts).filter(|(_, used)| *used) {
            shares[..layer.inputs].fill(0.0);
        }
    }

    /// Relevance of the layer's input: the sum of shares over its parts, each times that part.
    #[inline(always)]
    fn combine(&mut self, layer: &Layer, index: usize) {
        let x = match index {
            0..BLOCKS => &self.forward.planes[index],
            BLOCKS => &self.forward.hidden.features,
            _ => &self.units,
        };
        let relevance = &mut self.relevance[..layer.inputs];
        if layer.parts[3] {
            relevance.copy_from_slice(&self.shares[3][..layer.inputs]);
        } else {
            relevance.fill(0.0);
        }
        for (part, x) in [x, &self.signed[0], &self.signed[1]].into_iter().enumerate() {
            if layer.parts[part] {
                for ((relevance, &x), &share) in relevance.iter_mut().zip(x).zip(&self.shares[part]) {
                    *relevance = x.mul_add(share, *relevance);
                }
            }
        }
    }

    /// Back through the ReLU of the hidden units.
    fn through_units(&mut self, activation: Activation) {
        for (relevance, &unit) in self.relevance.iter_mut().zip(&self.units) {
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
    }
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

/// The sum of values, interleaved so that it can be vectorised.
#[inline(always)]
fn sum(values: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().copied().map(f64::from).sum();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value);
        }
    }
    sums.iter().sum::<f64>() + rest
}
