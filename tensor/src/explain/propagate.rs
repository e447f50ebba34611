//! Relevance through a whole network, from the prediction back to the pixels.

use tch::{Kind, Tensor};
use xdlreg_core::explain::{Activation, BiasPart, Composite, LayerSite, WeightPart};
use xdlreg_core::raster::ImageShape;

use super::error::ExplainError;
use super::ledger::Taken;
use super::linear::{Linear, Part};
use super::memory::channels_last;
use super::pool::{Winners, max_pool};
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::layer::Window;
use crate::net::{Layer, Network};

/// By how much of their distance bounds may be passed: noise takes a few pixels of tissue a little beyond 1.
const TOLERANCE: f64 = 0.05;

/// A network with a composite's rules, ready to explain batch after batch.
#[derive(Debug)]
pub(super) struct Propagator {
    steps: Vec<Step>,
    /// The linear layers whose rule is meant for inputs between two bounds, by their places among the linear layers.
    bounded: Vec<(usize, [f64; 2])>,
}

#[derive(Debug)]
enum Step {
    Linear {
        forward: Part,
        bias: Option<Tensor>,
        rule: LayerRule,
    },
    /// `shared`: the input is kept elsewhere and must not be overwritten.
    Relu {
        activation: Activation,
        shared: bool,
    },
    /// `rectify`: of the rectified input, where nothing happens to relevance in between.
    MaxPool {
        window: Window,
        rectify: bool,
    },
    Flatten,
}

/// What a step remembers of the forward pass.
enum Memory {
    Linear {
        x: Tensor,
        z: Option<Tensor>,
    },
    /// Where the activation's input was positive, if that matters.
    Relu(Option<Tensor>),
    MaxPool(Winners),
    Flatten {
        shape: Vec<i64>,
    },
}

/// What a batch leaves behind on its way through the network.
pub(super) struct Trace {
    memories: Vec<Memory>,
    /// `[n, outputs]`.
    pub output: Tensor,
}

impl Trace {
    /// Activation of the hidden units `[n, units]`: the input of the last linear layer.
    pub fn units(&self) -> &Tensor {
        match self.memories.last() {
            Some(Memory::Linear { x, .. }) => x,
            _ => unreachable!("a network ends with a linear layer"),
        }
    }
}

impl Trace {
    /// The input of every linear layer, from the network's input on.
    fn into_inputs(self) -> Vec<Tensor> {
        let input = |memory| match memory {
            Memory::Linear { x, .. } => Some(x),
            Memory::Relu(_) | Memory::MaxPool(_) | Memory::Flatten { .. } => None,
        };
        self.memories.into_iter().filter_map(input).collect()
    }
}

impl Propagator {
    /// Prepares `net` for `composite`; `non_negative` promises that no image has a pixel below zero.
    ///
    /// # Errors
    /// [`ExplainError::NoRule`] for a layer that no entry of the composite selects.
    pub fn new(net: &Network, composite: &Composite, mut non_negative: bool) -> Result<Self, ExplainError> {
        let mut x = Tensor::zeros(batch_shape(net.spec().input, 1), (Kind::Float, net.device()));
        let sites = LayerSite::of(net.spec());
        let mut steps: Vec<Step> = Vec::new();
        let (mut bounded, mut linear_layers) = (Vec::new(), 0);
        for (name, layer) in &net.layers {
            let step = match layer {
                Layer::Dropout => None,
                Layer::Flatten => Some(Step::Flatten),
                Layer::MaxPool(window) => {
                    let rectify = matches!(steps.last(), Some(Step::Relu { activation: Activation::Pass, .. }));
                    if rectify {
                        steps.pop();
                    }
                    Some(Step::MaxPool { window: *window, rectify })
                }
                Layer::Relu => {
                    let shared = matches!(steps.last(), Some(Step::Linear { rule, .. }) if rule.needs_output());
                    Some(Step::Relu { activation: composite.activation, shared })
                }
                Layer::BatchNorm { .. } | Layer::Conv { .. } | Layer::Dense { .. } => {
                    let linear = Linear::of(layer).expect("a linear layer");
                    let rule = composite
                        .rule(&sites[linear_layers])
                        .ok_or_else(|| ExplainError::NoRule { layer: name.clone() })?;
                    bounded.extend(rule.bounds().map(|bounds| (linear_layers, bounds)));
                    linear_layers += 1;
                    let rule = LayerRule::new(rule, &linear, &x, non_negative);
                    Some(Step::Linear { forward: linear.part(WeightPart::All), bias: linear.bias(BiasPart::All), rule })
                }
            };
            non_negative = match layer {
                Layer::Relu => true,
                Layer::BatchNorm { .. } | Layer::Conv { .. } | Layer::Dense { .. } => false,
                Layer::MaxPool(_) | Layer::Flatten | Layer::Dropout => non_negative,
            };
            steps.extend(step);
            x = layer.forward(&x);
        }
        Ok(Self { steps, bounded })
    }

