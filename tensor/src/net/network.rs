//! A network of tensors, ready to predict: a chain of named layers.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tch::{Device, Kind, Tensor, no_grad};
use xdlreg_core::alive;
use xdlreg_core::net::{EngineChoice, LayerSpec, NetworkSpec, Placed, Shape};
use xdlreg_core::raster::RasterStack;
use xdlreg_core::task::Task;

use super::flow::Flow;
use super::layer::{Layer, Means, Window};
use super::weights::Weights;

/// Images that are predicted at once.
const BATCH: usize = 64;

/// A network ready to predict and to be explained.
#[derive(Debug)]
pub struct Network {
    /// Layers from input to output, with their names.
    pub layers: Vec<(String, Layer)>,
    spec: NetworkSpec,
    device: Device,
    engine: EngineChoice,
}

impl Network {
    /// A network of these weights on `device`.
    pub fn new(weights: &Weights, device: Device) -> Self {
        let tensors = |name: &str| {
            let parameter = weights.get(name);
            let shape: Vec<i64> = parameter.shape.iter().map(|&side| side as i64).collect();
            Tensor::from_slice(&parameter.values).view(shape.as_slice()).to_device(device)
        };
        Self::from_tensors(weights.network(), device, tensors)
    }

    /// A network of the tensors that `tensor` gives for the parameters' names.
    pub fn from_tensors(spec: &NetworkSpec, device: Device, tensor: impl Fn(&str) -> Tensor) -> Self {
        let layers = spec.placed().map(|placed| (placed.name.to_owned(), layer(&placed, device, &tensor))).collect();
        Self { layers, spec: spec.clone(), device, engine: EngineChoice::Auto }
    }

    /// The same network, computed by this engine.
    pub fn computed_by(self, engine: EngineChoice) -> Self {
        Self { engine, ..self }
    }

    /// The same network with the same tensors, for another thread.
    fn shallow_clone(&self) -> Self {
        let layers = self.layers.iter().map(|(name, layer)| (name.clone(), layer.shallow_clone())).collect();
        Self { layers, spec: self.spec.clone(), ..*self }
    }

    pub fn engine(&self) -> EngineChoice {
        self.engine
    }

    /// Its layers and their shapes, without the tensors.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    pub fn task(&self) -> Task {
        self.spec.task()
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The kind of its numbers.
    pub fn kind(&self) -> Kind {
        match self.layers.last() {
            Some((_, Layer::Dense { weight, .. })) => weight.kind(),
            _ => Kind::Float,
        }
    }

    /// Outputs for images `[n, channels, height, width]`: `[n]` targets, or `[n, 2]` logits of the lower and the upper class.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        let mut flow = Flow::new(images.shallow_clone());
        for (_, layer) in &self.layers {
            flow.step(layer, Layer::forward);
        }
        self.shape_output(flow.x)
    }

    /// The input of every layer, in the order of `layers`, and the network's output.
    pub fn forward_trace(&self, images: &Tensor) -> (Vec<Tensor>, Tensor) {
        let mut inputs = Vec::with_capacity(self.layers.len());
        let mut flow = Flow::new(images.shallow_clone());
        for (_, layer) in &self.layers {
            inputs.push(flow.x.shallow_clone());
            flow.step(layer, Layer::forward);
        }
        (inputs, self.shape_output(flow.x))
    }

    pub(super) fn shape_output(&self, output: Tensor) -> Tensor {
        match self.task() {
            Task::Regression => output.squeeze_dim(1),
            Task::Classification => output,
        }
    }

    /// Predictions for all images, `[count]`: targets, or the probability of the upper class.
    pub fn predict(&self, images: &RasterStack) -> Vec<f32> {
        let outputs = self.fast_outputs(images).unwrap_or_else(|| self.outputs(images));
        match self.task() {
            Task::Regression => outputs,
            Task::Classification => {
                outputs.chunks_exact(2).map(|logits| 1.0 / (1.0 + (logits[0] - logits[1]).exp())).collect()
            }
        }
    }

    /// Raw outputs for all images, one or two each, by libtorch.
    ///
    /// On a CPU each batch is computed by one thread, and as many batches at once as libtorch has threads: several threads
    /// would divide sums in other ways, so that the last bits of predictions depended on their number.
    fn outputs(&self, images: &RasterStack) -> Vec<f32> {
        let starts: Vec<usize> = (0..images.len()).step_by(BATCH).collect();
        let of_batch = |net: &Self, start: usize| {
            let batch = to_tensor(images, start..images.len().min(start + BATCH)).to_device(net.device);
            let output = alive::during(|| no_grad(|| net.forward(&batch)));
            Vec::<f32>::try_from(output.reshape(-1)).expect("f32 outputs")
        };
        if self.device.is_cuda() {
            return starts.into_iter().flat_map(|start| of_batch(self, start)).collect();
        }
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); starts.len()]));
        thread::scope(|scope| {
            for _ in 0..threads.min(starts.len()) {
                let (net, starts, next, done) = (self.shallow_clone(), &starts, &next, &done);
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    while let Some(&start) = starts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outputs = of_batch(&net, start);
                        done.lock().expect("no thread panics with the lock")[start / BATCH] = outputs;
                    }
                });
            }
        });
        done.into_inner().expect("no thread panics with the lock").concat()
    }

    /// The same by the kernels of training, where there are some for this processor and network.
    #[cfg(target_arch = "x86_64")]
    fn fast_outputs(&self, images: &RasterStack) -> Option<Vec<f32>> {
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        (self.device == Device::Cpu && self.engine.is_auto())
            .then(|| super::kernel::outputs(&self.weights(), images, threads))
            .flatten()
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
                Layer::BatchNorm { weight, bias, running_mean, running_var, .. } => {
                    insert("weight", weight);
                    insert("bias", bias);
                    insert("running_mean", running_mean);
                    insert("running_var", running_var);
                }
                Layer::Conv { weight, bias, .. } | Layer::Dense { weight, bias } => {
                    insert("weight", weight);
                    bias.iter().for_each(|bias| drop(insert("bias", bias)));
                }
                _ => {}
            }
        }
        let values = |name: &str| Vec::<f32>::try_from(tensors[name].detach().reshape(-1)).expect("f32 parameters");
        Weights::build(&self.spec, |name, _| values(name))
    }
}

