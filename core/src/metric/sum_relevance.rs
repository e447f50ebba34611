use super::{About, Direction, MapMetric};

/// Sum of relevance over a map: what the explanation accounts for, in units of the output.
pub const SUM_RELEVANCE: MapMetric = MapMetric {
    about: About {
        name: "sum_relevance",
        unit: "years",
        direction: Direction::None,
        citation: "Hofmann et al., NeuroImage 261 (2022) 119504, doi 10.1016/j.neuroimage.2022.119504",
    },
    compute: |sample| sample.relevance.sum(),
};