    /// Carries `images` `[n, channels, rows, columns]` through the network.
    pub fn forward(&self, images: &Tensor) -> Trace {
        let mut memories = Vec::with_capacity(self.steps.len());
        let mut x = channels_last(images);
        for step in &self.steps {
            let (memory, output) = step.forward(x);
            memories.push(memory);
            x = output;
        }
        Trace { memories, output: x }
    }

    /// Whether any layer has a rule that is meant for inputs between two bounds.
    pub fn is_bounded(&self) -> bool {
        !self.bounded.is_empty()
    }

    /// For each image whether a layer with a bounded rule gets anything beyond its bounds; none where no rule is bounded.
    pub fn leaves_bounds(&self, images: &Tensor) -> Option<Vec<bool>> {
        let (last, _) = self.bounded.last()?;
        // Bounds of pixels, the usual case, need no pass through the network.
        let inputs = if *last == 0 { vec![images.shallow_clone()] } else { self.forward(images).into_inputs() };
        let beyond = |(layer, [low, high]): &(usize, [f64; 2])| {
            let (input, room) = (&inputs[*layer], TOLERANCE * (high - low));
            let below = input.lt(low - room).flatten(1, -1).any_dim(1, false);
            below.logical_or(&input.gt(high + room).flatten(1, -1).any_dim(1, false))
        };
        let any = self.bounded.iter().map(beyond).reduce(|any, layer| any.logical_or(&layer))?;
        Some(Vec::try_from(any).expect("a truth value an image"))
    }

    /// Relevance of every value of the images `[n, channels, rows, columns]`, given that of the outputs `[n, outputs]`, or `of_units`: of the
    /// hidden units. The ledger has an entry an image and linear layer, from the input on.
    pub fn backward(&self, trace: Trace, relevance: Tensor, of_units: bool) -> (Tensor, Vec<Taken>) {
        let count = relevance.size()[0] as usize;
        let layers = self.ruled().count();
        let mut ledger = vec![Taken::default(); count * layers];
        let above = usize::from(of_units);
        let mut layer = layers - above;
        let mut relevance = Relevance::Dense(relevance);
        for (step, memory) in self.steps.iter().zip(trace.memories).rev().skip(above) {
            relevance = match (step, memory) {
                (Step::Linear { rule, .. }, Memory::Linear { x, z }) => {
                    layer -= 1;
                    let (relevance, taken) = rule.propagate(&x, z.as_ref(), &relevance);
                    for (image, taken) in taken.into_iter().enumerate() {
                        ledger[image * layers + layer] = taken;
                    }
                    Relevance::Dense(relevance)
                }
                (step, memory) => step.backward(memory, relevance),
            };
        }
        (relevance.dense(), ledger)
    }

    /// The linear layers from the input on: weights, bias and rule.
    pub fn ruled(&self) -> impl Iterator<Item = (&Part, Option<&Tensor>, &LayerRule)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Linear { forward, bias, rule } => Some((forward, bias.as_ref(), rule)),
            Step::Relu { .. } | Step::MaxPool { .. } | Step::Flatten => None,
        })
    }
}

/// The shape of a batch of images.
pub(super) fn batch_shape(image: ImageShape, count: i64) -> [i64; 4] {
    [count, image.channels as i64, image.height as i64, image.width as i64]
}

impl Step {
    fn forward(&self, mut x: Tensor) -> (Memory, Tensor) {
        match self {
            Self::Linear { forward, bias, rule } => {
                let output = forward.apply(&x, bias.as_ref());
                let z = rule.needs_output().then(|| output.shallow_clone());
                (Memory::Linear { x, z }, output)
            }
            Self::Relu { activation, shared } => {
                let output = if *shared { x.relu() } else { x.relu_() };
                let masked = matches!(activation, Activation::Gradient | Activation::Guided);
                (Memory::Relu(masked.then(|| output.gt(0.0))), output)
            }
            Self::MaxPool { window, rectify } => {
                let (output, winners) = max_pool(&x, window, *rectify);
                (Memory::MaxPool(winners), output)
            }
            Self::Flatten => (Memory::Flatten { shape: x.size() }, x.flatten(1, -1)),
        }
    }

    fn backward(&self, memory: Memory, relevance: Relevance) -> Relevance {
        match (self, memory) {
            (Self::Relu { activation: Activation::Pass, .. }, _) => relevance,
            (Self::Relu { activation, .. }, Memory::Relu(positive)) => {
                let mut relevance = relevance.dense();
                if *activation != Activation::Gradient {
                    relevance = relevance.relu();
                }
                Relevance::Dense(match positive {
                    Some(positive) => relevance * positive,
                    None => relevance,
                })
            }
            (Self::MaxPool { .. }, Memory::MaxPool(winners)) => {
                Relevance::Pooled { values: relevance.dense(), winners }
            }
            (Self::Flatten, Memory::Flatten { shape }) => {
                Relevance::Dense(channels_last(&relevance.dense().view(shape.as_slice())))
            }
            _ => unreachable!("every step reads its own memory"),
        }
    }
}
