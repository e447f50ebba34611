//! Sums and fits in `f64` that metrics share.

pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
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
