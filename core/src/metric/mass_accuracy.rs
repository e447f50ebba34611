use super::{About, Direction, LocalisationMetric, Part, UnitOf};

/// Share of the positive relevance that lies on the sign. On R+ alone, since the total of R may be near 0.
///
/// Quantus 0.6.0 (`RelevanceMassAccuracy`) does not clip a map to its positive part: give it R+ to compare.
pub const MASS_ACCURACY: LocalisationMetric = LocalisationMetric {
    about: About {
        name: "mass_accuracy",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Arras, Osman and Samek, Information Fusion 81 (2022) 14, eq. 2, doi 10.1016/j.inffus.2021.11.008",
    },
    parts: &[Part::Positive],
    compute: |map| {
        let inside: f64 = map.levels.iter().map(|level| level.value * level.inside as f64).sum();
        if map.total > 0.0 { inside / map.total } else { f64::NAN }
    },
    chance: |share| share,
};
