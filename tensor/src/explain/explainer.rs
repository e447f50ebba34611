//! Carries out any [`Method`], batch after batch.

use rand_distr::{Distribution, StandardNormal};
use xdlreg::explain::{Activation, Composite, Method, SigmaUnit, Start};
use xdlreg::raster::SIDE;
use xdlreg::seed::stream;

use super::engine::{AREA, Engine, largest};
use super::error::ExplainError;
use super::ledger::Taken;
use crate::net::PumpkinNet;

/// A network and what is to be done with it.
#[derive(Debug)]
pub(super) struct Explainer {
    method: Method,
    /// For methods without a composite: the gradient.
    engine: Engine,
}

impl Explainer {
    /// Prepares `net` for `method`; `non_negative` promises that no image has a pixel below zero.
    pub fn new(net: &PumpkinNet, method: &Method, non_negative: bool) -> Result<Self, ExplainError> {
        let engine = match method {
            Method::Propagation(composite) => Engine::new(net, composite, non_negative)?,
            _ => Engine::new(net, &Composite::gradient(Start::One, Activation::Gradient), false)?,
        };
        Ok(Self { method: method.clone(), engine })
    }

    /// Writes the maps of `images`, of which the first is sample `first`. Returns what the network puts out, one or two
    /// numbers an image.
    pub fn explain(&mut self, images: &[f32], first: usize, maps: &mut [f32]) -> Vec<f32> {
        match self.method {
            Method::Propagation(_) => self.propagate(images, None, maps),
            Method::InputTimesGradient => {
                let outputs = self.propagate(images, None, maps);
                maps.iter_mut().zip(images).for_each(|(map, &pixel)| *map *= pixel);
                outputs
            }
            Method::IntegratedGradients { steps, reference } => {
                let reference = reference as f32;
                let outputs = self.mean_gradient(images, maps, steps, |step, points| {
                    let share = step as f32 / steps as f32;
                    for (point, &pixel) in points.iter_mut().zip(images) {
                        *point = (pixel - reference) * share + reference;
                    }
                });
                maps.iter_mut().zip(images).for_each(|(map, &pixel)| *map *= pixel - reference);
                outputs
            }
            Method::SmoothGrad { samples, sigma, unit, seed } => {
                self.mean_gradient(images, maps, samples, |draw, points| {
                    let pairs = images.chunks_exact(AREA).zip(points.chunks_exact_mut(AREA));
                    for (sample, (image, point)) in (first..).zip(pairs) {
                        let deviation = match unit {
                            SigmaUnit::Absolute => sigma as f32,
                            SigmaUnit::Relative => sigma as f32 * range(image),
                        };
                        let mut rng = stream(seed, &format!("smoothgrad {draw}"), sample as u64);
                        for (point, &pixel) in point.iter_mut().zip(image) {
                            let noise: f32 = StandardNormal.sample(&mut rng);
                            *point = pixel + deviation * noise;
                        }
                    }
                })
            }
            Method::Occlusion { window, stride, fill } => self.occlude(images, maps, window, stride, fill as f32),
        }
    }

    fn propagate(&mut self, images: &[f32], chosen: Option<&[usize]>, maps: &mut [f32]) -> Vec<f32> {
        let mut ledger = vec![Taken::default(); images.len() / AREA * self.engine.layers()];
        self.engine.propagate(images, chosen, maps, &mut ledger)
    }

    /// Mean over `count` points of the gradient of what is put out for `images` themselves; `point` writes one's images.
    fn mean_gradient(
        &mut self,
        images: &[f32],
        maps: &mut [f32],
        count: usize,
        point: impl Fn(usize, &mut [f32]),
    ) -> Vec<f32> {
        let (outputs, chosen) = self.choose(images);
        let mut sums = vec![0.0; images.len()];
        let mut points = vec![0.0; images.len()];
        for index in 0..count {
            point(index, &mut points);
            self.propagate(&points, Some(&chosen), maps);
            sums.iter_mut().zip(&*maps).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        maps.iter_mut().zip(sums).for_each(|(map, sum)| *map = (sum / count as f64) as f32);
        outputs
    }

    fn occlude(&mut self, images: &[f32], maps: &mut [f32], window: usize, stride: usize, fill: f32) -> Vec<f32> {
        let (outputs, chosen) = self.choose(images);
        let put_out = outputs.len() / chosen.len().max(1);
        let starts: Vec<usize> = (0..SIDE - window).step_by(stride).chain([SIDE - window]).collect();
        let mut counts = vec![0.0f32; AREA];
        maps.fill(0.0);
        for (&top, &left) in starts.iter().flat_map(|top| starts.iter().map(move |left| (top, left))) {
            let rows = (top..top + window).map(|row| row * SIDE + left..row * SIDE + left + window);
            let mut occluded = images.to_vec();
            for image in occluded.chunks_exact_mut(AREA) {
                rows.clone().for_each(|row| image[row].fill(fill));
            }
            let without = self.engine.output(&occluded);
            for (index, map) in maps.chunks_exact_mut(AREA).enumerate() {
                let at = index * put_out + chosen[index];
                rows.clone().flatten().for_each(|pixel| map[pixel] += outputs[at] - without[at]);
            }
            rows.flatten().for_each(|pixel| counts[pixel] += 1.0);
        }
        for map in maps.chunks_exact_mut(AREA) {
            map.iter_mut().zip(&counts).for_each(|(value, count)| *value /= count.max(1.0));
        }
        outputs
    }

    /// What is put out for images, and which of it is explained.
    fn choose(&mut self, images: &[f32]) -> (Vec<f32>, Vec<usize>) {
        let outputs = self.engine.output(images);
        let put_out = outputs.len() / (images.len() / AREA).max(1);
        let chosen = outputs.chunks_exact(put_out).map(largest).collect();
        (outputs, chosen)
    }
}

/// The difference between the largest and the least pixel.
fn range(image: &[f32]) -> f32 {
    let (least, most) = image
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &pixel| (least.min(pixel), most.max(pixel)));
    most - least
}
