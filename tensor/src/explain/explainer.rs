//! Carries out any [`Method`], batch after batch.

use std::sync::Arc;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use xdlreg_core::explain::{Activation, Composite, Facts, Method, SigmaUnit, Smoothing, Start, Sum, starts};
use xdlreg_core::metric::statistics::pearson;
use xdlreg_core::raster::ImageShape;
use xdlreg_core::seed::stream;

use super::engine::{Engine, largest};
use super::error::ExplainError;
use super::ledger::Taken;
use super::reference::Root;
use crate::net::Network;

/// A network and what is to be done with it.
#[derive(Debug)]
pub(super) struct Explainer {
    method: Arc<Method>,
    /// For methods without a composite: the gradient.
    engine: Engine,
    /// Of the images.
    shape: ImageShape,
    /// What maps are meant to add up to.
    sum: Option<Sum>,
    /// What the network puts out for the image at which integrated gradients begin, once that is known.
    at_baseline: Option<Vec<f32>>,
}

/// Where the explanation of a batch goes.
pub(super) struct Target<'a> {
    pub maps: &'a mut [f32],
    /// An entry an image and linear layer; of use for relevance alone.
    pub ledger: &'a mut [Taken],
    /// What else is known of each map.
    pub facts: &'a mut [Facts],
}

impl Explainer {
    /// Prepares `net` for `method`, whose maps are meant to add up to `sum`, against `root`; `non_negative` promises that no image
    /// has a pixel below zero.
    pub fn new(
        net: &Network,
        method: &Method,
        sum: Option<Sum>,
        root: Option<Root>,
        non_negative: bool,
    ) -> Result<Self, ExplainError> {
        let (inner, non_negative) = match method {
            Method::Smooth { of, .. } => (&**of, false),
            method => (method, non_negative),
        };
        let engine = match inner {
            Method::Propagation(composite) => Engine::new(net, composite, non_negative)?.against(root),
            _ => Engine::new(net, &Composite::gradient(Start::One, Activation::Gradient), false)?,
        };
        let shape = net.spec().input;
        Ok(Self { method: Arc::new(method.clone()), engine, shape, sum, at_baseline: None })
    }

    /// Explains the output `class`, else the largest, for `images`, of which the first is sample `first`. Returns what
    /// the network puts out, one or two numbers an image.
    pub fn explain(&mut self, images: &[f32], class: Option<usize>, first: usize, target: &mut Target) -> Vec<f32> {
        let method = Arc::clone(&self.method);
        let chosen = class.map(|class| vec![class; images.len() / self.shape.values()]);
        let chosen = chosen.as_deref();
        match &*method {
            Method::Smooth { of, smoothing } => self.smooth(of, *smoothing, images, chosen, first, target),
            method => self.carry_out(method, images, chosen, first, target),
        }
    }

    /// Explains the outputs `chosen`, else the largest, and notes what their maps are meant to add up to.
    fn carry_out(
        &mut self,
        method: &Method,
        images: &[f32],
        chosen: Option<&[usize]>,
        first: usize,
        target: &mut Target,
    ) -> Vec<f32> {
        let outputs = self.make_maps(method, images, chosen, first, target);
        self.note_totals(&outputs, chosen, target.facts);
        if let Some(beyond) = self.engine.leaves_bounds(images) {
            target.facts.iter_mut().zip(beyond).for_each(|(facts, beyond)| facts.outside |= beyond);
        }
        outputs
    }

    /// Notes what maps of `outputs` are meant to add up to.
    fn note_totals(&mut self, outputs: &[f32], chosen: Option<&[usize]>, facts: &mut [Facts]) {
        let Some(sum) = self.sum else { return };
        if let (Sum::FromBaseline(intensity), None) = (sum, &self.at_baseline) {
            self.at_baseline = Some(self.engine.output(&vec![intensity as f32; self.shape.values()]));
        }
        let put_out = outputs.len() / facts.len().max(1);
        let reference = self.engine.root().map_or(0.0, |root| root.reference);
        for (index, (facts, outputs)) in facts.iter_mut().zip(outputs.chunks_exact(put_out.max(1))).enumerate() {
            let explained = chosen.map_or_else(|| largest(outputs), |chosen| chosen[index]);
            let output = f64::from(outputs[explained]);
            facts.total = Some(match sum {
                Sum::Difference => output - reference,
                Sum::PositiveOutput => output.max(0.0),
                Sum::FromBaseline(_) => output - f64::from(self.at_baseline.as_ref().expect("just found")[explained]),
            });
        }
    }

