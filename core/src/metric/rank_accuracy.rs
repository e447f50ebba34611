use super::localisation::BOTH;
use super::{About, Direction, LocalisationMetric, UnitOf};

/// Share of the |S| most relevant pixels that lie on the sign S.
///
/// Where a level of equal relevance is cut, its pixels on the sign count in proportion. Quantus 0.6.0
/// (`RelevanceRankAccuracy`) takes those that its sort happens to put first.
pub const RANK_ACCURACY: LocalisationMetric = LocalisationMetric {
    about: About {
        name: "rank_accuracy",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Arras, Osman and Samek, Information Fusion 81 (2022) 14, eq. 3, doi 10.1016/j.inffus.2021.11.008",
    },
    parts: BOTH,
    compute: |map| {
        let hits = map.levels.iter().map(|level| {
            let taken = map.inside.saturating_sub(level.above).min(level.pixels);
            level.inside as f64 * taken as f64 / level.pixels as f64
        });
        hits.sum::<f64>() / map.inside as f64
    },
    chance: |share| share,
};
