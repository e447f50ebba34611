//! What relevance is started against (Letzgus et al. 2022, doi 10.1109/MSP.2022.3153277).
//!
//! The output layer f = w a + b is taken apart at a root point ã of the hidden layer, where the network puts out the
//! reference: R_j = w_j (a_j - ã_j), which adds up to f - f(ã). Neither bias nor stabiliser take anything there, so the
//! rule of the output layer is not used.
//!
//! That is the authors' decomposition, as their code has it (github.com/sltzgs/xai-regression). Their root point for a number of
//! years is found by "flooding": all units are lowered by the same amount, to 0 at the least, or raised by it, until the
//! reference is met ([`Reference::Flooding`]; here exactly instead of by steps). A plain number of years lies on the ray of the
//! image's own activation instead, where every unit keeps its share. Against both holds what they say of theirs: a reference
//! below the output bias is not reached from a prediction above it.
//!
//! A difference: they restructure the layer below, which becomes ReLUs of z - ã, -z and ã - z. Here that layer is the network's
//! own and keeps the composite's rule, so that years which a unit is short of the root point go to the pixels that inhibit it.

use std::ops::ControlFlow;

use tch::{Kind, Tensor, no_grad};
use xdlreg_core::data::Target;
use xdlreg_core::explain::Reference;
use xdlreg_core::raster::{Planes, RasterStack};
use xdlreg_core::task::Task;

use super::error::ExplainError;
use crate::net::network::to_tensor;
use crate::net::{Layer, Network};

/// Images whose activations are found at once.
const BATCH: usize = 64;

/// The samples that references are taken from: those of the training set.
#[derive(Clone, Copy)]
pub struct Samples<'a> {
    pub images: &'a dyn Planes,
    /// The target of each.
    pub targets: &'a [f32],
}

/// A reference with the point of the hidden layer that stands for it.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// In the target's unit.
    pub reference: f64,
    point: Point,
    /// Weights of the output layer.
    weights: Vec<f32>,
    bias: f64,
}

#[derive(Debug, Clone)]
enum Point {
    /// The activation of the image, times the number at which the network puts out the reference: no other activation
    /// is as near in direction. For the output bias itself this is 0.
    Ray,
    /// The activation of the image, with all units lowered or raised by the same amount.
    Flood,
    /// The mean activation of a group of samples.
    Mean(Vec<f32>),
}

/// Images from which a reference is not reached, of those that were looked at.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// Index and prediction of the first.
    first: Option<(usize, f32)>,
    count: usize,
    total: usize,
}

impl Root {
    /// The root point of `reference`, or `None` where relevance starts as the prediction.
    ///
    /// # Errors
    /// [`ExplainError`] for a classification, and for a reference that needs samples where there are none of the kind.
    pub fn find(
        reference: Reference,
        net: &Network,
        target: &Target,
        samples: Option<Samples>,
    ) -> Result<Option<Self>, ExplainError> {
        if reference == Reference::None {
            return Ok(None);
        }
        let (weights, bias) = match net.layers.last() {
            Some((_, Layer::Dense { weight, bias: Some(bias) })) if net.task() == Task::Regression => {
                (floats(weight), bias.double_value(&[0]))
            }
            _ if net.task() == Task::Regression => return Err(ExplainError::NoOutputBias),
            _ => return Err(ExplainError::ReferenceOfClass { unit: target.unit_name().to_owned() }),
        };
        let none = || ExplainError::NoSamples { target: target.name.clone(), unit: target.unit_name().to_owned() };
        let needed = || samples.filter(|samples| !samples.targets.is_empty()).ok_or_else(none);
        let root = |reference, point| Ok(Some(Self { reference, point, weights: weights.clone(), bias }));
        match reference {
            Reference::None | Reference::OutputBias => root(bias, Point::Ray),
            Reference::Years(years) => root(years, Point::Ray),
            Reference::Flooding(years) => root(years, Point::Flood),
            Reference::Mean => {
                let targets = needed()?.targets;
                root(targets.iter().copied().map(f64::from).sum::<f64>() / targets.len() as f64, Point::Ray)
            }
            Reference::Ages([from, to]) => {
                let samples = needed()?;
                let within = |target: f32| (from..=to).contains(&f64::from(target));
                let targets = samples.targets;
                let group: Vec<usize> = (0..targets.len()).filter(|&index| within(targets[index])).collect();
                if group.is_empty() {
                    let (target, to) = (target.name.clone(), target.with_unit(to));
                    return Err(ExplainError::NobodyWithin { target, from, to });
                }
                let mean = mean_activation(net, samples.images, &group)?;
                let products = weights.iter().zip(&mean).map(|(&w, &a)| f64::from(w) * f64::from(a));
                root(products.sum::<f64>() + bias, Point::Mean(mean))
            }
        }
    }

