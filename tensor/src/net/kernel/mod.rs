//! Training steps on the CPU by kernels written for this network.
//!
//! The network is so small that a general library spends most of a step outside of arithmetic. Here channels are
//! innermost and padded to vectors of sixteen, convolution, ReLU and pooling run row by row within the first cache, and
//! each image goes forward and back through buffers that are allocated once. Images of a batch are shared between
//! threads in contiguous parts whose gradients are added in order, so equal thread counts give equal bits.

mod backward;
pub mod buffer;
pub mod conv;
mod dense;
pub mod forward;
pub mod isa;
pub mod layout;
pub mod order;
pub mod pool;
pub mod scatter;
pub mod simd;
mod team;
mod winners;

use xdlreg_core::alive;
use xdlreg_core::net::{NetworkSpec, TrainSettings};
use xdlreg_core::raster::RasterStack;

use self::forward::Inputs;
use self::isa::{Isa, Learn, Optimise};
use self::layout::Layout;
use self::order::{Orders, by_lanes};
use self::team::Team;
use super::engine::{Engine, trainable_values};
use super::loss::Objective;
use super::optimizer::{Moments, Update};
use super::weights::Weights;

/// Raw outputs of the network of `weights` for all images in evaluation mode, or `None` where the processor or the
/// network has no kernels.
pub fn outputs(weights: &Weights, images: &RasterStack, threads: usize) -> Option<Vec<f32>> {
    let layout = Layout::new(weights.network())?;
    let parameters = layout.pack(&trainable_values(weights));
    let isa = *Isa::available().first()?;
    let mut orders = Orders::new(isa, &layout);
    orders.arrange_forward(&layout, &parameters);
    let inputs = Inputs { parameters: &parameters, by_channel: &orders.by_channel, flat_wins: false };
    let all: Vec<usize> = (0..images.len()).collect();
    Some(Team::new(isa, layout, threads)?.outputs(inputs, images, &all))
}

/// The network, its optimiser's state and all samples.
#[derive(Debug)]
pub struct Kernels<'a> {
    images: &'a RasterStack,
    objective: &'a Objective,
    settings: &'a TrainSettings,
    network: NetworkSpec,
    team: Team,
    parameters: Vec<f32>,
    orders: Orders,
    /// The gradient of a step, laid out as the parameters.
    gradient: Vec<f32>,
    moments: Moments,
    outputs: Vec<f32>,
}

impl<'a> Kernels<'a> {
    /// The engine, or `None` where the processor or the network has no kernels.
    pub fn new(
        images: &'a RasterStack,
        objective: &'a Objective,
        settings: &'a TrainSettings,
        start: (&Weights, &Moments),
        threads: usize,
    ) -> Option<Self> {
        Self::with_isa(*Isa::available().first()?, images, objective, settings, start, threads)
    }

    fn with_isa(
        isa: Isa,
        images: &'a RasterStack,
        objective: &'a Objective,
        settings: &'a TrainSettings,
        (weights, moments): (&Weights, &Moments),
        threads: usize,
    ) -> Option<Self> {
        let layout = Layout::new(weights.network())?;
        Some(Self {
            images,
            objective,
            settings,
            network: weights.network().clone(),
            parameters: layout.pack(&trainable_values(weights)),
            orders: Orders::new(isa, &layout),
            gradient: vec![0.0; layout.len],
            moments: Moments {
                steps: moments.steps,
                first: layout.pack(&moments.first),
                second: layout.pack(&moments.second),
            },
            outputs: Vec::new(),
            team: Team::new(isa, layout, threads)?,
        })
    }
}

impl Engine for Kernels<'_> {
    fn step(&mut self, batch: &[usize], mask: &[f32], learning_rate: f64) {
        self.orders.arrange(&self.team.layout, &self.parameters);
        let (isa, images, objective) = (self.team.isa, self.images, self.objective);
        let inputs = Inputs { parameters: &self.parameters, by_channel: &self.orders.by_channel, flat_wins: false };
        let (turned, features) = (&self.orders.turned, mask.len() / batch.len());
        let outputs = self.team.share(batch.len(), |space, layout, part| {
            space.gradient.fill(0.0);
            let mut outputs = Vec::with_capacity(part.len() * layout.outputs);
            for index in part {
                alive::tick();
                let (sample, batch) = (batch[index], batch.len());
                let (image, mask) = (images.get(sample).pixels, &mask[index * features..][..features]);
                isa.run(&mut Learn { space, layout, inputs, turned, image, mask, objective, sample, batch });
                outputs.extend(&space.forward.hidden.outputs);
            }
            outputs
        });
        self.outputs.extend(outputs);
        let (first, others) = self.team.workspaces.split_first_mut().expect("at least one thread");
        for other in others {
            for (sum, &value) in first.gradient.iter_mut().zip(&other.gradient) {
                *sum += value;
            }
        }
        self.gradient.copy_from_slice(&first.gradient);
        for block in &self.team.layout.blocks[1..] {
            let weights = block.weights..block.weights + block.weight_count();
            by_lanes(block, &first.gradient[weights.clone()], &mut self.gradient[weights]);
        }
        let update = Update::new(self.settings, learning_rate, self.moments.steps + 1);
        let (parameters, moments) = (&mut self.parameters, &mut self.moments);
        isa.run(&mut Optimise { update, parameters, moments, gradient: &self.gradient });
    }

    fn take_outputs(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.outputs)
    }

    fn evaluate(&mut self, samples: &[usize]) -> Vec<f32> {
        self.orders.arrange_forward(&self.team.layout, &self.parameters);
        let inputs = Inputs { parameters: &self.parameters, by_channel: &self.orders.by_channel, flat_wins: false };
        self.team.outputs(inputs, self.images, samples)
    }

    fn weights(&self) -> Weights {
        // Without batch norm, which has no kernels, every parameter is trainable.
        let values = self.team.layout.unpack(&self.parameters);
        let mut rest = &values[..];
        Weights::build(&self.network, |_, shape| {
            let (own, others) = rest.split_at(shape.iter().product());
            rest = others;
            own.to_vec()
        })
    }

    fn moments(&self) -> Moments {
        let layout = &self.team.layout;
        Moments {
            steps: self.moments.steps,
            first: layout.unpack(&self.moments.first),
            second: layout.unpack(&self.moments.second),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod training_tests;
