//! Training steps by libtorch's automatic differentiation, on any device and for every network.

use std::collections::HashMap;

use tch::{Device, Kind, Reduction, Tensor, no_grad};
use xdlreg_core::alive;
use xdlreg_core::net::TrainSettings;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::task::Task;

use super::engine::{Engine, trainable_values};
use super::flow::Flow;
use super::layer::Layer;
use super::loss::Objective;
use super::network::{Network, to_tensor};
use super::optimizer::{Moments, TensorState, Update};
use super::weights::{Weights, is_trainable};

/// Weight of a batch in batch norm's running statistics: 1 - 0.99, Keras' momentum.
const BATCH_NORM_UPDATE: f64 = 0.01;

/// Images that are evaluated at once.
const BATCH: usize = 64;

/// The network's tensors, its optimiser and all samples on one device.
#[derive(Debug)]
pub struct Autograd {
    settings: TrainSettings,
    task: Task,
    device: Device,
    images: Tensor,
    targets: Tensor,
    net: Network,
    state: TensorState,
    /// Views of the trainable part of `state`, in its order, that record gradients.
    leaves: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

impl Autograd {
    pub fn new(
        images: &RasterStack,
        objective: &Objective,
        settings: &TrainSettings,
        weights: &Weights,
        moments: &Moments,
        device: Device,
    ) -> Self {
        let state = TensorState::new(&trainable_values(weights), moments, device);
        let tensors = views(weights, &state.weights, device);
        let leaves = tensors.iter().filter(|(name, _)| is_trainable(name)).map(|(_, t)| t.shallow_clone()).collect();
        let by_name: HashMap<&str, &Tensor> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let net = Network::from_tensors(weights.network(), device, |name| by_name[name].shallow_clone());
        let targets = Tensor::from_slice(objective.targets()).to_device(device);
        let targets = match objective.task() {
            Task::Regression => targets,
            Task::Classification => targets.to_kind(Kind::Int64),
        };
        Self {
            settings: settings.clone(),
            task: objective.task(),
            device,
            images: to_tensor(images, 0..images.len()).to_device(device),
            targets,
            net,
            state,
            leaves,
            outputs: Vec::new(),
        }
    }

    fn indices(&self, samples: &[usize]) -> Tensor {
        let indices: Vec<i64> = samples.iter().map(|&sample| sample as i64).collect();
        Tensor::from_slice(&indices).to_device(self.device)
    }

    fn loss(&self, output: &Tensor, targets: &Tensor) -> Tensor {
        match self.task {
            Task::Regression => output.mse_loss(targets, Reduction::Mean),
            Task::Classification => output.cross_entropy_for_logits(targets),
        }
    }
}

impl Engine for Autograd {
    fn step(&mut self, batch: &[usize], mask: &[f32], learning_rate: f64) {
        let indices = self.indices(batch);
        let mask = Tensor::from_slice(mask)
            .view([batch.len() as i64, (mask.len() / batch.len()) as i64])
            .to_device(self.device);
        let images = self.images.index_select(0, &indices);
        let output = alive::during(|| forward_training(&self.net, &images, &mask));
        let loss = self.loss(&output, &self.targets.index_select(0, &indices));
        let gradients = alive::during(|| Tensor::run_backward(&[loss], &self.leaves, false, false));
        self.outputs.push(output.detach());
        no_grad(|| {
            let update = Update::new(&self.settings, learning_rate, self.state.steps + 1);
            self.state.apply(update, &gradients);
        });
    }

    fn take_outputs(&mut self) -> Vec<f32> {
        let outputs: Vec<Tensor> = self.outputs.drain(..).map(|output| output.reshape(-1)).collect();
        values(&Tensor::cat(&outputs, 0))
    }

    fn evaluate(&mut self, samples: &[usize]) -> Vec<f32> {
        let mut outputs = Vec::new();
        for batch in samples.chunks(BATCH) {
            let batch = self.images.index_select(0, &self.indices(batch));
            outputs.extend(alive::during(|| values(&no_grad(|| self.net.forward(&batch)))));
        }
        outputs
    }

    fn weights(&self) -> Weights {
        self.net.weights()
    }