    /// Whether activations from zero on lead to the reference, for an image that is predicted as `prediction`. On a ray the
    /// output bias must not lie between the two, or a hidden unit would have to be active below zero.
    fn is_reached_from(&self, prediction: f64, units: &[f32]) -> bool {
        match self.point {
            Point::Mean(_) => true,
            Point::Ray => {
                let (way, share) = (prediction - self.bias, self.reference - self.bias);
                share == 0.0 || (way != 0.0 && share / way >= 0.0)
            }
            // Units below zero, of a network without a ReLU before its output, are not lowered by a flood.
            Point::Flood => units.iter().all(|unit| *unit >= 0.0) && self.flooded(units).is_some(),
        }
    }

    /// Whether relevance of a noisy image, whose map this is, is that of an image that leads to the reference.
    pub fn is_missed_by(&self, prediction: f32, map: &[f32]) -> bool {
        match self.point {
            // Where no flood meets the reference, relevance is not a number.
            Point::Flood => !map.iter().fold(true, |all, r| all & r.is_finite()),
            Point::Ray | Point::Mean(_) => !self.is_reached_from(prediction.into(), &[]),
        }
    }

    /// Looks at images: notes the predictions of those from which the reference is not reached.
    pub fn look(&self, net: &Network, images: &RasterStack, missed: &mut Missed) {
        let predictions = net.predict(images);
        let units = if matches!(self.point, Point::Flood) { hidden_units(net, images) } else { Vec::new() };
        let width = units.len() / images.len().max(1);
        for (index, &prediction) in predictions.iter().enumerate() {
            if !self.is_reached_from(prediction.into(), &units[index * width..][..width]) {
                missed.first.get_or_insert((missed.total, prediction));
                missed.count += 1;
            }
            missed.total += 1;
        }
    }

    /// The error where some images cannot be explained against the reference.
    pub fn check(&self, missed: &Missed, target: &Target) -> Result<(), ExplainError> {
        let Some((sample, prediction)) = missed.first else { return Ok(()) };
        let [reference, bias] = [self.reference, self.bias].map(|value| target.with_unit(format!("{value:.1}")));
        let prediction = target.with_unit(format!("{prediction:.1}"));
        let (count, total) = (missed.count, missed.total);
        Err(match self.point {
            Point::Flood => ExplainError::NotFlooded { reference, bias, prediction, sample, count, total },
            _ => ExplainError::Unreachable { reference, bias, prediction, sample, count, total },
        })
    }

    /// The hidden units when all are lowered by the same amount, to 0 at the least, or raised by it, the least at which the
    /// network says the reference. None where it never does.
    fn flooded(&self, units: &[f32]) -> Option<Vec<f64>> {
        let units: Vec<f64> = units.iter().copied().map(f64::from).collect();
        let weigh = |units: &[f64]| {
            self.bias + self.weights.iter().zip(units).map(|(&weight, unit)| f64::from(weight) * unit).sum::<f64>()
        };
        let lowered = |by: f64| units.iter().map(|unit| (unit - by).max(0.0)).collect::<Vec<f64>>();
        let missing = |by: f64| weigh(&lowered(by)) - self.reference;
        let start = missing(0.0);
        if start < 0.0 {
            let slope: f64 = self.weights.iter().copied().map(f64::from).sum();
            return (slope > 0.0).then(|| units.iter().map(|unit| unit - start / slope).collect());
        }
        // Between two units that reach 0, the output is linear.
        let mut levels: Vec<f64> = [0.0].into_iter().chain(units.iter().copied()).collect();
        levels.sort_by(f64::total_cmp);
        let crossed = levels.windows(2).find_map(|pair| {
            let (above, below) = (missing(pair[0]), missing(pair[1]));
            let share = if above > below { above / (above - below) } else { 0.0 };
            (above >= 0.0 && below <= 0.0).then(|| pair[0] + share * (pair[1] - pair[0]))
        });
        crossed.map(lowered)
    }

