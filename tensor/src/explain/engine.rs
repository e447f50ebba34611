//! What carries out a composite on a batch of images.

use tch::{Device, Tensor, no_grad};
use xdlreg_core::alive;
use xdlreg_core::explain::{Composite, Start};
use xdlreg_core::raster::ImageShape;

use super::error::ExplainError;
#[cfg(target_arch = "x86_64")]
use super::kernel::Kernels;
use super::ledger::Taken;
use super::propagate::{Propagator, batch_shape};
use super::reference::Root;
use crate::net::Network;

/// A network with a composite, ready to explain batch after batch: by kernels where there are some for this processor
/// and network, else by libtorch.
#[derive(Debug)]
pub(super) struct Engine {
    propagator: Propagator,
    #[cfg(target_arch = "x86_64")]
    kernels: Option<Kernels>,
    start: Start,
    root: Option<Root>,
    /// Of the images.
    shape: ImageShape,
    /// Numbers the network puts out for an image.
    outputs: usize,
    device: Device,
    layers: usize,
}

impl Engine {
    /// Prepares `net` for `composite`; `non_negative` promises that no image has a pixel below zero.
    ///
    /// # Errors
    /// [`ExplainError::NoRule`] for a layer that no entry of the composite selects.
    pub fn new(net: &Network, composite: &Composite, non_negative: bool) -> Result<Self, ExplainError> {
        let mut engine = Self::by_libtorch(net, composite, non_negative)?;
        #[cfg(target_arch = "x86_64")]
        if net.engine().is_auto() {
            let ruled: Vec<_> = engine.propagator.ruled().collect();
            engine.kernels = Kernels::new(net, &ruled, composite.activation);
        }
        Ok(engine)
    }

    /// As [`Self::new`], without kernels.
    pub fn by_libtorch(net: &Network, composite: &Composite, non_negative: bool) -> Result<Self, ExplainError> {
        let propagator = no_grad(|| Propagator::new(net, composite, non_negative))?;
        let layers = propagator.layers();
        Ok(Self {
            propagator,
            #[cfg(target_arch = "x86_64")]
            kernels: None,
            start: composite.start,
            root: None,
            shape: net.spec().input,
            outputs: net.spec().outputs(),
            device: net.device(),
            layers,
        })
    }

    /// Starts relevance against a reference.
    pub fn against(mut self, root: Option<Root>) -> Self {
        self.root = root;
        self
    }

    /// The root point that relevance starts against, where there is a reference.
    pub fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// For each image whether a layer with a bounded rule gets anything beyond its bounds; none where no rule is bounded.
    pub fn leaves_bounds(&self, images: &[f32]) -> Option<Vec<bool>> {
        let look = || no_grad(|| self.propagator.leaves_bounds(&self.tensor(images)));
        self.propagator.is_bounded().then(|| alive::during(look))?
    }

    /// What the network puts out for each of `images`: one or two numbers.
    pub fn output(&mut self, images: &[f32]) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernels) = &mut self.kernels {
            let output = |image| {
                alive::tick();
                kernels.output(image).to_vec()
            };
            return images.chunks_exact(self.shape.values()).flat_map(output).collect();
        }
        alive::during(|| no_grad(|| floats(&self.propagator.forward(&self.tensor(images)).output)))
    }

    /// Writes the relevance of every value of the images into `maps`, and what layers keep into `ledger`. Relevance starts at the
    /// outputs `chosen`, else at the largest. Returns what the network puts out.
    pub fn propagate(
        &mut self,
        images: &[f32],
        chosen: Option<&[usize]>,
        maps: &mut [f32],
        ledger: &mut [Taken],
    ) -> Vec<f32> {
        let (count, values) = (self.outputs, self.shape.values());
        let top = Top { start: self.start, root: self.root.as_ref(), chosen };
        #[cfg(target_arch = "x86_64")]
        if let Some(kernels) = &mut self.kernels {
            let mut outputs = Vec::with_capacity(images.len() / values * count);
            let targets = maps.chunks_exact_mut(values).zip(ledger.chunks_exact_mut(self.layers));
            for (index, (image, (map, ledger))) in images.chunks_exact(values).zip(targets).enumerate() {
                alive::tick();
                outputs.extend_from_slice(kernels.output(image));
                let (relevance, lost) = top.relevance(index, &outputs[index * count..], kernels.units());
                match top.root {
                    Some(_) => kernels.propagate_units(&relevance, map, ledger),
                    None => kernels.propagate(&relevance, map, ledger),
                }
                if let (Some(_), Some(output)) = (top.root, ledger.last_mut()) {
                    *output = Taken { rest: lost, ..Taken::default() };
                }
            }
            return outputs;
        }
        let propagated = || {
            let trace = self.propagator.forward(&self.tensor(images));
            let (outputs, units) = (floats(&trace.output), floats(trace.units()));
            let width = units.len() / (outputs.len() / count).max(1);
            let each = outputs.chunks_exact(count).zip(units.chunks_exact(width)).enumerate();
            let started: Vec<_> = each.map(|(index, (output, units))| top.relevance(index, output, units)).collect();
            let start: Vec<f32> = started.iter().flat_map(|(relevance, _)| relevance).copied().collect();
            let start = Tensor::from_slice(&start).view([started.len() as i64, -1]).to_device(self.device);
            let (relevance, taken) = self.propagator.backward(trace, start, top.root.is_some());
            relevance.contiguous().copy_data(maps, maps.len());
            ledger.copy_from_slice(&taken);
            if top.root.is_some() {
                for (ledger, (_, lost)) in ledger.chunks_exact_mut(self.layers).zip(&started) {
                    ledger[self.layers - 1] = Taken { rest: *lost, ..Taken::default() };
                }
            }
            outputs
        };
        alive::during(|| no_grad(propagated))
    }

    fn tensor(&self, images: &[f32]) -> Tensor {
        let count = images.len() / self.shape.values();
        Tensor::from_slice(images).view(batch_shape(self.shape, count as i64)).to_device(self.device)
    }
}

/// Where relevance starts.
struct Top<'a> {
    start: Start,
    root: Option<&'a Root>,
    chosen: Option<&'a [usize]>,
}

impl Top<'_> {
    /// Relevance of the outputs, or against a reference of the hidden units, and what of it is lost to rounding.
    fn relevance(&self, index: usize, output: &[f32], units: &[f32]) -> (Vec<f32>, f64) {
        if let Some(root) = self.root {
            return root.relevance(units, output[0]);
        }
        let chosen = self.chosen.map_or_else(|| largest(output), |chosen| chosen[index]);
        let mut relevance = vec![0.0; output.len()];
        relevance[chosen] = match self.start {
            Start::Prediction => output[chosen],
            Start::PositivePrediction => output[chosen].max(0.0),
            Start::One => 1.0,
        };
        (relevance, 0.0)
    }
}

/// The place of the largest number, of equal ones the first.
pub(super) fn largest(outputs: &[f32]) -> usize {
    outputs.iter().enumerate().fold(0, |best, (index, &output)| if output > outputs[best] { index } else { best })
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view(-1)).expect("f32 values")
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
