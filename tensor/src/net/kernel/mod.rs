//! Training steps on the CPU by kernels written for this network.
//!
//! The network is so small that a general library spends most of a step outside of arithmetic. Here channels are
//! innermost and padded to vectors of sixteen, convolution, ReLU and pooling run row by row within the first cache, and
//! each image goes forward and back through buffers that are allocated once. Images of a batch are shared between
//! threads in contiguous parts whose gradients are added in order, so equal thread counts give equal bits.

mod conv;
mod dense;
mod layout;
mod pool;
mod sample;
mod simd;

use std::ops::Range;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use xdlreg::raster::RasterStack;
use xdlreg::spec::TrainSettings;

use self::layout::{Layout, turn_weights};
use self::sample::Workspace;
use self::simd::{Avx2, Avx512, Simd};
use super::architecture::is_trainable;
use super::engine::{Engine, trainable_values};
use super::loss::Objective;
use super::optimizer::{Moments, Update};
use super::weights::Weights;

/// The instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isa {
    Avx2,
    Avx512,
}

impl Isa {
    /// All that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            sets.push(Self::Avx512);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            sets.push(Self::Avx2);
        }
        sets
    }
}

/// The network, its optimiser's state and all samples.
#[derive(Debug)]
pub struct Kernels<'a> {
    images: &'a RasterStack,
    objective: &'a Objective,
    settings: &'a TrainSettings,
    layout: Layout,
    isa: Isa,
    weights: Weights,
    parameters: Vec<f32>,
    turned: Vec<f32>,
    moments: Moments,
    threads: ThreadPool,
    workspaces: Vec<Workspace>,
    outputs: Vec<f32>,
}

impl<'a> Kernels<'a> {
    /// The engine, or `None` where the processor or the architecture has no kernels.
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
        let layout = Layout::new(weights.architecture(), images.height())?;
        let threads = ThreadPoolBuilder::new().num_threads(threads).build().ok()?;
        Some(Self {
            images,
            objective,
            settings,
            isa,
            weights: weights.clone(),
            parameters: layout.pack(&trainable_values(weights)),
            turned: vec![0.0; layout.len],
            moments: Moments {
                steps: moments.steps,
                first: layout.pack(&moments.first),
                second: layout.pack(&moments.second),
            },
            workspaces: vec![Workspace::new(&layout); threads.current_num_threads()],
            threads,
            outputs: Vec::new(),
            layout,
        })
    }

    /// Runs `work` for every workspace with its contiguous share of `0..count`, and concatenates the results.
    fn share(&mut self, count: usize, work: impl Fn(&mut Workspace, Range<usize>) -> Vec<f32> + Sync) -> Vec<f32> {
        let parts = self.workspaces.len();
        let part = |index: usize| index * count / parts..(index + 1) * count / parts;
        if parts == 1 {
            return work(&mut self.workspaces[0], 0..count);
        }
        let workspaces = &mut self.workspaces;
        let results: Vec<Vec<f32>> = self
            .threads
            .install(|| workspaces.par_iter_mut().enumerate().map(|(index, space)| work(space, part(index))).collect());
        results.concat()
    }
}