    /// Relevance of the hidden units of activation `units` for a prediction, and what of prediction - reference is lost
    /// to rounding.
    pub fn relevance(&self, units: &[f32], prediction: f32) -> (Vec<f32>, f64) {
        let contributions = self.weights.iter().zip(units).map(|(&w, &a)| f64::from(w) * f64::from(a));
        let relevance: Vec<f32> = match &self.point {
            Point::Mean(mean) => {
                let differences = units.iter().zip(mean).map(|(unit, mean)| unit - mean);
                self.weights.iter().zip(differences).map(|(weight, difference)| weight * difference).collect()
            }
            Point::Flood => match self.flooded(units) {
                Some(root) => {
                    let differences = units.iter().zip(root).map(|(&unit, root)| f64::from(unit) - root);
                    self.weights.iter().zip(differences).map(|(&weight, d)| (f64::from(weight) * d) as f32).collect()
                }
                // Only of images under noise, which were not looked at before: see `is_missed_by`.
                None => vec![f32::NAN; units.len()],
            },
            Point::Ray => {
                let way: f64 = contributions.clone().sum();
                let share = if way == 0.0 { 0.0 } else { (way + self.bias - self.reference) / way };
                contributions.map(|contribution| (share * contribution) as f32).collect()
            }
        };
        let sum: f64 = relevance.iter().copied().map(f64::from).sum();
        (relevance, f64::from(prediction) - self.reference - sum)
    }
}

/// Activations of the hidden units, an image after the other.
fn hidden_units(net: &Network, images: &RasterStack) -> Vec<f32> {
    let mut units = Vec::new();
    for start in (0..images.len()).step_by(BATCH) {
        let batch = to_tensor(images, start..images.len().min(start + BATCH)).to_device(net.device());
        let (inputs, _) = no_grad(|| net.forward_trace(&batch));
        units.extend(floats(inputs.last().expect("the input of the output layer")));
    }
    units
}

/// Mean activation of the hidden units over the images `group`, in ascending order.
fn mean_activation(net: &Network, images: &dyn Planes, group: &[usize]) -> Result<Vec<f32>, ExplainError> {
    let mut total: Option<Tensor> = None;
    let mut add = |batch: &mut Vec<f32>| {
        let batch = RasterStack::of(images.shape(), std::mem::take(batch));
        let (inputs, _) = no_grad(|| net.forward_trace(&to_tensor(&batch, 0..batch.len()).to_device(net.device())));
        let units = inputs.last().expect("the input of the output layer");
        let sum = units.sum_dim_intlist(0, false, Kind::Double);
        total = Some(total.as_ref().map_or_else(|| sum.shallow_clone(), |total| total + &sum));
    };
    let (mut index, mut wanted, mut batch) = (0, group.iter().peekable(), Vec::new());
    images.visit(BATCH, &mut |pixels| {
        for image in pixels.chunks_exact(images.shape().values()) {
            if wanted.next_if_eq(&&index).is_some() {
                batch.extend_from_slice(image);
                if batch.len() == BATCH * images.shape().values() {
                    add(&mut batch);
                }
            }
            index += 1;
        }
        if wanted.peek().is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if !batch.is_empty() {
        add(&mut batch);
    }
    let total = total.expect("a group of at least one sample");
    Ok(floats(&(total / group.len() as f64)))
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).contiguous().view(-1)).expect("f32 values")
}
