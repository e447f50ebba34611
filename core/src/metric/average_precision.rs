use super::localisation::BOTH;
use super::{About, Direction, LocalisationMetric, UnitOf};

/// Area under the curve of precision over recall, in steps: sum over levels of precision times gained recall. Unlike ROC
/// AUC it asks for the sign among the most relevant pixels, which is much harder for a small sign.
pub const AVERAGE_PRECISION: LocalisationMetric = LocalisationMetric {
    about: About {
        name: "average_precision",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Davis and Goadrich, ICML (2006) 233, doi 10.1145/1143844.1143874",
    },
    parts: BOTH,
    compute: |map| {
        let (mut found, mut area) = (0, 0.0);
        for level in &map.levels {
            found += level.inside;
            area += level.inside as f64 * found as f64 / level.end() as f64;
        }
        area / map.inside as f64
    },
    chance: |share| share,
};