    fn make_maps(
        &mut self,
        method: &Method,
        images: &[f32],
        chosen: Option<&[usize]>,
        first: usize,
        target: &mut Target,
    ) -> Vec<f32> {
        let maps = &mut *target.maps;
        match *method {
            Method::Propagation(_) => self.engine.propagate(images, chosen, maps, target.ledger),
            Method::InputTimesGradient => {
                let outputs = self.engine.propagate(images, chosen, maps, target.ledger);
                maps.iter_mut().zip(images).for_each(|(map, &pixel)| *map *= pixel);
                outputs
            }
            Method::IntegratedGradients { steps, baseline } => {
                self.integrate(images, chosen, (steps, baseline as f32), target)
            }
            Method::Occlusion { window, stride, fill } => {
                self.occlude(images, chosen, maps, (window, stride, fill as f32))
            }
            Method::Input => {
                maps.copy_from_slice(images);
                self.engine.output(images)
            }
            Method::Random { seed } => {
                let values = self.shape.values();
                let pairs = images.chunks_exact(values).zip(maps.chunks_exact_mut(values));
                for (sample, (image, map)) in (first..).zip(pairs) {
                    add_noise(image, 1.0, &mut stream(seed, "random map", sample as u64), map);
                }
                self.engine.output(images)
            }
            Method::Smooth { .. } => unreachable!("noise is put on once"),
        }
    }

    /// The mean over noisy images of what is explained for `images` themselves.
    fn smooth(
        &mut self,
        method: &Method,
        Smoothing { samples, sigma, sigma_unit, seed }: Smoothing,
        images: &[f32],
        chosen: Option<&[usize]>,
        first: usize,
        target: &mut Target,
    ) -> Vec<f32> {
        let (outputs, chosen) = self.choose(images, chosen);
        let (put_out, values) = (outputs.len() / chosen.len().max(1), self.shape.values());
        let mut noisy = vec![0.0; images.len()];
        let mut sums = vec![0.0; images.len()];
        let mut ledger = vec![Taken::default(); target.ledger.len()];
        let plain = self.explain_plainly(method, images, &chosen, first, target);
        let mut known = target.facts.to_vec();
        for facts in &mut known {
            (facts.plain_total, facts.total) = (facts.total, self.sum.map(|_| 0.0));
        }
        for draw in 0..samples {
            let pairs = images.chunks_exact(values).zip(noisy.chunks_exact_mut(values));
            for (sample, (image, noisy)) in (first..).zip(pairs) {
                let deviation = match sigma_unit {
                    SigmaUnit::Absolute => sigma as f32,
                    SigmaUnit::Relative => sigma as f32 * range(image),
                };
                add_noise(image, deviation, &mut stream(seed, &format!("smoothgrad {draw}"), sample as u64), noisy);
            }
            let of_noisy = self.carry_out(method, &noisy, Some(&chosen), first, target);
            for (index, (known, facts)) in known.iter_mut().zip(&*target.facts).enumerate() {
                let (moved, map) =
                    (of_noisy[index * put_out + chosen[index]], &target.maps[index * values..][..values]);
                known.shift += f64::from(moved - outputs[index * put_out + chosen[index]]) / samples as f64;
                known.total = known.total.zip(facts.total).map(|(sum, total)| sum + total / samples as f64);
                known.outside |= facts.outside;
                known.unreached += usize::from(self.engine.root().is_some_and(|root| root.is_missed_by(moved, map)));
            }
            sums.iter_mut().zip(&*target.maps).for_each(|(sum, &value)| *sum += f64::from(value));
            ledger.iter_mut().zip(&*target.ledger).for_each(|(sum, taken)| sum.add(taken));
        }
        target.maps.iter_mut().zip(sums).for_each(|(map, sum)| *map = (sum / samples as f64) as f32);
        target.ledger.iter_mut().zip(ledger).for_each(|(taken, sum)| *taken = sum.over(samples as f64));
        if let Some(plain) = plain {
            let pairs = plain.chunks_exact(values).zip(target.maps.chunks_exact(values));
            known.iter_mut().zip(pairs).for_each(|(facts, (plain, map))| facts.likeness = correlation(plain, map));
        }
        target.facts.copy_from_slice(&known);
        outputs
    }

