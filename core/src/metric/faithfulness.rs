//! Whether the network's answer changes when what is said to matter is taken away.

use super::network::Needs;
use super::{About, Answers, Direction, NetworkMetric, Probe, ProbeError, Probed, Score, Trivial, UnitOf};
use crate::metric::EvaluateSettings;
use crate::raster::{Raster, RasterStack};
use crate::task::Task;

const ABOUT: &[About] = &[About {
    name: "faithfulness",
    unit: UnitOf::Output,
    direction: Direction::Higher,
    citation: "Samek et al., IEEE Transactions on Neural Networks and Learning Systems 28 (2017) 2660, \
               doi 10.1109/TNNLS.2016.2599820; for regression Letzgus et al. (2022), doi 10.1109/MSP.2022.3153277",
}];

/// Pixels are set to a value (by default pumpkins' tissue) in order of relevance, and the change of the prediction is
/// averaged over all that was changed on the way (the area under the curve, over its width).
///
/// `positive`: the pixels with R > 0, the most positive first; how far the prediction falls. `negative`: the pixels with
/// R < 0, the most negative first; how far it rises. `noise`: how far it falls when the pixels of the object (all, where it is
/// not known which these are) are taken in a random order, which is what a map must exceed. They are filled with tissue, since black would make atrophies: so this heals
/// signs, and an explanation that marks the tissue beside an atrophy instead of the atrophy finds nothing to heal. Pixels of no
/// relevance are never changed: when no others are left, the curve stays where it is.
///
/// Quantus 0.6.0 (`PixelFlipping`) changes all pixels, without the point at which none is, and sums instead of averaging;
/// the curves are the same up to the share of pixels that is changed here.
pub const FAITHFULNESS: NetworkMetric = NetworkMetric {
    name: "faithfulness",
    measures: ABOUT,
    task: Some(Task::Regression),
    needs: Needs::Nothing,
    compute,
};

fn compute(probed: &Probed, probe: &dyn Probe) -> Result<Answers, ProbeError> {
    let mut scores = Vec::new();
    for index in 0..probed.len() {
        let (image, map) = (probed.images.get(index), probed.maps.get(index));
        let noise = probed.trivial(Trivial::Noise, index);
        let object = probed.truth.and_then(|truth| truth.foreground(probed.samples[index]));
        let in_object = |pixel: usize| object.as_ref().is_none_or(|object| object[pixel]);
        let shuffled = order(noise.get(0), 1.0).into_iter().filter(|&pixel| in_object(pixel)).collect();
        for (variant, order, sign) in
            [("positive", order(map, 1.0), 1.0), ("negative", order(map, -1.0), -1.0), ("noise", shuffled, 1.0)]
        {
            let curve = curve(image, &order, probed.settings, probe);
            scores.push(Score::new(&ABOUT[0], sign * mean_fall(&curve)).variant(variant).of_image(index));
        }
    }
    Ok(scores.into())
}

/// The pixels whose relevance has the given sign, the strongest first; of equal ones the upper and left first.
pub(super) fn order(map: Raster, sign: f32) -> Vec<usize> {
    let mut pixels: Vec<usize> = (0..map.pixels.len()).filter(|&pixel| sign * map.pixels[pixel] > 0.0).collect();
    pixels.sort_by(|&a, &b| (sign * map.pixels[b]).total_cmp(&(sign * map.pixels[a])));
    pixels
}

/// The prediction for the image and after each step, in which equally many pixels are changed.
pub(super) fn curve(image: Raster, order: &[usize], settings: &EvaluateSettings, probe: &dyn Probe) -> Vec<f64> {
    let EvaluateSettings { steps, flipped, fill, .. } = *settings;
    let area = image.height * image.width;
    let most = flipped * area as f64;
    let mut changed = image.pixels.to_vec();
    let mut pixels = Vec::with_capacity((steps + 1) * changed.len());
    let mut done = 0;
    for step in 0..=steps {
        let until = (most * step as f64 / steps as f64).round() as usize;
        while done < until.min(order.len()) {
            changed.iter_mut().skip(order[done]).step_by(area).for_each(|value| *value = fill as f32);
            done += 1;
        }
        pixels.extend(&changed);
    }
    probe.predict(&RasterStack::of(image.shape(), pixels))
}

/// Mean fall below the first value, by the trapezoidal rule.
fn mean_fall(curve: &[f64]) -> f64 {
    let area: f64 = curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum();
    curve[0] - area / (curve.len() - 1) as f64
}
