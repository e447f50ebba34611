//! Curves through points: polynomials with their confidence, densities, and intervals of means.

use std::f64::consts::{SQRT_2, TAU};

/// Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom.
const T_95: [f64; 10] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281];
/// The same of the normal distribution.
const Z_95: f64 = 1.959_964;

/// The two-sided 95 % quantile of Student's t (Abramowitz and Stegun 26.7.5 beyond 10 degrees of freedom).
pub fn t_95(degrees: usize) -> f64 {
    match degrees {
        0 => f64::INFINITY,
        1..=10 => T_95[degrees - 1],
        _ => {
            let (z, n) = (Z_95, degrees as f64);
            let first = (z.powi(3) + z) / 4.0;
            let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
            let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
            z + first / n + second / n.powi(2) + third / n.powi(3)
        }
    }
}

/// Mean of the finite values with its 95 % interval by Student's t; no interval for fewer than two values.
pub fn mean_interval(values: impl IntoIterator<Item = f64>) -> Option<(f64, Option<(f64, f64)>)> {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return Some((mean, None));
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let reach = t_95(values.len() - 1) * (variance / n).sqrt();
    Some((mean, Some((mean - reach, mean + reach))))
}

/// The middle value, or the mean of both middle ones; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(0.5 * (sorted[middle - 1] + sorted[middle])),
    }
}

/// Points (x, y) of a curve.
pub type Curve = Vec<(f64, f64)>;

/// A band around a curve: (x, low, high).
pub type Band = Vec<(f64, f64, f64)>;

/// A polynomial of least squares, in a variable shifted and scaled for the sake of its numbers.
#[derive(Debug, Clone)]
pub struct Polynomial {
    centre: f64,
    scale: f64,
    coefficients: Vec<f64>,
    /// Covariance of the coefficients.
    covariance: Vec<Vec<f64>>,
    degrees_of_freedom: usize,
}

impl Polynomial {
    /// Fits a polynomial of this `degree` to points (x, y). None where the points do not determine it.
    pub fn fit(points: &[(f64, f64)], degree: usize) -> Option<Self> {
        let terms = degree + 1;
        if points.len() <= terms {
            return None;
        }
        let low = points.iter().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
        let (centre, scale) = (0.5 * (low + high), 0.5 * (high - low));
        if scale.is_nan() || scale <= 0.0 {
            return None;
        }
        let row = |x: f64| powers((x - centre) / scale, terms);
        let mut normal = vec![vec![0.0; terms]; terms];
        let mut moments = vec![0.0; terms];
        for &(x, y) in points {
            let row = row(x);
            for i in 0..terms {
                moments[i] += row[i] * y;
                for j in 0..terms {
                    normal[i][j] += row[i] * row[j];
                }
            }
        }
        let inverse = invert(normal)?;
        let coefficients: Vec<f64> = inverse.iter().map(|line| dot(line, &moments)).collect();
        let squares: f64 = points.iter().map(|&(x, y)| (y - dot(&row(x), &coefficients)).powi(2)).sum();
        let degrees_of_freedom = points.len() - terms;
        let variance = squares / degrees_of_freedom as f64;
        let covariance = inverse.into_iter().map(|line| line.into_iter().map(|v| v * variance).collect()).collect();
        Some(Self { centre, scale, coefficients, covariance, degrees_of_freedom })
    }

    pub fn at(&self, x: f64) -> f64 {
        dot(&powers((x - self.centre) / self.scale, self.coefficients.len()), &self.coefficients)
    }

    /// The pointwise 95 % confidence interval of the curve.
    pub fn interval(&self, x: f64) -> (f64, f64) {
        let row = powers((x - self.centre) / self.scale, self.coefficients.len());
        let variance: f64 = row.iter().zip(&self.covariance).map(|(value, line)| value * dot(line, &row)).sum();
        let (middle, reach) = (self.at(x), t_95(self.degrees_of_freedom) * variance.max(0.0).sqrt());
        (middle - reach, middle + reach)
    }

