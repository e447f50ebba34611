use super::localisation::BOTH;
use super::{About, Direction, LocalisationMetric, UnitOf};

/// Whether the most relevant pixel lies on the sign; where several are, the share of them that does.
///
/// Quantus 0.6.0 (`PointingGame`) gives 1 as soon as any of several maxima lies on the sign.
pub const POINTING_GAME: LocalisationMetric = LocalisationMetric {
    about: About {
        name: "pointing_game",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Zhang et al., International Journal of Computer Vision 126 (2018) 1084, \
                   doi 10.1007/s11263-017-1059-x",
    },
    parts: BOTH,
    compute: |map| {
        let top = map.levels.iter().find(|level| level.above == 0);
        top.map_or(0.0, |top| top.inside as f64 / top.pixels as f64)
    },
    chance: |share| share,
};
