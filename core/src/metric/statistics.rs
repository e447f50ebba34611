//! Sums and fits in `f64` that metrics share.

use crate::alive;

pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Mean of those values that are defined; NaN where none is.
pub fn mean_of_defined(values: impl Iterator<Item = f64>) -> f64 {
    let defined: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    mean(defined.into_iter())
}

/// Least squares of `y` on `x`: `y = intercept + slope x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub slope: f64,
    pub intercept: f64,
    /// Pearson's correlation coefficient.
    pub r: f64,
}

/// The regression line through pairs. Slope and correlation are NaN where `x` or (for `r`) `y` does not vary.
pub fn line(x: &[f64], y: &[f64]) -> Line {
    assert_eq!(x.len(), y.len(), "pairs");
    let (mean_x, mean_y) = (mean(x.iter().copied()), mean(y.iter().copied()));
    let (mut sxx, mut sxy, mut syy) = (0.0, 0.0, 0.0);
    for (&x, &y) in x.iter().zip(y) {
        sxx += (x - mean_x) * (x - mean_x);
        sxy += (x - mean_x) * (y - mean_y);
        syy += (y - mean_y) * (y - mean_y);
    }
    let slope = if sxx > 0.0 { sxy / sxx } else { f64::NAN };
    let r = if sxx > 0.0 && syy > 0.0 { (sxy / (sxx.sqrt() * syy.sqrt())).clamp(-1.0, 1.0) } else { f64::NAN };
    Line { slope, intercept: mean_y - slope * mean_x, r }
}

/// Pearson's correlation coefficient; NaN where either does not vary.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    line(x, y).r
}

/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    alive::tick();
    pearson(&ranks(x), &ranks(y))
}

/// Spearman's correlation of `x` and `y` where `given` is held constant (partial rank correlation; Kendall and Stuart, The
/// Advanced Theory of Statistics 2 (1961), 27.5, on ranks): that of what a line through the ranks of `given` leaves of
/// each. Spearman's own where `given` does not vary, and NaN where nothing is left of either.
pub fn partial_spearman(x: &[f64], y: &[f64], given: &[f64]) -> f64 {
    let given = ranks(given);
    let left = |values: &[f64]| -> Option<Vec<f64>> {
        let ranks = ranks(values);
        let line = line(&given, &ranks);
        if !line.slope.is_finite() {
            return Some(ranks);
        }
        // Of ranks that a line meets, rounding alone is left.
        let all_met = 1.0 - line.r * line.r < 1e-12;
        let rest = ranks.iter().zip(&given).map(|(rank, given)| rank - line.intercept - line.slope * given);
        (!all_met).then(|| rest.collect())
    };
    match (left(x), left(y)) {
        (Some(x), Some(y)) => pearson(&x, &y),
        _ => f64::NAN,
    }
}

/// Ranks from 1, equal values sharing the mean of theirs.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = first as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&index| ranks[index] = shared);
        first += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_correlation_is_that_of_the_textbook() {
        let x = [1.0, 2.0, 4.0, 3.0, 6.0, 5.0, 8.0, 7.0];
        let y = [2.0, 1.0, 3.0, 5.0, 4.0, 7.0, 6.0, 8.0];
        let given = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let [xy, xz, yz] = [(&x, &y), (&x, &given), (&y, &given)].map(|(a, b)| spearman(a, b));
        let formula = (xy - xz * yz) / ((1.0 - xz * xz) * (1.0 - yz * yz)).sqrt();
        assert!((partial_spearman(&x, &y, &given) - formula).abs() < 1e-12);
        assert!((formula - xy).abs() > 0.1, "the example tells them apart");
    }

    #[test]
    fn what_grows_with_the_given_alone_has_no_partial_correlation() {
        let given: Vec<f64> = (0..20).map(f64::from).collect();
        let squares: Vec<f64> = given.iter().map(|x| x * x).collect();
        let other: Vec<f64> = (0..20).map(|k| f64::from(k * 7 % 20)).collect();
        assert!(partial_spearman(&squares, &other, &given).is_nan());
        assert_eq!(partial_spearman(&squares, &other, &[1.0; 20]), spearman(&squares, &other));
    }
}