    /// The curve at 101 places from `low` to `high`: points, and the band (x, low, high).
    pub fn curve(&self, low: f64, high: f64) -> (Curve, Band) {
        let places = || steps(low, high, 101);
        let band = |x| {
            let (below, above) = self.interval(x);
            (x, below, above)
        };
        (places().map(|x| (x, self.at(x))).collect(), places().map(band).collect())
    }
}

/// `count` equally spaced numbers from `low` to `high`.
pub fn steps(low: f64, high: f64, count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |k| low + (high - low) * k as f64 / (count - 1) as f64)
}

fn powers(x: f64, terms: usize) -> Vec<f64> {
    std::iter::successors(Some(1.0), |power| Some(power * x)).take(terms).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gauss and Jordan's inverse with the largest pivot of each column; none of a singular matrix.
fn invert(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = matrix.len();
    let mut inverse: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-9 {
            return None;
        }
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let divisor = matrix[column][column];
        for value in matrix[column].iter_mut().chain(&mut inverse[column]) {
            *value /= divisor;
        }
        let (from, into) = (matrix[column].clone(), inverse[column].clone());
        for row in (0..n).filter(|&row| row != column) {
            let factor = matrix[row][column];
            for k in 0..n {
                matrix[row][k] -= factor * from[k];
                inverse[row][k] -= factor * into[k];
            }
        }
    }
    Some(inverse)
}

/// A Gaussian kernel density with Scott's bandwidth, which integrates to 1.
pub struct Density {
    values: Vec<f64>,
    bandwidth: f64,
}

impl Density {
    /// None where there are fewer than two different values.
    pub fn new(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let bandwidth = variance.sqrt() * n.powf(-0.2);
        (bandwidth > 0.0).then(|| Self { values: values.to_vec(), bandwidth })
    }

    pub fn at(&self, x: f64) -> f64 {
        let kernel = |value: &f64| (-0.5 * ((x - value) / self.bandwidth).powi(2)).exp();
        self.values.iter().map(kernel).sum::<f64>() / (self.values.len() as f64 * self.bandwidth * TAU.sqrt())
    }
}

/// A Gaussian kernel density of pairs on a grid, along their own axes, with Scott's bandwidth.
pub struct JointDensity {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// `z[row][column]` at `(x[column], y[row])`.
    pub z: Vec<Vec<f64>>,
}

