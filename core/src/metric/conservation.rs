use super::{About, Direction, MapMetric, UnitOf};

/// Sum of relevance over what it is meant to add up to, the output less the explanation's own reference: 1 where no bias and no
/// stabiliser took or added any, and where integrated gradients take enough steps. There is none for explanations that are not
/// meant to add up, such as gradients and occlusion.
pub const CONSERVATION: MapMetric = MapMetric {
    about: About {
        name: "conservation",
        unit: UnitOf::One,
        direction: Direction::Towards(1.0),
        citation: "Bach et al., PLOS ONE 10 (2015) e0130140, eq. 2, doi 10.1371/journal.pone.0130140",
    },
    compute: |sample| sample.total.map(|total| sample.relevance.sum() / total),
};
