//! PumpkinNet: a chain of named layers.

use std::collections::HashMap;

use tch::{Device, Tensor, no_grad};
use xdlreg_core::alive;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::task::Task;

use super::architecture::{Architecture, BLOCKS};
use super::layer::Layer;
use super::weights::Weights;

/// Images that are predicted at once.
const BATCH: usize = 64;

/// A network ready to predict and to be explained.
#[derive(Debug)]
pub struct PumpkinNet {
    /// Layers from input to output, named `bn1`, `conv1`, `relu1`, `pool1`, ..., `bn6`, `flatten`, `dropout`, `dense`,
    /// `relu6`, `output`; `bn*` only with batch norm.
    pub layers: Vec<(String, Layer)>,
    architecture: Architecture,
    device: Device,
}

impl PumpkinNet {
    /// A network of these weights on `device`.
    pub fn new(weights: &Weights, device: Device) -> Self {
        let tensors = |name: &str| {
            let parameter = weights.get(name);
            let shape: Vec<i64> = parameter.shape.iter().map(|&side| side as i64).collect();
            Tensor::from_slice(&parameter.values).view(shape.as_slice()).to_device(device)
        };
        Self::from_tensors(weights.architecture(), device, tensors)
    }

    /// A network of the tensors that `tensor` gives for the parameters' names.
    pub fn from_tensors(architecture: Architecture, device: Device, tensor: impl Fn(&str) -> Tensor) -> Self {
        Self { layers: chain(architecture, tensor), architecture, device }
    }

    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Outputs for images `[n, 1, 98, 98]`: `[n]` ages in years, or `[n, 2]` logits of "young" and "old".
    pub fn forward(&self, images: &Tensor) -> Tensor {
        let mut x = images.shallow_clone();
        for (_, layer) in &self.layers {
            x = layer.forward(&x);
        }
        self.shape_output(x)
    }

    /// The input of every layer, in the order of `layers`, and the network's output.
    pub fn forward_trace(&self, images: &Tensor) -> (Vec<Tensor>, Tensor) {
        let mut inputs = Vec::with_capacity(self.layers.len());
        let mut x = images.shallow_clone();
        for (_, layer) in &self.layers {
            let output = layer.forward(&x);
            inputs.push(std::mem::replace(&mut x, output));
        }
        (inputs, self.shape_output(x))
    }

    pub(super) fn shape_output(&self, output: Tensor) -> Tensor {
        match self.architecture.task {
            Task::Regression => output.squeeze_dim(1),
            Task::Classification => output,
        }
    }

    /// Predictions for all images, `[count]`: ages in years, or the probability of "old".
    pub fn predict(&self, images: &RasterStack) -> Vec<f32> {
        let outputs = self.fast_outputs(images).unwrap_or_else(|| self.outputs(images));
        match self.architecture.task {
            Task::Regression => outputs,
            Task::Classification => {
                outputs.chunks_exact(2).map(|logits| 1.0 / (1.0 + (logits[0] - logits[1]).exp())).collect()
            }
        }
    }

    /// Raw outputs for all images, one or two each, by libtorch.
    fn outputs(&self, images: &RasterStack) -> Vec<f32> {
        let mut outputs = Vec::with_capacity(images.len());
        for start in (0..images.len()).step_by(BATCH) {
            let end = images.len().min(start + BATCH);
            let batch = to_tensor(images, start..end).to_device(self.device);
            let output = alive::during(|| no_grad(|| self.forward(&batch)));
            outputs.extend(Vec::<f32>::try_from(output.reshape(-1)).expect("f32 outputs"));
        }
        outputs
    }

