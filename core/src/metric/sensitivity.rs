//! How far a map moves when its image hardly does.

use rand::RngExt;

use super::network::Needs;
use super::{About, Answers, Direction, NetworkMetric, Probe, ProbeError, Probed, Score, UnitOf};
use crate::raster::{Raster, RasterStack};
use crate::seed::stream;

const ABOUT: &[About] = &[About {
    name: "max_sensitivity",
    unit: UnitOf::One,
    direction: Direction::Lower,
    citation: "Yeh et al., NeurIPS 32 (2019), eq. 4, arXiv 1901.09392",
}];

/// The largest |R(x') - R(x)| / |R(x)| (Euclidean norms) over some x' = x + u, every pixel of u uniform within a radius.
///
/// The division by |R(x)|, which makes maps of different units comparable, is that of Quantus 0.6.0 (`MaxSensitivity`)
/// and of Captum; Yeh et al. do not divide.
pub const SENSITIVITY: NetworkMetric =
    NetworkMetric { name: "sensitivity", measures: ABOUT, task: None, needs: Needs::Nothing, compute };

fn compute(probed: &Probed, probe: &dyn Probe) -> Result<Answers, ProbeError> {
    let images = probed.images;
    let maps = probe.explain(images)?;
    let radius = probed.settings.radius as f32;
    let mut largest = vec![f64::NAN; images.len()];
    for draw in 0..probed.settings.draws {
        let mut moved = images.pixels().to_vec();
        for (image, &sample) in moved.chunks_exact_mut(images.shape().values()).zip(probed.samples) {
            let mut rng = stream(probed.settings.seed, &format!("sensitivity {draw}"), sample as u64);
            image.iter_mut().for_each(|pixel| *pixel += rng.random_range(-radius..=radius));
        }
        let others = probe.explain(&RasterStack::of(images.shape(), moved))?;
        for ((largest, map), other) in largest.iter_mut().zip(maps.iter()).zip(others.iter()) {
            *largest = largest.max(relative_distance(map, other));
        }
    }
    let scores = largest.into_iter().enumerate();
    let scores = scores.map(|(index, value)| Score::new(&ABOUT[0], value).of_image(index));
    Ok(scores.collect::<Vec<_>>().into())
}

/// |b - a| / |a|.
pub(super) fn relative_distance(a: Raster, b: Raster) -> f64 {
    let pairs = || a.pixels.iter().zip(b.pixels).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let distance: f64 = pairs().map(|(a, b)| (b - a) * (b - a)).sum();
    let length: f64 = pairs().map(|(a, _)| a * a).sum();
    (distance / length).sqrt()
}
