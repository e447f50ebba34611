use super::{About, Direction, EnsembleMetric, UnitOf};

/// Standard deviation (n - 1) of the members' maps over their mean |R|, both summed over all pixels: the coefficient of
/// variation of an explanation. Beyond 1, what a member says of a pixel is on average less than by how much members differ.
pub const ENSEMBLE_RELATIVE_SD: EnsembleMetric = EnsembleMetric {
    about: About {
        name: "ensemble_relative_sd",
        unit: UnitOf::One,
        direction: Direction::Lower,
        citation: "Bykov et al. (2020), arXiv 2006.09000 (a distribution of explanations); Mulye and Valdenegro-Toro \
                   (2024), arXiv 2403.17224 (its coefficient of variation)",
    },
    task: None,
    of_maps: true,
    compute: |sample| {
        let pixels = || sample.maps.iter().flat_map(|map| map.pixels);
        let size = pixels().map(|&r| f64::from(r.abs())).sum::<f64>() / sample.maps.len() as f64;
        sample.moments.deviation().iter().sum::<f64>() / size
    },
};
