//! Whether a map depends on what the network has learned.

use super::network::Needs;
use super::statistics::spearman;
use super::{About, Answers, Direction, NetworkMetric, Probe, ProbeError, Probed, Score, UnitOf};
use crate::raster::Raster;

const ABOUT: &[About] = &[About {
    name: "randomisation_spearman",
    unit: UnitOf::One,
    direction: Direction::Towards(0.0),
    citation: "Adebayo et al., NeurIPS 31 (2018), section 3.1, arXiv 1810.03292",
}];

/// Layers get random parameters one after the other from the output to the input, and each time the new map's ranks are
/// correlated with the trained network's. The variant is the last layer drawn; at `conv1` nothing learned is left, and
/// correlation that remains shows that the map does not explain the network.
///
/// R is taken with its sign. Pixels outside of the body have no relevance under most rules in either map, which alone makes
/// for some correlation. Quantus 0.6.0 (`MPRT`) computes the same correlation, but scales maps and takes |R| unless told not
/// to, and draws parameters as PyTorch's layers do; here they are Glorot uniform, without biases.
pub const RANDOMISATION: NetworkMetric =
    NetworkMetric { name: "randomisation", measures: ABOUT, task: None, needs: Needs::Nothing, compute };

fn compute(probed: &Probed, probe: &dyn Probe) -> Result<Answers, ProbeError> {
    let maps = probe.explain(probed.images)?;
    let mut scores = Vec::new();
    for (count, layer) in probe.layers().into_iter().enumerate() {
        let score = |index, value| Score::new(&ABOUT[0], value).variant(&layer).of_image(index);
        match probe.explain_randomised(probed.images, count + 1, probed.settings.seed) {
            Ok(others) => {
                let pairs = maps.iter().zip(others.iter()).enumerate();
                scores.extend(pairs.map(|(index, (map, other))| score(index, rank_correlation(map, other))));
            }
            // Some rules divide by sums that cross zero; in a random network they may do so anywhere.
            Err(error) => scores.extend((0..probed.len()).map(|index| {
                let note = Some(error.to_string());
                Score { note, ..score(index, f64::NAN) }
            })),
        }
    }
    Ok(scores.into())
}

/// Spearman's correlation of two maps, pixel by pixel.
pub(super) fn rank_correlation(a: Raster, b: Raster) -> f64 {
    let wide = |map: Raster| map.pixels.iter().map(|&pixel| f64::from(pixel)).collect::<Vec<_>>();
    spearman(&wide(a), &wide(b))
}
