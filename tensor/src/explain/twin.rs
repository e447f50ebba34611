//! Relevance through a network in numbers of any kind, layer by layer and without what makes it fast.
//!
//! The rules are those of [`LayerRule`], which `rule_tests` hold to their definitions.

use tch::{Kind, Tensor};
use xdlreg_core::explain::{Activation, Composite, LayerSite, Start};
use xdlreg_core::raster::RasterStack;

use super::linear::Linear;
use super::pool::{Winners, max_pool_by_libtorch};
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::network::to_tensor;
use crate::net::{Layer, Network};

/// A layer with its numbers in another kind.
fn converted(layer: &Layer, kind: Kind) -> Layer {
    let double = |tensor: &Tensor| tensor.to_kind(kind);
    match layer {
        Layer::Conv { weight, bias, window } => {
            Layer::Conv { weight: double(weight), bias: bias.as_ref().map(double), window: *window }
        }
        Layer::Dense { weight, bias } => Layer::Dense { weight: double(weight), bias: bias.as_ref().map(double) },
        Layer::BatchNorm { weight, bias, running_mean, running_var, epsilon } => Layer::BatchNorm {
            weight: double(weight),
            bias: double(bias),
            running_mean: double(running_mean),
            running_var: double(running_var),
            epsilon: *epsilon,
        },
        // In single precision one third is another number.
        Layer::AvgPool(means) => Layer::AvgPool(means.map(|matrix| {
            let counts = double(matrix).reciprocal().round();
            counts.reciprocal().where_self(&matrix.gt(0.0), &double(matrix))
        })),
        other => other.shallow_clone(),
    }
}

/// The layers of a network in numbers of this kind.
pub(super) fn layers_in(kind: Kind, net: &Network) -> Vec<Layer> {
    net.layers.iter().map(|(_, layer)| converted(layer, kind)).collect()
}

enum Step {
    Linear { rule: LayerRule, x: Tensor, z: Tensor },
    Sum { rule: LayerRule, x: Tensor, z: Tensor },
    Pool(Winners),
    Flatten(Vec<i64>),
    Branch,
    Shortcut,
}

/// The maps of a composite whose relevance starts as the prediction, in numbers of this kind.
pub(super) fn computed_in(kind: Kind, net: &Network, composite: &Composite, images: &RasterStack) -> Vec<f64> {
    assert_eq!((composite.start, composite.activation), (Start::Prediction, Activation::Pass));
    let mut x = to_tensor(images, 0..images.len()).to_kind(kind);
    let (mut steps, mut waiting) = (Vec::new(), Vec::new());
    let sites = LayerSite::of(net.spec());
    let site = |name: &str| sites.iter().find(|site| site.name == name).expect("a linear layer");
    let layers = layers_in(kind, net);
    let mut at = 0;
    while let Some(layer) = layers.get(at) {
        let name = &net.layers[at].0;
        let rule = |linear: &Linear, x: &Tensor| {
            LayerRule::new(composite.rule(site(name)).expect("a rule"), linear, &x.narrow(0, 0, 1), false)
        };
        at += 1;
        match layer {
            Layer::MaxPool(window) => {
                let shape = <[i64; 4]>::try_from(x.size()).expect("four dimensions");
                let (pooled, winners) = max_pool_by_libtorch(&x, shape, window, false);
                steps.push(Step::Pool(winners));
                x = pooled;
            }
            Layer::Flatten => {
                steps.push(Step::Flatten(x.size()));
                x = layer.forward(&x);
            }
            Layer::Branch => {
                waiting.push(x.shallow_clone());
                steps.push(Step::Branch);
            }
            Layer::Shortcut => {
                std::mem::swap(&mut x, waiting.last_mut().expect("a block"));
                steps.push(Step::Shortcut);
            }
            Layer::Sum => {
                let both = Tensor::cat(&[waiting.pop().expect("a block"), x.shallow_clone()], 1);
                let linear = Linear::of(layer, &both).expect("a sum is linear");
                let halves = both.chunk(2, 1);
                x = &halves[0] + &halves[1];
                steps.push(Step::Sum { rule: rule(&linear, &both), x: both, z: x.shallow_clone() });
            }
            layer => match Linear::of(layer, &x) {
                Some(own) => {
                    let next = layers.get(at).filter(|_| composite.merges(&net.layers[at].0));
                    let merged = next.and_then(|next| Linear::merged(layer, next, &x));
                    let mut z = layer.forward(&x);
                    if let (Some(_), Some(next)) = (&merged, next) {
                        z = next.forward(&z);
                        at += 1;
                    }
                    let rule = rule(&merged.unwrap_or(own), &x);
                    steps.push(Step::Linear { rule, x, z: z.shallow_clone() });
                    x = z;
                }
                None => x = layer.forward(&x),
            },
        }
    }
    let (mut relevance, mut waiting) = (x, Vec::new());
    for step in steps.iter().rev() {
        relevance = match step {
            Step::Linear { rule, x, z } => rule.propagate(x, Some(z), &Relevance::Dense(relevance)).0,
            Step::Sum { rule, x, z } => {
                let both = rule.propagate(x, Some(z), &Relevance::Dense(relevance)).0.chunk(2, 1);
                waiting.push(both[0].shallow_clone());
                both[1].shallow_clone()
            }
            Step::Shortcut => std::mem::replace(waiting.last_mut().expect("a block"), relevance),
            Step::Branch => relevance + waiting.pop().expect("a block"),
            Step::Pool(winners) => winners.route(&relevance),
            Step::Flatten(shape) => relevance.view(shape.as_slice()),
        };
    }
    Vec::try_from(relevance.to_kind(Kind::Double).contiguous().view(-1)).expect("values")
}
