use super::{About, Direction, MapMetric, UnitOf};

/// Gini index of |R|: 0 where relevance is spread evenly over all pixels, 1 - 1/pixels where one has all of it.
///
/// Quantus 0.6.0 (`Sparseness`) adds 1e-7 to every |R|: on maps whose values are not tiny it is the same.
pub const GINI_INDEX: MapMetric = MapMetric {
    about: About {
        name: "gini_index",
        unit: UnitOf::One,
        direction: Direction::Higher,
        citation: "Hurley and Rickard, IEEE Transactions on Information Theory 55 (2009) 4723, \
                   doi 10.1109/TIT.2009.2027527; Chalasani et al., ICML (2020) 1383, arXiv 1810.06583",
    },
    compute: |sample| {
        let mut values: Vec<f32> = sample.relevance.pixels.iter().map(|pixel| pixel.abs()).collect();
        values.sort_unstable_by(f32::total_cmp);
        let count = values.len() as f64;
        let weigh = |(index, &value): (usize, &f32)| (2.0 * (index as f64 + 1.0) - count - 1.0) * f64::from(value);
        let weighed: f64 = values.iter().enumerate().map(weigh).sum();
        Some(weighed / (count * values.iter().map(|&value| f64::from(value)).sum::<f64>()))
    },
};
