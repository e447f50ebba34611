use super::{About, Direction, MapMetric, UnitOf};

/// Sum of relevance over a map: what the explanation accounts for.
pub const SUM_RELEVANCE: MapMetric = MapMetric {
    about: About {
        name: "sum_relevance",
        unit: UnitOf::Relevance,
        direction: Direction::None,
        citation: "Hofmann et al., NeuroImage 261 (2022) 119504, doi 10.1016/j.neuroimage.2022.119504",
    },
    compute: |sample| Some(sample.relevance.sum()),
};
