use super::localisation::BOTH;
use super::{About, Direction, LocalisationMetric, UnitOf};

/// Area under the receiver operating characteristic: how often a pixel on the sign is more relevant than one beside it,
/// equal relevance counting half. As in Quantus 0.6.0 (`AUC`).
pub const ROC_AUC: LocalisationMetric = LocalisationMetric {
    about: About {
        name: "roc_auc",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Hanley and McNeil, Radiology 143 (1982) 29, doi 10.1148/radiology.143.1.7063747",
    },
    parts: BOTH,
    compute: |map| {
        let outside = map.pixels - map.inside;
        let (mut found, mut won) = (0, 0.0);
        for level in &map.levels {
            let here = level.pixels - level.inside;
            let below = outside - (level.above - found) - here;
            won += level.inside as f64 * (below as f64 + here as f64 / 2.0);
            found += level.inside;
        }
        won / (map.inside as f64 * outside as f64)
    },
    chance: |_| 0.5,
};
