use super::{About, Direction, MapMetric, UnitOf};

/// Entropy of the shares |R| / sum |R|: the logarithm of the number of pixels where relevance is spread evenly, 0 where one
/// pixel has all of it. As in Quantus 0.6.0 (`Complexity`).
pub const ENTROPY: MapMetric = MapMetric {
    about: About {
        name: "entropy",
        unit: UnitOf::Nat,
        direction: Direction::Lower,
        citation: "Bhatt, Weller and Moura, IJCAI (2020) 3016, eq. 3, arXiv 2005.00631",
    },
    compute: |sample| {
        let magnitudes = || sample.relevance.pixels.iter().map(|&pixel| f64::from(pixel).abs());
        let total: f64 = magnitudes().sum();
        let terms = magnitudes().filter(|&value| value > 0.0).map(|value| value / total * (value / total).ln());
        Some(if total > 0.0 { -terms.sum::<f64>() } else { f64::NAN })
    },
};
