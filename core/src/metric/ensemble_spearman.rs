use super::statistics::{mean, ranks};
use super::{About, Direction, EnsembleMetric, EnsembleSample, UnitOf};

/// Spearman's correlation of two members' maps, in the mean over all pairs of members.
///
/// Over the pixels to which at least one member gives relevance: about an empty background, where most explanations are
/// exactly 0, all members would agree whatever they had learned. It is not defined where a map is the same everywhere.
pub const ENSEMBLE_SPEARMAN: EnsembleMetric = EnsembleMetric {
    about: About {
        name: "ensemble_spearman",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "of explanations as in Adebayo et al., NeurIPS 31 (2018), arXiv 1810.03292; of an ensemble's members \
                   as in Bykov et al. (2020), arXiv 2006.09000",
    },
    task: None,
    of_maps: true,
    compute,
};

/// With ranks as unit vectors u, the sum over pairs of u u' is (|sum u|^2 - n) / 2.
fn compute(sample: &EnsembleSample) -> f64 {
    let area = sample.maps.first().map_or(0, |map| map.pixels.len());
    let told: Vec<usize> = (0..area).filter(|&pixel| sample.maps.iter().any(|map| map.pixels[pixel] != 0.0)).collect();
    let mut sum = vec![0.0; told.len()];
    for map in sample.maps {
        let values: Vec<f64> = told.iter().map(|&pixel| f64::from(map.pixels[pixel])).collect();
        let mut ranks = ranks(&values);
        let centre = mean(ranks.iter().copied());
        ranks.iter_mut().for_each(|rank| *rank -= centre);
        let length = ranks.iter().map(|rank| rank * rank).sum::<f64>().sqrt();
        sum.iter_mut().zip(ranks).for_each(|(sum, rank)| *sum += rank / length);
    }
    let count = sample.maps.len() as f64;
    (sum.iter().map(|sum| sum * sum).sum::<f64>() - count) / (count * (count - 1.0))
}