impl Engine for Kernels<'_> {
    fn step(&mut self, batch: &[usize], mask: &[f32], learning_rate: f64) {
        for block in &self.layout.blocks[1..] {
            let place = block.weights..block.weights + block.weight_count();
            turn_weights(block, &self.parameters[place.clone()], &mut self.turned[place]);
        }
        let (layout, images, objective, isa) = (self.layout.clone(), self.images, self.objective, self.isa);
        let parameters = std::mem::take(&mut self.parameters);
        let turned = std::mem::take(&mut self.turned);
        let outputs = self.share(batch.len(), |space, part| {
            space.gradient.fill(0.0);
            let features = mask.len() / batch.len();
            let mut outputs = Vec::with_capacity(part.len() * layout.outputs);
            for index in part {
                let pass = Pass {
                    layout: &layout,
                    parameters: &parameters,
                    turned: &turned,
                    image: images.get(batch[index]).pixels,
                    mask: &mask[index * features..][..features],
                    objective,
                    sample: batch[index],
                    batch: batch.len(),
                };
                pass.run(isa, space);
                outputs.extend(&space.hidden.outputs);
            }
            outputs
        });
        self.outputs.extend(outputs);
        (self.parameters, self.turned) = (parameters, turned);
        let (first, others) = self.workspaces.split_first_mut().expect("at least one thread");
        for other in others {
            for (sum, &value) in first.gradient.iter_mut().zip(&other.gradient) {
                *sum += value;
            }
        }
        let update = Update::new(self.settings, learning_rate, self.moments.steps + 1);
        update_parameters(self.isa, update, &mut self.parameters, &mut self.moments, &first.gradient);
    }

    fn take_outputs(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.outputs)
    }

    fn evaluate(&mut self, samples: Range<usize>) -> Vec<f32> {
        let (layout, images, isa) = (self.layout.clone(), self.images, self.isa);
        let parameters = self.parameters.clone();
        self.share(samples.len(), |space, part| {
            let mut outputs = Vec::with_capacity(part.len() * layout.outputs);
            for index in part {
                predict(isa, space, &layout, &parameters, images.get(samples.start + index).pixels);
                outputs.extend(&space.hidden.outputs);
            }
            outputs
        })
    }

    fn weights(&self) -> Weights {
        let values = self.layout.unpack(&self.parameters);
        let mut start = 0;
        Weights::build(self.weights.architecture(), |name, shape| {
            debug_assert!(is_trainable(name), "without batch norm all parameters are trained");
            let count = shape.iter().product::<usize>();
            start += count;
            values[start - count..start].to_vec()
        })
    }

    fn moments(&self) -> Moments {
        Moments {
            steps: self.moments.steps,
            first: self.layout.unpack(&self.moments.first),
            second: self.layout.unpack(&self.moments.second),
        }
    }
}

/// One sample of a training step.
struct Pass<'a> {
    layout: &'a Layout,
    parameters: &'a [f32],
    turned: &'a [f32],
    image: &'a [f32],
    mask: &'a [f32],
    objective: &'a Objective,
    sample: usize,
    batch: usize,
}

impl Pass<'_> {
    fn run(&self, isa: Isa, space: &mut Workspace) {
        // SAFETY: an `Isa` is only taken from those that the processor has.
        unsafe {
            match isa {
                Isa::Avx512 => self.run_avx512(space),
                Isa::Avx2 => self.run_avx2(space),
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
    fn run_avx512(&self, space: &mut Workspace) {
        unsafe { self.run_with::<Avx512>(space) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, space: &mut Workspace) {
        unsafe { self.run_with::<Avx2>(space) }
    }

    #[inline(always)]
    unsafe fn run_with<S: Simd>(&self, space: &mut Workspace) {
        unsafe {
            space.forward::<S>(self.layout, self.parameters, self.image, Some(self.mask));
            let d_outputs = self.objective.gradient(&space.hidden.outputs, self.sample, self.batch);
            let d_outputs = &d_outputs[..self.layout.outputs];
            space.backward::<S>(self.layout, self.parameters, self.turned, d_outputs, self.mask);
        }
    }
}

/// Outputs for one image in evaluation mode.
fn predict(isa: Isa, space: &mut Workspace, layout: &Layout, parameters: &[f32], image: &[f32]) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
    fn avx512(space: &mut Workspace, layout: &Layout, parameters: &[f32], image: &[f32]) {
        unsafe { space.forward::<Avx512>(layout, parameters, image, None) }
    }
    #[target_feature(enable = "avx2,fma")]
    fn avx2(space: &mut Workspace, layout: &Layout, parameters: &[f32], image: &[f32]) {
        unsafe { space.forward::<Avx2>(layout, parameters, image, None) }
    }
    // SAFETY: an `Isa` is only taken from those that the processor has.
    unsafe {
        match isa {
            Isa::Avx512 => avx512(space, layout, parameters, image),
            Isa::Avx2 => avx2(space, layout, parameters, image),
        }
    }
}

/// One step of the optimiser, vectorised.
fn update_parameters(isa: Isa, update: Update, parameters: &mut [f32], moments: &mut Moments, gradient: &[f32]) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
    fn avx512(update: Update, parameters: &mut [f32], moments: &mut Moments, gradient: &[f32]) {
        update.apply(parameters, moments, gradient);
    }
    #[target_feature(enable = "avx2,fma")]
    fn avx2(update: Update, parameters: &mut [f32], moments: &mut Moments, gradient: &[f32]) {
        update.apply(parameters, moments, gradient);
    }
    // SAFETY: an `Isa` is only taken from those that the processor has.
    unsafe {
        match isa {
            Isa::Avx512 => avx512(update, parameters, moments, gradient),
            Isa::Avx2 => avx2(update, parameters, moments, gradient),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