/// Images `range` as a tensor `[n, channels, height, width]`.
pub fn to_tensor(images: &RasterStack, range: std::ops::Range<usize>) -> Tensor {
    let (shape, count) = (images.shape(), range.len() as i64);
    let pixels = &images.pixels()[range.start * shape.values()..range.end * shape.values()];
    Tensor::from_slice(pixels).view([count, shape.channels as i64, shape.height as i64, shape.width as i64])
}

/// A layer with the tensors that `tensor` gives for the names of its parameters.
fn layer(placed: &Placed, device: Device, tensor: impl Fn(&str) -> Tensor) -> Layer {
    let part = |part: &str| tensor(&format!("{}.{part}", placed.name));
    let means = |means: Means| Layer::AvgPool(means.map(|matrix| matrix.to_device(device).to_kind(Kind::Float)));
    match (placed.layer, placed.input) {
        (LayerSpec::Conv { kernel, stride, padding, bias, .. }, Shape::Image(image)) => Layer::Conv {
            weight: part("weight"),
            bias: bias.then(|| part("bias")),
            window: Window::new(image, kernel, stride, padding),
        },
        (LayerSpec::MaxPool { kernel, stride, padding }, Shape::Image(image)) => {
            Layer::MaxPool(Window::new(image, kernel, stride, padding))
        }
        (LayerSpec::AvgPool { kernel, stride, padding }, Shape::Image(image)) => {
            means(Means::moving(image, &Window::new(image, kernel, stride, padding), padding))
        }
        (LayerSpec::AdaptiveAvgPool { output }, Shape::Image(image)) => means(Means::adaptive(image, output)),
        (
            LayerSpec::Conv { .. }
            | LayerSpec::MaxPool { .. }
            | LayerSpec::AvgPool { .. }
            | LayerSpec::AdaptiveAvgPool { .. },
            Shape::Features(_),
        ) => unreachable!("the shapes of a network fit"),
        (LayerSpec::GlobalAvgPool, _) => Layer::GlobalAvgPool,
        (LayerSpec::Dense { bias, .. }, _) => Layer::Dense { weight: part("weight"), bias: bias.then(|| part("bias")) },
        (LayerSpec::BatchNorm { epsilon }, _) => Layer::BatchNorm {
            weight: part("weight"),
            bias: part("bias"),
            running_mean: part("running_mean"),
            running_var: part("running_var"),
            epsilon,
        },
        (LayerSpec::Relu, _) => Layer::Relu,
        (LayerSpec::LeakyRelu { slope }, _) => Layer::LeakyRelu { slope },
        (LayerSpec::Elu { alpha }, _) => Layer::Elu { alpha },
        (LayerSpec::Flatten, _) => Layer::Flatten,
        (LayerSpec::Dropout { .. }, _) => Layer::Dropout,
        (LayerSpec::Branch, _) => Layer::Branch,
        (LayerSpec::Shortcut, _) => Layer::Shortcut,
        (LayerSpec::Sum, _) => Layer::Sum,
    }
}

#[cfg(test)]
mod tests {
    use xdlreg_core::net::ModelSettings;
    use xdlreg_core::sim::SHAPE;

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
        let net = Network::new(&weights, Device::Cpu);
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

    /// A worker has as many threads as there are cores for it, and predictions must not tell how many those were.
    #[test]
    fn predictions_do_not_depend_on_the_number_of_threads() {
        let model = ModelSettings { batch_norm: true, ..ModelSettings::default() };
        let net = Network::new(&initial_weights(&model.network(SHAPE).expect("a network"), 50.0, 1), Device::Cpu);
        let few = floats(&fixture("keras_images.f32"));
        let many =
            RasterStack::new(98, 98, few.repeat(40).iter().enumerate().map(|(k, v)| v * (k % 7) as f32).collect());
        let before = tch::get_num_threads();
        let predicted = [1, 2, 3].map(|threads| {
            tch::set_num_threads(threads);
            net.predict(&many)
        });
        tch::set_num_threads(before);
        assert!(predicted[0].len() == 80 && predicted.iter().all(|other| *other == predicted[0]));
    }

    #[test]
    fn a_class_is_predicted_as_the_probability_of_the_upper_one() {
        for batch_norm in [false, true] {
            let model = ModelSettings { task: Task::Classification, batch_norm, ..ModelSettings::default() };
            let net = Network::new(&initial_weights(&model.network(SHAPE).expect("a network"), 0.0, 1), Device::Cpu);
            let images = RasterStack::new(98, 98, floats(&fixture("keras_images.f32")));
            let logits = net.forward(&to_tensor(&images, 0..2));
            let expected = Vec::<f32>::try_from(logits.softmax(1, Kind::Float).select(1, 1).contiguous()).expect("f32");
            for (ours, theirs) in net.predict(&images).iter().zip(&expected) {
                assert!((ours - theirs).abs() < 1e-5, "{ours} against {theirs}");
            }
        }
    }
}
