//! Relevance through a whole network, from the prediction back to the pixels.

use tch::Tensor;
use xdlreg_core::explain::{Composite, LayerSite};
use xdlreg_core::raster::ImageShape;

use super::error::ExplainError;
use super::ledger::Taken;
use super::linear::{Linear, Part};
use super::memory::channels_last;
use super::relevance::Relevance;
use super::rule::LayerRule;
use super::step::{Memory, OPEN, Prepared, Signs, Step};
use crate::net::{Flow, Layer, Network};

/// By how much of their distance bounds may be passed: noise takes a few pixels of tissue a little beyond 1.
const TOLERANCE: f64 = 0.05;

/// A network with a composite's rules, ready to explain batch after batch.
#[derive(Debug)]
pub(super) struct Propagator {
    steps: Vec<Step>,
    /// The layers with a rule of their own whose rule is meant for inputs between two bounds, by their places among those.
    bounded: Vec<(usize, [f64; 2])>,
    /// Linear layers, also those that were merged into another.
    layers: usize,
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
            _ => None,
        };
        self.memories.into_iter().filter_map(input).collect()
    }
}

impl Propagator {
    /// Prepares `net` for `composite`; `non_negative` promises that no image has a pixel below zero.
    ///
    /// # Errors
    /// [`ExplainError::NoRule`] for a layer that no entry of the composite selects.
    pub fn new(net: &Network, composite: &Composite, non_negative: bool) -> Result<Self, ExplainError> {
        let sites = LayerSite::of(net.spec());
        let mut prepared = Prepared::default();
        let mut site = 0;
        let image = Tensor::zeros(batch_shape(net.spec().input, 1), (net.kind(), net.device()));
        let mut flow = Flow::new(image);
        // Whether nothing is below zero here, and where open residual blocks wait; and whether what is here is kept elsewhere.
        let (mut signs, mut shared) = (Signs { non_negative, waiting: Vec::new() }, false);
        let mut layers = net.layers.iter().peekable();
        while let Some((name, layer)) = layers.next() {
            let x = match layer {
                Layer::Sum => Tensor::cat(&[&flow.x, &flow.x], 1),
                _ => flow.x.shallow_clone(),
            };
            if let Some(own) = Linear::of(layer, &x) {
                let merged = layers.peek().filter(|(name, _)| composite.merges(name));
                let merged = merged.and_then(|(_, next)| Linear::merged(layer, next, &x));
                let merges = merged.is_some();
                let rule = composite.rule(&sites[site]).ok_or_else(|| ExplainError::NoRule { layer: name.clone() })?;
                let positive = signs.before(layer);
                shared = prepared.push_linear(&merged.unwrap_or(own), rule, &x, positive, (site, layer));
                site += 1;
                flow.step(layer, Layer::forward);
                signs.step(layer);
                if let Some((_, batch_norm)) = merges.then(|| layers.next()).flatten() {
                    site += 1;
                    flow.step(batch_norm, Layer::forward);
                }
                continue;
            }
            prepared.push(layer, composite.activation, &mut shared);
            flow.step(layer, Layer::forward);
            signs.step(layer);
        }
        Ok(Self { steps: prepared.steps, bounded: prepared.bounded, layers: sites.len() })
    }

    /// How many linear layers there are, also those that were merged into another: entries of the ledger.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Carries `images` `[n, channels, rows, columns]` through the network.
    pub fn forward(&self, images: &Tensor) -> Trace {
        let mut memories = Vec::with_capacity(self.steps.len());
        let (mut x, mut waiting) = (channels_last(images), Vec::new());
        for step in &self.steps {
            let (memory, output) = match step {
                Step::Branch => {
                    waiting.push(x.shallow_clone());
                    (Memory::Nothing, x)
                }
                Step::Shortcut => (Memory::Nothing, std::mem::replace(waiting.last_mut().expect(OPEN), x)),
                Step::Linear { is_sum: true, .. } => step.forward(Tensor::cat(&[waiting.pop().expect(OPEN), x], 1)),
                step => step.forward(x),
            };
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
        let mut ledger = vec![Taken::default(); count * self.layers];
        let above = usize::from(of_units);
        let (mut relevance, mut waiting) = (Relevance::Dense(relevance), Vec::new());
        for (step, memory) in self.steps.iter().zip(trace.memories).rev().skip(above) {
            relevance = match (step, memory) {
                (Step::Linear { rule, site, is_sum, .. }, Memory::Linear { x, z }) => {
                    let (relevance, taken) = rule.propagate(&x, z.as_ref(), &relevance);
                    for (image, taken) in taken.into_iter().enumerate() {
                        ledger[image * self.layers + site] = taken;
                    }
                    if *is_sum {
                        let mut halves = relevance.chunk(2, 1);
                        let shortcut = halves.pop().expect("two halves");
                        waiting.extend(halves);
                        Relevance::Dense(shortcut)
                    } else {
                        Relevance::Dense(relevance)
                    }
                }
                (Step::Shortcut, _) => {
                    let branch = std::mem::replace(waiting.last_mut().expect(OPEN), relevance.dense());
                    Relevance::Dense(branch)
                }
                (Step::Branch, _) => Relevance::Dense(relevance.dense() + waiting.pop().expect(OPEN)),
                (step, memory) => step.backward(memory, relevance),
            };
        }
        (relevance.dense(), ledger)
    }

    /// The layers with a rule of their own from the input on: weights, bias and rule.
    pub fn ruled(&self) -> impl Iterator<Item = (&Part, Option<&Tensor>, &LayerRule)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Linear { forward, bias, rule, .. } => Some((forward, bias.as_ref(), rule)),
            _ => None,
        })
    }
}

/// The shape of a batch of images.
pub(super) fn batch_shape(image: ImageShape, count: i64) -> [i64; 4] {
    [count, image.channels as i64, image.height as i64, image.width as i64]
}
