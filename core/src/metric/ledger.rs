//! What layers kept of relevance on its way to the pixels, and whether all of it is accounted for.

use super::{About, Direction, UnitOf};

const CITATION: &str = "Bach et al., PLOS ONE 10 (2015) e0130140, doi 10.1371/journal.pone.0130140";

/// What biases kept, per layer: the mean over images.
pub const KEPT_BY_BIASES: About =
    About { name: "kept_by_biases", unit: UnitOf::Relevance, direction: Direction::None, citation: CITATION };

/// What stabilisers kept, per layer: the mean over images.
pub const KEPT_BY_STABILISERS: About =
    About { name: "kept_by_stabilisers", unit: UnitOf::Relevance, direction: Direction::None, citation: CITATION };

/// The largest share of an explained difference that is found neither in the map nor at a bias or stabiliser; of
/// differences below 1, in their unit. Only rounding, if relevance is conserved.
pub const UNACCOUNTED: About =
    About { name: "relevance_unaccounted", unit: UnitOf::One, direction: Direction::Lower, citation: CITATION };

/// Beyond this, relevance is not conserved: float32 rounding stays below a hundredth of it.
pub const MOST_UNACCOUNTED: f64 = 1e-3;

/// What one layer kept of one image's relevance: by biases, by stabilisers, and the rest.
pub type KeptRelevance = [f32; 3];

/// Means over images of what biases and stabilisers kept, layer by layer. `kept` holds `layers` entries an image.
pub fn kept_by_layers(kept: &[KeptRelevance], layers: usize) -> Vec<[f64; 2]> {
    let images = (kept.len() / layers.max(1)).max(1) as f64;
    let mean = |layer: usize, part: usize| {
        kept.iter().skip(layer).step_by(layers).map(|kept| f64::from(kept[part])).sum::<f64>() / images
    };
    (0..layers).map(|layer| [mean(layer, 0), mean(layer, 1)]).collect()
}

/// [`UNACCOUNTED`] of maps that explain these differences, each the output less the reference.
pub fn unaccounted(kept: &[KeptRelevance], layers: usize, differences: &[f64]) -> f64 {
    let share = |(kept, difference): (&[KeptRelevance], &f64)| {
        let rest: f64 = kept.iter().map(|kept| f64::from(kept[2])).sum();
        rest.abs() / difference.abs().max(1.0)
    };
    kept.chunks(layers.max(1)).zip(differences).map(share).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_told_apart_and_the_worst_image_decides() {
        let kept = [[1.0, 0.5, 0.0], [2.0, 0.0, 0.25], [3.0, 0.5, -0.5], [4.0, 1.0, 0.25]];
        assert_eq!(kept_by_layers(&kept, 2), [[2.0, 0.5], [3.0, 0.5]]);
        assert_eq!(unaccounted(&kept, 2, &[10.0, 0.5]), 0.25);
        assert_eq!(unaccounted(&kept, 2, &[2.0, 10.0]), 0.125);
    }
}