    fn moments(&self) -> Moments {
        self.state.moments()
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::<f32>::try_from(tensor.detach().reshape(-1)).expect("f32 values")
}

/// A tensor for every parameter: trainable ones are views of `flat` that record gradients, so that one update of
/// `flat` moves them all.
fn views(weights: &Weights, flat: &Tensor, device: Device) -> Vec<(String, Tensor)> {
    let mut start = 0;
    let view = |parameter: &super::weights::Parameter| {
        let shape: Vec<i64> = parameter.shape.iter().map(|&side| side as i64).collect();
        let tensor = if is_trainable(&parameter.name) {
            let length = parameter.values.len() as i64;
            let part = flat.narrow(0, start, length).view(shape.as_slice()).detach().set_requires_grad(true);
            start += length;
            part
        } else {
            Tensor::from_slice(&parameter.values).to_device(device)
        };
        (parameter.name.clone(), tensor)
    };
    weights.parameters().iter().map(view).collect()
}

/// Outputs in training mode: batch norm normalises by the batch and updates its running statistics, each dropout multiplies by its
/// part of `mask` `[n, values]`.
fn forward_training(net: &Network, images: &Tensor, mask: &Tensor) -> Tensor {
    let (mut flow, mut dropped) = (Flow::new(images.shallow_clone()), 0);
    for (_, layer) in &net.layers {
        flow.step(layer, |layer, x| match layer {
            Layer::BatchNorm { weight, bias, running_mean, running_var, epsilon } => {
                let (weight, bias, mean, var) = (Some(weight), Some(bias), Some(running_mean), Some(running_var));
                x.batch_norm(weight, bias, mean, var, true, BATCH_NORM_UPDATE, *epsilon, false)
            }
            Layer::Dropout => {
                let shape = x.size();
                let values = shape[1..].iter().product();
                let own = mask.narrow(1, dropped, values).reshape(shape.as_slice());
                dropped += values;
                x * own
            }
            other => other.forward(x),
        });
    }
    net.shape_output(flow.x)
}

#[cfg(test)]
mod tests {
    use xdlreg_core::net::ModelSettings;
    use xdlreg_core::sim::{SHAPE, SIDE};

    use super::*;
    use crate::net::init::initial_weights;

    /// Keras moves running statistics by a hundredth of the way to those of each batch (momentum 0.99).
    #[test]
    fn running_statistics_move_by_a_hundredth_a_step() {
        const COUNT: usize = 4;
        let pixels: Vec<f32> = (0..COUNT * SIDE * SIDE).map(|k| ((k * 7919) % 1009) as f32 / 1009.0 + 0.5).collect();
        let mean = pixels.iter().copied().map(f64::from).sum::<f64>() / pixels.len() as f64;
        let variance = pixels.iter().map(|&pixel| (f64::from(pixel) - mean).powi(2)).sum::<f64>() / pixels.len() as f64;
        let images = RasterStack::new(SIDE, SIDE, pixels);
        let model = ModelSettings {
            batch_norm: true,
            conv_filters: [4, 4, 6, 8, 5],
            dense_units: 8,
            ..ModelSettings::default()
        };
        let weights = initial_weights(&model.network(SHAPE).expect("a network"), 50.0, 3);
        let moments = Moments::zeros(trainable_values(&weights).len());
        let (settings, objective) =
            (TrainSettings::default(), Objective::new(Task::Regression, &[20.0, 40.0, 60.0, 80.0]));
        let mut engine = Autograd::new(&images, &objective, &settings, &weights, &moments, Device::Cpu);
        let mask = vec![1.0; COUNT * weights.network().dropouts()[0].1];
        // The first batch norm sees the images themselves, whatever the network learns.
        let (mut expected_mean, mut expected_variance) = (0.0, 1.0);
        for step in 1..=3 {
            engine.step(&[0, 1, 2, 3], &mask, 1e-4);
            expected_mean += 0.01 * (mean - expected_mean);
            expected_variance += 0.01 * (variance - expected_variance);
            let now = engine.weights();
            let [found_mean, found_variance] =
                ["running_mean", "running_var"].map(|part| f64::from(now.get(&format!("bn1.{part}")).values[0]));
            assert!((found_mean - expected_mean).abs() < 1e-5, "mean {found_mean} after {step} steps");
            assert!((found_variance - expected_variance).abs() < 1e-5, "variance {found_variance} after {step} steps");
        }
        // What is evaluated is normalised by these, and not by what is evaluated beside.
        let alone = engine.evaluate(&[1]);
        assert!((engine.evaluate(&[0, 1, 2, 3])[1] - alone[0]).abs() < 1e-4 * (1.0 + alone[0].abs()));
    }
}