    /// Notes what the maps of `images` are meant to add up to without noise; makes these maps where noise may turn an
    /// explanation against a reference into another one.
    fn explain_plainly(
        &mut self,
        method: &Method,
        images: &[f32],
        chosen: &[usize],
        first: usize,
        target: &mut Target,
    ) -> Option<Vec<f32>> {
        let referred = self.engine.root().is_some() || matches!(self.sum, Some(Sum::FromBaseline(_)));
        referred.then(|| {
            self.carry_out(method, images, Some(chosen), first, target);
            target.maps.to_vec()
        })
    }

    fn integrate(
        &mut self,
        images: &[f32],
        chosen: Option<&[usize]>,
        (steps, baseline): (usize, f32),
        target: &mut Target,
    ) -> Vec<f32> {
        let (outputs, chosen) = self.choose(images, chosen);
        let mut points = vec![0.0; images.len()];
        let mut sums = vec![0.0; images.len()];
        for step in 0..steps {
            let share = step as f32 / steps as f32;
            for (point, &pixel) in points.iter_mut().zip(images) {
                *point = (pixel - baseline) * share + baseline;
            }
            self.engine.propagate(&points, Some(&chosen), target.maps, target.ledger);
            sums.iter_mut().zip(&*target.maps).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        for ((map, sum), &pixel) in target.maps.iter_mut().zip(sums).zip(images) {
            *map = (sum / steps as f64) as f32 * (pixel - baseline);
        }
        outputs
    }

    fn occlude(
        &mut self,
        images: &[f32],
        chosen: Option<&[usize]>,
        maps: &mut [f32],
        (window, stride, fill): (usize, usize, f32),
    ) -> Vec<f32> {
        let (outputs, chosen) = self.choose(images, chosen);
        let put_out = outputs.len() / chosen.len().max(1);
        let ImageShape { channels, height, width } = self.shape;
        let (values, area) = (self.shape.values(), self.shape.area());
        // A window that is wider than the image covers all of it.
        let (rows, columns) = (window.min(height), window.min(width));
        let mut counts = vec![0.0f32; area];
        maps.fill(0.0);
        let corners =
            starts(height, rows, stride).flat_map(|top| starts(width, columns, stride).map(move |left| (top, left)));
        for (top, left) in corners {
            let covered = (top..top + rows).map(|row| row * width + left..row * width + left + columns);
            let mut occluded = images.to_vec();
            for channel in occluded.chunks_exact_mut(area) {
                covered.clone().for_each(|row| channel[row].fill(fill));
            }
            let without = self.engine.output(&occluded);
            for (index, map) in maps.chunks_exact_mut(values).enumerate() {
                let at = index * put_out + chosen[index];
                // A window covers all channels of its pixels, which share what it shows.
                for channel in map.chunks_exact_mut(area) {
                    let share = (outputs[at] - without[at]) / channels as f32;
                    covered.clone().flatten().for_each(|pixel| channel[pixel] += share);
                }
            }
            covered.flatten().for_each(|pixel| counts[pixel] += 1.0);
        }
        for channel in maps.chunks_exact_mut(area) {
            channel.iter_mut().zip(&counts).for_each(|(value, count)| *value /= count.max(1.0));
        }
        outputs
    }

    /// What is put out for images, and which of it is explained: the largest unless `chosen`.
    fn choose(&mut self, images: &[f32], chosen: Option<&[usize]>) -> (Vec<f32>, Vec<usize>) {
        let outputs = self.engine.output(images);
        let put_out = outputs.len() / (images.len() / self.shape.values()).max(1);
        let largest = || outputs.chunks_exact(put_out).map(largest).collect();
        let chosen = chosen.map_or_else(largest, <[usize]>::to_vec);
        (outputs, chosen)
    }
}

/// Writes `image` plus normal noise.
fn add_noise(image: &[f32], deviation: f32, rng: &mut impl Rng, noisy: &mut [f32]) {
    for (noisy, &pixel) in noisy.iter_mut().zip(image) {
        let noise: f32 = StandardNormal.sample(rng);
        *noisy = pixel + deviation * noise;
    }
}

/// Pearson's correlation of two maps; none where one of them is the same everywhere.
fn correlation(one: &[f32], other: &[f32]) -> Option<f64> {
    let wide = |map: &[f32]| map.iter().copied().map(f64::from).collect::<Vec<f64>>();
    Some(pearson(&wide(one), &wide(other))).filter(|r| r.is_finite())
}

/// The difference between the largest and the least pixel.
fn range(image: &[f32]) -> f32 {
    let (least, most) = image
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &pixel| (least.min(pixel), most.max(pixel)));
    most - least
}
