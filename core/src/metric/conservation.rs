use super::{About, Direction, MapMetric};

/// Sum of relevance over what was distributed, the prediction less the reference: 1 where no bias and no stabiliser took or
/// added any.
pub const CONSERVATION: MapMetric = MapMetric {
    about: About {
        name: "conservation",
        unit: "1",
        direction: Direction::Towards(1.0),
        citation: "Bach et al., PLOS ONE 10 (2015) e0130140, eq. 2, doi 10.1371/journal.pone.0130140",
    },
    compute: |sample| sample.relevance.sum() / (sample.prediction - sample.reference),
};