impl JointDensity {
    /// The density at `grid` x `grid` places. None where the pairs do not vary in both directions.
    pub fn new(points: &[(f64, f64)], grid: usize) -> Option<Self> {
        let n = points.len() as f64;
        let mean = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (dx, dy) in points.iter().map(|point| (point.0 - mean.0, point.1 - mean.1)) {
            xx += dx * dx / (n - 1.0);
            xy += dx * dy / (n - 1.0);
            yy += dy * dy / (n - 1.0);
        }
        // Scott's factor in two dimensions is n^(-1/6); the kernel's covariance is its square times that of the pairs.
        let shrink = n.powf(-1.0 / 3.0);
        let (xx, xy, yy) = (xx * shrink, xy * shrink, yy * shrink);
        let determinant = xx * yy - xy * xy;
        if determinant.is_nan() || determinant <= 1e-12 * xx * yy {
            return None;
        }
        let reach = |of: fn(&(f64, f64)) -> f64, deviation: f64| {
            let values = || points.iter().map(of);
            let room = 2.0 * SQRT_2 * deviation;
            (values().fold(f64::INFINITY, f64::min) - room, values().fold(f64::NEG_INFINITY, f64::max) + room)
        };
        let ((left, right), (low, high)) = (reach(|p| p.0, xx.sqrt()), reach(|p| p.1, yy.sqrt()));
        let (x, y): (Vec<f64>, Vec<f64>) = (steps(left, right, grid).collect(), steps(low, high, grid).collect());
        let kernel = |dx: f64, dy: f64| (-0.5 * (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / determinant).exp();
        let at = |x: f64, y: f64| points.iter().map(|point| kernel(x - point.0, y - point.1)).sum::<f64>();
        let z = y.iter().map(|&y| x.iter().map(|&x| at(x, y)).collect()).collect();
        Some(Self { x, y, z })
    }

    /// Heights above which the given shares of the whole mass lie.
    pub fn levels(&self, shares: &[f64]) -> Vec<f64> {
        let mut heights: Vec<f64> = self.z.iter().flatten().copied().collect();
        heights.sort_by(|a, b| b.total_cmp(a));
        let whole: f64 = heights.iter().sum();
        let level = |share: &f64| {
            let mut inside = 0.0;
            let last = heights.iter().find(|&&height| {
                inside += height;
                inside >= share * whole
            });
            *last.unwrap_or(&0.0)
        };
        shares.iter().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cubic_is_found_again() {
        let cubic = |x: f64| 3.0 - 0.2 * x + 0.01 * x * x - 0.0004 * x * x * x;
        let points: Vec<(f64, f64)> = (20..=80).map(|x| (f64::from(x), cubic(f64::from(x)))).collect();
        let fit = Polynomial::fit(&points, 3).unwrap();
        for x in [20.0, 37.5, 80.0] {
            assert!((fit.at(x) - cubic(x)).abs() < 1e-9);
            assert!(fit.interval(x).1 - fit.interval(x).0 < 1e-6);
        }
        assert!(Polynomial::fit(&points[..4], 3).is_none());
        assert!(Polynomial::fit(&[(5.0, 1.0), (5.0, 2.0), (5.0, 3.0)], 1).is_none());
    }

    #[test]
    fn the_band_of_a_line_is_that_of_the_textbook() {
        // Points with residuals +1 and -1 in turn: s^2 = 10 / 8.
        let points: Vec<(f64, f64)> =
            (0..10).map(|k| (f64::from(k / 2), 2.0 * f64::from(k / 2) + if k % 2 == 0 { 1.0 } else { -1.0 })).collect();
        let fit = Polynomial::fit(&points, 1).unwrap();
        let sxx = 2.0 * (4.0 + 1.0 + 0.0 + 1.0 + 4.0);
        for x in [0.0, 2.0, 3.5] {
            let reach = 2.3060 * (10.0 / 8.0 * (0.1 + (x - 2.0_f64).powi(2) / sxx)).sqrt();
            let (low, high) = fit.interval(x);
            assert!((low - (2.0 * x - reach)).abs() < 1e-4 && (high - (2.0 * x + reach)).abs() < 1e-4);
        }
    }

    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        for (degrees, quantile) in [(1, 12.706), (4, 2.776), (11, 2.201), (20, 2.086), (60, 2.000), (1000, 1.962)] {
            assert!((t_95(degrees) - quantile).abs() < 1e-3, "{degrees}");
        }
        let (mean, interval) = mean_interval([1.0, 2.0, 3.0, f64::NAN]).unwrap();
        assert!((mean - 2.0).abs() < 1e-12 && (interval.unwrap().1 - 2.0 - 4.3027 / 3_f64.sqrt()).abs() < 1e-4);
        assert_eq!(mean_interval([7.0]), Some((7.0, None)));
        assert_eq!(mean_interval([]), None);
    }

    #[test]
    fn densities_integrate_to_one_and_levels_hold_their_share() {
        let values: Vec<f64> = (0..200).map(|k| f64::from(k * 37 % 101)).collect();
        let density = Density::new(&values).unwrap();
        let area: f64 = steps(-100.0, 200.0, 3001).map(|x| 0.1 * density.at(x)).sum();
        assert!((area - 1.0).abs() < 1e-3, "{area}");
        assert!(Density::new(&[4.0, 4.0]).is_none() && Density::new(&[]).is_none());

        let points: Vec<(f64, f64)> = values.iter().zip(&values[50..]).map(|(&x, &y)| (x, y + 0.5 * x)).collect();
        let joint = JointDensity::new(&points, 60).unwrap();
        let [half, most] = joint.levels(&[0.5, 0.9])[..] else { unreachable!() };
        let mass = |level: f64| joint.z.iter().flatten().filter(|&&z| z >= level).sum::<f64>();
        let whole = mass(0.0);
        assert!(half > most && (mass(half) / whole - 0.5).abs() < 0.01 && (mass(most) / whole - 0.9).abs() < 0.01);
        assert!(JointDensity::new(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)], 10).is_none());
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
