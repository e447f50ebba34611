//! Relevance through a whole network, from the prediction back to the pixels.

use tch::{Kind, Tensor};
use xdlreg::explain::{Activation, Composite, LayerSite, Start};
use xdlreg::raster::SIDE;
use xdlreg::spec::Task;

use super::error::ExplainError;
use super::linear::{Linear, Part};
use super::memory::channels_last;
use super::pool::{Winners, max_pool};
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::{Layer, PumpkinNet};
use xdlreg::explain::{BiasPart, WeightPart};

/// A network with a composite's rules, ready to explain batch after batch.
#[derive(Debug)]
pub struct Propagator {
    steps: Vec<Step>,
    start: Start,
    task: Task,
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

/// Maps of a batch and what the network puts out for it.
pub struct Propagated {
    /// `[n, rows, columns]`.
    pub relevance: Tensor,
    /// `[n, outputs]`.
    pub output: Tensor,
}

impl Propagator {
    /// Prepares `net` for `composite`; `non_negative` promises that no image has a pixel below zero.
    ///
    /// # Errors
    /// [`ExplainError::NoRule`] for a layer that no entry of the composite selects.
    pub fn new(net: &PumpkinNet, composite: &Composite, mut non_negative: bool) -> Result<Self, ExplainError> {
        let side = SIDE as i64;
        let mut x = Tensor::zeros([1, 1, side, side], (Kind::Float, net.device()));
        let weighted = |layer: &Layer| matches!(layer, Layer::Conv { .. } | Layer::Dense { .. });
        let first = net.layers.iter().position(|(_, layer)| weighted(layer));
        let last = net.layers.iter().rposition(|(_, layer)| weighted(layer));
        let mut steps: Vec<Step> = Vec::new();
        for (index, (name, layer)) in net.layers.iter().enumerate() {
            let step = match layer {
                Layer::Dropout => None,
                Layer::Flatten => Some(Step::Flatten),
                Layer::MaxPool => {
                    let rectify = matches!(steps.last(), Some(Step::Relu { activation: Activation::Pass, .. }));
                    if rectify {
                        steps.pop();
                    }
                    Some(Step::MaxPool { rectify })
                }
                Layer::Relu => {
                    let shared = matches!(steps.last(), Some(Step::Linear { rule, .. }) if rule.needs_output());
                    Some(Step::Relu { activation: composite.activation, shared })
                }
                Layer::BatchNorm { .. } | Layer::Conv { .. } | Layer::Dense { .. } => {
                    let linear = Linear::of(layer).expect("a linear layer");
                    let site =
                        LayerSite { name, kind: linear.kind, first: first == Some(index), last: last == Some(index) };
                    let rule = composite.rule(&site).ok_or_else(|| ExplainError::NoRule { layer: name.clone() })?;
                    let rule = LayerRule::new(rule, &linear, &x, non_negative);
                    Some(Step::Linear { forward: linear.part(WeightPart::All), bias: linear.bias(BiasPart::All), rule })
                }
            };
            non_negative = match layer {
                Layer::Relu => true,
                Layer::BatchNorm { .. } | Layer::Conv { .. } | Layer::Dense { .. } => false,
                Layer::MaxPool | Layer::Flatten | Layer::Dropout => non_negative,
            };
            steps.extend(step);
            x = layer.forward(&x);
        }
        Ok(Self { steps, start: composite.start, task: net.architecture().task })
    }

    /// Relevance of every pixel of `images` `[n, 1, rows, columns]`.
    pub fn propagate(&self, images: &Tensor) -> Propagated {
        self.propagate_chosen(images, None)
    }

    /// As [`Self::propagate`]; relevance starts at the outputs `chosen` `[n, 1]`, not at the largest.
    pub fn propagate_chosen(&self, images: &Tensor, chosen: Option<&Tensor>) -> Propagated {
        let (memories, output) = self.forward(images);
        let mut relevance = Relevance::Dense(self.start(&output, chosen));
        for (step, memory) in self.steps.iter().zip(memories).rev() {
            relevance = step.backward(memory, relevance);
        }
        Propagated { relevance: relevance.dense().squeeze_dim(1), output }
    }

    /// What the network puts out for `images`, `[n, outputs]`.
    pub fn output(&self, images: &Tensor) -> Tensor {
        self.forward(images).1
    }

    fn forward(&self, images: &Tensor) -> (Vec<Memory>, Tensor) {
        let mut memories = Vec::with_capacity(self.steps.len());
        let mut x = channels_last(images);
        for step in &self.steps {
            let (memory, output) = step.forward(x);
            memories.push(memory);
            x = output;
        }
        (memories, x)
    }

    /// Relevance of the output: of the age, or of the chosen logit.
    fn start(&self, output: &Tensor, chosen: Option<&Tensor>) -> Tensor {
        let relevance = match self.start {
            Start::Prediction => output.shallow_clone(),
            Start::PositivePrediction => output.relu(),
            Start::One => output.ones_like(),
        };
        match self.task {
            Task::Regression => relevance,
            Task::Classification => {
                let chosen = chosen.map_or_else(|| output.argmax(1, true), Tensor::shallow_clone);
                output.zeros_like().scatter(1, &chosen, &relevance.gather(1, &chosen, false))
            }
        }
    }
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
            Self::MaxPool { rectify } => {
                let (output, winners) = max_pool(&x, *rectify);
                (Memory::MaxPool(winners), output)
            }
            Self::Flatten => (Memory::Flatten { shape: x.size() }, x.flatten(1, -1)),
        }
    }

    fn backward(&self, memory: Memory, relevance: Relevance) -> Relevance {
        match (self, memory) {
            (Self::Linear { rule, .. }, Memory::Linear { x, z }) => {
                Relevance::Dense(rule.propagate(&x, z.as_ref(), &relevance))
            }
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