    /// The same by the kernels of training, where there are some for this processor and network.
    #[cfg(target_arch = "x86_64")]
    fn fast_outputs(&self, images: &RasterStack) -> Option<Vec<f32>> {
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        (self.device == Device::Cpu).then(|| super::kernel::outputs(&self.weights(), images, threads)).flatten()
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fast_outputs(&self, _: &RasterStack) -> Option<Vec<f32>> {
        None
    }

    /// The parameters of all layers.
    pub fn weights(&self) -> Weights {
        let mut tensors = HashMap::new();
        for (name, layer) in &self.layers {
            let mut insert =
                |part: &str, tensor: &Tensor| tensors.insert(format!("{name}.{part}"), tensor.shallow_clone());
            match layer {
                Layer::BatchNorm { weight, bias, running_mean, running_var } => {
                    insert("weight", weight);
                    insert("bias", bias);
                    insert("running_mean", running_mean);
                    insert("running_var", running_var);
                }
                Layer::Conv { weight, bias } => {
                    insert("weight", weight);
                    insert("bias", bias);
                }
                Layer::Dense { weight, bias } => {
                    insert("weight", weight);
                    bias.iter().for_each(|bias| drop(insert("bias", bias)));
                }
                Layer::Relu | Layer::MaxPool | Layer::Flatten | Layer::Dropout => {}
            }
        }
        let values = |name: &str| Vec::<f32>::try_from(tensors[name].detach().reshape(-1)).expect("f32 parameters");
        Weights::build(self.architecture, |name, _| values(name))
    }
}

/// Planes `range` as a tensor `[n, 1, height, width]`.
pub fn to_tensor(images: &RasterStack, range: std::ops::Range<usize>) -> Tensor {
    let (height, width) = (images.height(), images.width());
    let pixels = &images.pixels()[range.start * height * width..range.end * height * width];
    Tensor::from_slice(pixels).view([range.len() as i64, 1, height as i64, width as i64])
}

/// The layers of `architecture` with the tensors that `tensor` gives for their names.
fn chain(architecture: Architecture, tensor: impl Fn(&str) -> Tensor) -> Vec<(String, Layer)> {
    let mut layers: Vec<(String, Layer)> = Vec::new();
    let batch_norm = |number: usize| {
        let name = format!("bn{number}");
        let part = |part: &str| tensor(&format!("{name}.{part}"));
        let layer = Layer::BatchNorm {
            weight: part("weight"),
            bias: part("bias"),
            running_mean: part("running_mean"),
            running_var: part("running_var"),
        };
        (name, layer)
    };
    for number in 1..=BLOCKS {
        if architecture.batch_norm {
            layers.push(batch_norm(number));
        }
        let name = format!("conv{number}");
        let conv = Layer::Conv { weight: tensor(&format!("{name}.weight")), bias: tensor(&format!("{name}.bias")) };
        layers.push((name, conv));
        layers.push((format!("relu{number}"), Layer::Relu));
        layers.push((format!("pool{number}"), Layer::MaxPool));
    }
    if architecture.batch_norm {
        layers.push(batch_norm(BLOCKS + 1));
    }
    layers.push(("flatten".into(), Layer::Flatten));
    layers.push(("dropout".into(), Layer::Dropout));
    let dense = Layer::Dense { weight: tensor("dense.weight"), bias: Some(tensor("dense.bias")) };
    layers.push(("dense".into(), dense));
    layers.push((format!("relu{}", BLOCKS + 1), Layer::Relu));
    let bias = (architecture.task == Task::Regression).then(|| tensor("output.bias"));
    layers.push(("output".into(), Layer::Dense { weight: tensor("output.weight"), bias }));
    layers
}

#[cfg(test)]
mod tests {
    use tch::Kind;
    use xdlreg_core::net::ModelSettings;

    use super::*;
    use crate::net::init::initial_weights;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn floats(bytes: &[u8]) -> Vec<f32> {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
    }

    #[test]
    fn predicts_like_keras() {
        let weights = Weights::from_bytes(&fixture("keras_pumpkin_net.safetensors")).expect("weights of Keras");
        let images = RasterStack::new(98, 98, floats(&fixture("keras_images.f32")));
        let expected = floats(&fixture("keras_predictions.f32"));
        let net = PumpkinNet::new(&weights, Device::Cpu);
        let predictions = net.predict(&images);
        assert_eq!(predictions.len(), expected.len());
        for (ours, theirs) in predictions.iter().zip(&expected) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} against {theirs}");
        }
        let (inputs, output) = net.forward_trace(&to_tensor(&images, 0..2));
        assert_eq!(inputs.len(), net.layers.len());
        assert_eq!(inputs[0].size(), [2, 1, 98, 98]);
        for (traced, expected) in Vec::<f32>::try_from(output).expect("f32 outputs").iter().zip(&expected) {
            assert!((traced - expected).abs() < 1e-4, "{traced} against {expected}");
        }
        for (ours, theirs) in net.outputs(&images).iter().zip(&expected) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} against {theirs}");
        }
        assert_eq!(net.weights(), weights);
    }

    #[test]
    fn a_class_is_predicted_as_the_probability_of_old() {
        for batch_norm in [false, true] {
            let model = ModelSettings { task: Task::Classification, batch_norm, ..ModelSettings::default() };
            let net = PumpkinNet::new(&initial_weights(Architecture::of(&model), 0.0, 1), Device::Cpu);
            let images = RasterStack::new(98, 98, floats(&fixture("keras_images.f32")));
            let logits = net.forward(&to_tensor(&images, 0..2));
            let expected = Vec::<f32>::try_from(logits.softmax(1, Kind::Float).select(1, 1).contiguous()).expect("f32");
            for (ours, theirs) in net.predict(&images).iter().zip(&expected) {
                assert!((ours - theirs).abs() < 1e-5, "{ours} against {theirs}");
            }
        }
    }
}
