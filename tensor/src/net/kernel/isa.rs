//! The instruction sets that kernels are compiled for, and the way into them.

use super::backward::Workspace;
use super::buffer::Buffer;
use super::forward::Inputs;
use super::layout::{Block, Layout};
use super::simd::{Avx2, Avx512, Simd};
use crate::net::loss::Objective;
use crate::net::optimizer::{Moments, Update};

/// An instruction set that this processor has: values come from [`Isa::available`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    Avx2,
    Avx512,
}

impl Isa {
    /// All that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("popcnt") {
            sets.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
            {
                sets.insert(0, Self::Avx512);
            }
        }
        sets
    }

    /// Whether the convolution of a block is faster when it takes only those values of its input that are not zero.
    pub fn skips_zeros(self, block: &Block) -> bool {
        // Nine sums for each of two vectors of filters need the registers of AVX-512.
        self == Self::Avx512 && block.input.channels > 1
    }

    /// Runs `work` compiled for this instruction set.
    pub fn run(self, work: &mut impl Work) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,popcnt")]
        fn avx512(work: &mut impl Work) {
            // SAFETY: this function has the features of `Avx512`.
            unsafe { work.run::<Avx512>() }
        }
        #[target_feature(enable = "avx2,fma,popcnt")]
        fn avx2(work: &mut impl Work) {
            // SAFETY: this function has the features of `Avx2`.
            unsafe { work.run::<Avx2>() }
        }
        // SAFETY: an `Isa` is only taken from those that the processor has.
        unsafe {
            match self {
                Self::Avx512 => avx512(work),
                Self::Avx2 => avx2(work),
            }
        }
    }
}

/// Something to compute with any instruction set.
pub trait Work {
    /// # Safety
    /// Needs the instructions of `S`. Implementations are marked `#[inline(always)]`, to be compiled with them.
    unsafe fn run<S: Simd>(&mut self);
}

/// Outputs for one image in evaluation mode, left in the workspace.
pub struct Predict<'a> {
    pub space: &'a mut Workspace,
    pub layout: &'a Layout,
    pub inputs: Inputs<'a>,
    pub image: &'a [f32],
}

impl Work for Predict<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&mut self) {
        // SAFETY: the caller has the instructions.
        unsafe { self.space.forward.run::<S>(self.layout, self.inputs, self.image, None) }
    }
}

/// One sample of a training step: its outputs are left in the workspace, its gradient is added there.
pub struct Learn<'a> {
    pub space: &'a mut Workspace,
    pub layout: &'a Layout,
    pub inputs: Inputs<'a>,
    pub turned: &'a [Buffer],
    pub image: &'a [f32],
    pub mask: &'a [f32],
    pub objective: &'a Objective,
    pub sample: usize,
    /// Samples of the step.
    pub batch: usize,
}

impl Work for Learn<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&mut self) {
        // SAFETY: the caller has the instructions.
        unsafe {
            self.space.forward.run::<S>(self.layout, self.inputs, self.image, Some(self.mask));
            let d_outputs = self.objective.gradient(&self.space.forward.hidden.outputs, self.sample, self.batch);
            let d_outputs = &d_outputs[..self.layout.outputs];
            self.space.backward::<S>(self.layout, self.inputs.parameters, self.turned, d_outputs, self.mask);
        }
    }
}

/// One step of the optimiser.
pub struct Optimise<'a> {
    pub update: Update,
    pub parameters: &'a mut [f32],
    pub moments: &'a mut Moments,
    pub gradient: &'a [f32],
}

impl Work for Optimise<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&mut self) {
        self.update.apply(self.parameters, self.moments, self.gradient);
    }
}
