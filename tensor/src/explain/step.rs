//! The steps of a network with a composite's rules, each forwards and back.

use tch::Tensor;
use xdlreg_core::explain::{Activation, BiasPart, Rule, WeightPart};

use super::linear::{Linear, Part};
use super::memory::channels_last;
use super::pool::{Winners, max_pool};
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::Layer;
use crate::net::layer::Window;

pub(super) const OPEN: &str = "the residual blocks of a network are whole";

#[derive(Debug)]
pub(super) enum Step {
    Linear {
        forward: Part,
        bias: Option<Tensor>,
        rule: LayerRule,
        /// Its place among the linear layers.
        site: usize,
        /// Whether it takes what a branch made and what a shortcut made.
        is_sum: bool,
    },
    /// `shared`: the input is kept elsewhere and must not be overwritten.
    Relu {
        activation: Activation,
        shared: bool,
    },
    /// An activation that puts out something below zero, too; whether it passes on its gradient, or relevance as it is.
    Smooth {
        function: Smooth,
        gradient: bool,
    },
    /// Of residual blocks: see [`crate::net::Flow`].
    Branch,
    Shortcut,
    /// `rectify`: of the rectified input, where nothing happens to relevance in between.
    MaxPool {
        window: Window,
        rectify: bool,
    },
    Flatten,
}

/// The activations that know what is below zero.
#[derive(Debug, Clone, Copy)]
pub(super) enum Smooth {
    Leaky { slope: f64 },
    Elu { alpha: f64 },
}

impl Smooth {
    fn layer(self) -> Layer {
        match self {
            Self::Leaky { slope } => Layer::LeakyRelu { slope },
            Self::Elu { alpha } => Layer::Elu { alpha },
        }
    }

    /// The derivative where the activation puts out `output`.
    fn derivative(self, output: &Tensor) -> Tensor {
        match self {
            Self::Leaky { slope } => output.gt(0.0).to_kind(output.kind()) * (1.0 - slope) + slope,
            // alpha exp(x) = alpha (exp(x) - 1) + alpha.
            Self::Elu { alpha } => (output.clamp_max(0.0) + alpha).where_self(&output.le(0.0), &output.ones_like()),
        }
    }
}

/// What a step remembers of the forward pass.
pub(super) enum Memory {
    Linear {
        x: Tensor,
        z: Option<Tensor>,
    },
    /// Where the activation's input was positive, if that matters.
    Relu(Option<Tensor>),
    /// What the activation put out, if that matters.
    Smooth(Option<Tensor>),
    MaxPool(Winners),
    Flatten {
        shape: Vec<i64>,
    },
    Nothing,
}

/// Steps in the making.
#[derive(Default)]
pub(super) struct Prepared {
    pub steps: Vec<Step>,
    /// Rules that are meant for inputs between two bounds, by their places among the steps with a rule.
    pub bounded: Vec<(usize, [f64; 2])>,
    /// Steps with a rule so far.
    ruled: usize,
}

impl Prepared {
    /// Adds a linear layer, for inputs like `x`. Whether its output is kept.
    pub fn push_linear(
        &mut self,
        linear: &Linear,
        rule: &Rule,
        x: &Tensor,
        non_negative: bool,
        (site, layer): (usize, &Layer),
    ) -> bool {
        self.bounded.extend(rule.bounds().map(|bounds| (self.ruled, bounds)));
        self.ruled += 1;
        let rule = LayerRule::new(rule, linear, x, non_negative);
        let shared = rule.needs_output();
        let (forward, bias) = (linear.part(WeightPart::All), linear.bias(BiasPart::All));
        self.steps.push(Step::Linear { forward, bias, rule, site, is_sum: matches!(layer, Layer::Sum) });
        shared
    }

    /// Adds a layer without a rule. `shared` says whether its input is kept elsewhere, and then whether its output is.
    pub fn push(&mut self, layer: &Layer, activation: Activation, shared: &mut bool) {
        let gradient = activation != Activation::Pass;
        let step = match layer {
            Layer::Relu => Step::Relu { activation, shared: std::mem::take(shared) },
            // What deconvnet and guided backpropagation do is defined for ReLU alone.
            Layer::LeakyRelu { slope } => Step::Smooth { function: Smooth::Leaky { slope: *slope }, gradient },
            Layer::Elu { alpha } => Step::Smooth { function: Smooth::Elu { alpha: *alpha }, gradient },
            Layer::MaxPool(window) => {
                let rectify = matches!(self.steps.last(), Some(Step::Relu { activation: Activation::Pass, .. }));
                if rectify {
                    self.steps.pop();
                }
                Step::MaxPool { window: *window, rectify }
            }
            Layer::Flatten => Step::Flatten,
            Layer::Branch => Step::Branch,
            Layer::Shortcut => Step::Shortcut,
            _ => return,
        };
        *shared = match layer {
            Layer::Relu | Layer::MaxPool(_) => false,
            Layer::LeakyRelu { .. } | Layer::Elu { .. } => gradient,
            Layer::Branch | Layer::Shortcut => true,
            _ => *shared,
        };
        self.steps.push(step);
    }
}

/// Whether no value is below zero, on the way through a network.
pub(super) struct Signs {
    pub non_negative: bool,
    /// Of what waits in open residual blocks.
    pub waiting: Vec<bool>,
}

impl Signs {
    /// Of all inputs of `layer`, which is next.
    pub fn before(&self, layer: &Layer) -> bool {
        self.non_negative && (!matches!(layer, Layer::Sum) || self.waiting.last().is_some_and(|other| *other))
    }

    pub fn step(&mut self, layer: &Layer) {
        match layer {
            Layer::Relu => self.non_negative = true,
            Layer::BatchNorm { .. } | Layer::Conv { .. } | Layer::Dense { .. } => self.non_negative = false,
            Layer::LeakyRelu { .. } | Layer::Elu { .. } => {}
            Layer::Branch => self.waiting.push(self.non_negative),
            Layer::Shortcut => std::mem::swap(&mut self.non_negative, self.waiting.last_mut().expect(OPEN)),
            Layer::Sum => self.non_negative &= self.waiting.pop().expect(OPEN),
            Layer::MaxPool(_) | Layer::AvgPool(_) | Layer::GlobalAvgPool | Layer::Flatten | Layer::Dropout => {}
        }
    }
}

impl Step {
    pub fn forward(&self, mut x: Tensor) -> (Memory, Tensor) {
        match self {
            Self::Linear { forward, bias, rule, .. } => {
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
            Self::Smooth { function, gradient } => {
                let output = function.layer().forward(&x);
                (Memory::Smooth(gradient.then(|| output.shallow_clone())), output)
            }
            Self::Flatten => (Memory::Flatten { shape: x.size() }, x.flatten(1, -1)),
            Self::Branch | Self::Shortcut => unreachable!("what waits is not known here"),
        }
    }

    pub fn backward(&self, memory: Memory, relevance: Relevance) -> Relevance {
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
            (Self::Smooth { function, .. }, Memory::Smooth(Some(output))) => {
                Relevance::Dense(relevance.dense() * function.derivative(&output))
            }
            (Self::Smooth { .. }, _) => relevance,
            (Self::MaxPool { .. }, Memory::MaxPool(winners)) => {
                Relevance::Pooled { values: relevance.dense(), winners }
            }
            (Self::Flatten, Memory::Flatten { shape }) => {
                let relevance = relevance.dense().view(shape.as_slice());
                Relevance::Dense(if shape.len() == 4 { channels_last(&relevance) } else { relevance })
            }
            _ => unreachable!("every step reads its own memory"),
        }
    }
}
