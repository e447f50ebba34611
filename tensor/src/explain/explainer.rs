//! Carries out any [`Method`], batch after batch.

use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;
use xdlreg::explain::{Activation, Composite, Method, SigmaUnit, Start};
use xdlreg::raster::SIDE;
use xdlreg::seed::stream;

use super::error::ExplainError;
use super::propagate::{Propagated, Propagator};
use crate::net::PumpkinNet;

/// A network and what is to be done with it.
#[derive(Debug)]
pub(super) struct Explainer {
    method: Method,
    /// For methods without a composite: the gradient.
    propagator: Propagator,
}

impl Explainer {
    /// Prepares `net` for `method`; `non_negative` promises that no image has a pixel below zero.
    pub fn new(net: &PumpkinNet, method: &Method, non_negative: bool) -> Result<Self, ExplainError> {
        let propagator = match method {
            Method::Propagation(composite) => Propagator::new(net, composite, non_negative)?,
            _ => Propagator::new(net, &Composite::gradient(Start::One, Activation::Gradient), false)?,
        };
        Ok(Self { method: method.clone(), propagator })
    }

    /// Explains `images` `[n, 1, rows, columns]`, of which the first is sample `first`.
    pub fn explain(&self, images: &Tensor, first: usize) -> Propagated {
        match self.method {
            Method::Propagation(_) => self.propagator.propagate(images),
            Method::InputTimesGradient => {
                let Propagated { relevance, output } = self.propagator.propagate(images);
                Propagated { relevance: relevance * images.squeeze_dim(1), output }
            }
            Method::IntegratedGradients { steps, reference } => {
                let path = images - reference;
                let point = |step: usize| &path * (step as f64 / steps as f64) + reference;
                let Propagated { relevance, output } = self.mean_gradient(images, steps, point);
                Propagated { relevance: relevance * path.squeeze_dim(1), output }
            }
            Method::SmoothGrad { samples, sigma, unit, seed } => {
                let deviation = match unit {
                    SigmaUnit::Absolute => images.full_like(sigma),
                    SigmaUnit::Relative => {
                        let range = images.amax([1, 2, 3], true) - images.amin([1, 2, 3], true);
                        range * sigma
                    }
                };
                self.mean_gradient(images, samples, |draw| images + &deviation * noise(images, seed, first, draw))
            }
            Method::Occlusion { window, stride, fill } => self.occlude(images, window, stride, fill),
        }
    }

    /// Mean over `count` points of the gradient of what is put out for `images` themselves.
    fn mean_gradient(&self, images: &Tensor, count: usize, point: impl Fn(usize) -> Tensor) -> Propagated {
        let output = self.propagator.output(images);
        let chosen = output.argmax(1, true);
        let mut sum = images.squeeze_dim(1).zeros_like();
        for index in 0..count {
            sum += self.propagator.propagate_chosen(&point(index), Some(&chosen)).relevance;
        }
        Propagated { relevance: sum / count as f64, output }
    }

    fn occlude(&self, images: &Tensor, window: usize, stride: usize, fill: f64) -> Propagated {
        let output = self.propagator.output(images);
        let chosen = output.argmax(1, true);
        let before = output.gather(1, &chosen, false);
        let mut sum = images.squeeze_dim(1).zeros_like();
        let mut count = sum.zeros_like();
        let starts: Vec<i64> =
            (0..SIDE - window).step_by(stride).chain([SIDE - window]).map(|start| start as i64).collect();
        for (&row, &column) in starts.iter().flat_map(|row| starts.iter().map(move |column| (row, column))) {
            let side = window as i64;
            let square = |planes: &Tensor| planes.narrow(-2, row, side).narrow(-1, column, side);
            let occluded = images.copy();
            let _ = square(&occluded).fill_(fill);
            let drop = &before - self.propagator.output(&occluded).gather(1, &chosen, false);
            let _ = square(&sum).g_add_(&drop.unsqueeze(2));
            let _ = square(&count).g_add_scalar_(1.0);
        }
        sum /= count.clamp_min_(1.0);
        Propagated { relevance: sum, output }
    }
}

/// Standard normal noise for images from sample `first` on: every draw of every sample has a stream of its own.
fn noise(images: &Tensor, seed: u64, first: usize, draw: usize) -> Tensor {
    let count = images.size()[0] as usize;
    let area = images.numel() / count;
    let values: Vec<f32> = (first..first + count)
        .flat_map(|sample| {
            let mut rng = stream(seed, &format!("smoothgrad {draw}"), sample as u64);
            (0..area).map(move |_| StandardNormal.sample(&mut rng))
        })
        .collect();
    Tensor::from_slice(&values).view(images.size().as_slice()).to_device(images.device())
}
