//! What carries out a composite on a batch of images.

use tch::{Device, Tensor, no_grad};
use xdlreg::explain::{Composite, Start};
use xdlreg::raster::SIDE;
use xdlreg::spec::Task;

use super::error::ExplainError;
#[cfg(target_arch = "x86_64")]
use super::kernel::Kernels;
use super::ledger::Taken;
use super::propagate::Propagator;
use crate::net::PumpkinNet;

/// Pixels of an image.
pub(super) const AREA: usize = SIDE * SIDE;

/// A network with a composite, ready to explain batch after batch: by kernels where there are some for this processor
/// and network, else by libtorch.
#[derive(Debug)]
pub(super) struct Engine {
    propagator: Propagator,
    #[cfg(target_arch = "x86_64")]
    kernels: Option<Kernels>,
    start: Start,
    task: Task,
    device: Device,
    layers: usize,
}

impl Engine {
    /// Prepares `net` for `composite`; `non_negative` promises that no image has a pixel below zero.
    ///
    /// # Errors
    /// [`ExplainError::NoRule`] for a layer that no entry of the composite selects.
    pub fn new(net: &PumpkinNet, composite: &Composite, non_negative: bool) -> Result<Self, ExplainError> {
        let mut engine = Self::by_libtorch(net, composite, non_negative)?;
        #[cfg(target_arch = "x86_64")]
        {
            let ruled: Vec<_> = engine.propagator.ruled().collect();
            engine.kernels = Kernels::new(net, &ruled, composite.activation);
        }
        Ok(engine)
    }

    /// As [`Self::new`], without kernels.
    pub fn by_libtorch(net: &PumpkinNet, composite: &Composite, non_negative: bool) -> Result<Self, ExplainError> {
        let propagator = no_grad(|| Propagator::new(net, composite, non_negative))?;
        let layers = propagator.ruled().count();
        Ok(Self {
            propagator,
            #[cfg(target_arch = "x86_64")]
            kernels: None,
            start: composite.start,
            task: net.architecture().task,
            device: net.device(),
            layers,
        })
    }

    /// Linear layers, from the input on: entries of an image's ledger.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Numbers the network puts out for an image.
    fn outputs(&self) -> usize {
        match self.task {
            Task::Regression => 1,
            Task::Classification => 2,
        }
    }

    /// What the network puts out for each of `images`: one or two numbers.
    pub fn output(&mut self, images: &[f32]) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernels) = &mut self.kernels {
            return images.chunks_exact(AREA).flat_map(|image| kernels.output(image).to_vec()).collect();
        }
        no_grad(|| floats(&self.propagator.forward(&self.tensor(images)).output))
    }

    /// Writes the relevance of every pixel into `maps`, and what layers keep into `ledger`. Relevance starts at the
    /// outputs `chosen`, else at the largest. Returns what the network puts out.
    pub fn propagate(
        &mut self,
        images: &[f32],
        chosen: Option<&[usize]>,
        maps: &mut [f32],
        ledger: &mut [Taken],
    ) -> Vec<f32> {
        let count = self.outputs();
        let start = self.start;
        let begin = |index: usize, output: &[f32]| {
            let chosen = chosen.map_or_else(|| largest(output), |chosen| chosen[index]);
            let mut relevance = [0.0; 2];
            relevance[chosen] = match start {
                Start::Prediction => output[chosen],
                Start::PositivePrediction => output[chosen].max(0.0),
                Start::One => 1.0,
            };
            relevance
        };
        #[cfg(target_arch = "x86_64")]
        if let Some(kernels) = &mut self.kernels {
            let mut outputs = Vec::with_capacity(images.len() / AREA * count);
            let targets = maps.chunks_exact_mut(AREA).zip(ledger.chunks_exact_mut(self.layers));
            for (index, (image, (map, ledger))) in images.chunks_exact(AREA).zip(targets).enumerate() {
                let output = kernels.output(image);
                let relevance = begin(index, output);
                outputs.extend_from_slice(output);
                kernels.propagate(&relevance[..count], map, ledger);
            }
            return outputs;
        }
        no_grad(|| {
            let trace = self.propagator.forward(&self.tensor(images));
            let outputs = floats(&trace.output);
            let started: Vec<f32> = outputs
                .chunks_exact(count)
                .enumerate()
                .flat_map(|(index, output)| begin(index, output).into_iter().take(count))
                .collect();
            let started = Tensor::from_slice(&started).view([-1, count as i64]).to_device(self.device);
            let (relevance, taken) = self.propagator.backward(trace, started);
            relevance.contiguous().copy_data(maps, maps.len());
            ledger.copy_from_slice(&taken);
            outputs
        })
    }

    fn tensor(&self, images: &[f32]) -> Tensor {
        let side = SIDE as i64;
        Tensor::from_slice(images).view([-1, 1, side, side]).to_device(self.device)
    }
}

/// The place of the largest number, of equal ones the first.
pub(super) fn largest(outputs: &[f32]) -> usize {
    outputs.iter().enumerate().fold(0, |best, (index, &output)| if output > outputs[best] { index } else { best })
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view(-1)).expect("f32 values")
}
