//! Curves through points: polynomials with their confidence, densities, and intervals of means.

use std::f64::consts::{SQRT_2, TAU};

use nalgebra::{DMatrix, DVector};
use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

use crate::metric::statistics::line;

/// A diagonal entry of R below this share of the first one means that the points do not determine the polynomial.
const RANK_TOLERANCE: f64 = 1e-9;

/// "r = 0.53", or why there is no correlation.
pub fn told_correlation(points: &[(f64, f64)]) -> String {
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let r = line(&x, &y).r;
    if r.is_finite() { format!("r = {r:.2}") } else { "no correlation: it does not vary".to_owned() }
}

/// The two-sided 95 % quantile of Student's t.
pub fn t_95(degrees: usize) -> f64 {
    const UPPER: f64 = 0.975;
    let Ok(t) = StudentsT::new(0.0, 1.0, degrees as f64) else {
        return f64::INFINITY;
    };
    // The inversion of statrs ends early for many degrees of freedom (7e-6 off at 100,000); a step of Newton's corrects it.
    let near = t.inverse_cdf(UPPER);
    near + (UPPER - t.cdf(near)) / t.pdf(near)
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
    coefficients: DVector<f64>,
    /// Covariance of the coefficients.
    covariance: DMatrix<f64>,
    /// The quantile of Student's t that its intervals reach.
    quantile: f64,
}

impl Polynomial {
    /// Fits a polynomial of this `degree` to points (x, y), by QR decomposition. None where the points do not determine it.
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
        let power = |row: usize, term: usize| ((points[row].0 - centre) / scale).powi(term as i32);
        let qr = DMatrix::from_fn(points.len(), terms, power).qr();
        let r = qr.r();
        if r.diagonal().iter().any(|entry| entry.abs() < RANK_TOLERANCE * r[(0, 0)].abs()) {
            return None;
        }
        // Of y turned by the transpose of Q, the first entries give the coefficients, and the others are the residuals.
        let mut turned = DVector::from_iterator(points.len(), points.iter().map(|point| point.1));
        qr.q_tr_mul(&mut turned);
        let coefficients = r.solve_upper_triangular(&turned.rows(0, terms))?;
        let inverse = r.solve_upper_triangular(&DMatrix::identity(terms, terms))?;
        let degrees_of_freedom = points.len() - terms;
        let variance = turned.rows(terms, degrees_of_freedom).norm_squared() / degrees_of_freedom as f64;
        let covariance = &inverse * inverse.transpose() * variance;
        Some(Self { centre, scale, coefficients, covariance, quantile: t_95(degrees_of_freedom) })
    }

    /// The powers of a place in the polynomial's own variable.
    fn powers(&self, x: f64) -> DVector<f64> {
        let x = (x - self.centre) / self.scale;
        DVector::from_fn(self.coefficients.len(), |term, _| x.powi(term as i32))
    }

    pub fn at(&self, x: f64) -> f64 {
        self.powers(x).dot(&self.coefficients)
    }

    /// The pointwise 95 % confidence interval of the curve.
    pub fn interval(&self, x: f64) -> (f64, f64) {
        let powers = self.powers(x);
        let variance = powers.dot(&(&self.covariance * &powers));
        let (middle, reach) = (self.at(x), self.quantile * variance.max(0.0).sqrt());
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

    /// The density at `x` of values that lie between `low` and `high` by definition: what the kernels place outside is
    /// reflected, so that the density does not drop at the ends (Silverman, Density Estimation, 1986, 2.10).
    pub fn between(&self, (low, high): (f64, f64), x: f64) -> f64 {
        self.at(x) + self.at(2.0 * low - x) + self.at(2.0 * high - x)
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

    /// What of the grid lies within ranges of x and y: as (x, y, z).
    pub fn within(&self, x: (f64, f64), y: (f64, f64)) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
        let inside = |values: &[f64], (low, high): (f64, f64)| -> Vec<usize> {
            (0..values.len()).filter(|&at| (low..=high).contains(&values[at])).collect()
        };
        let (columns, rows) = (inside(&self.x, x), inside(&self.y, y));
        let z = rows.iter().map(|&row| columns.iter().map(|&column| self.z[row][column]).collect()).collect();
        let at = |values: &[f64], places: &[usize]| places.iter().map(|&place| values[place]).collect();
        (at(&self.x, &columns), at(&self.y, &rows), z)
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
            let reach = 2.306004135204166 * (10.0 / 8.0 * (0.1 + (x - 2.0_f64).powi(2) / sxx)).sqrt();
            let (low, high) = fit.interval(x);
            assert!((low - (2.0 * x - reach)).abs() < 1e-12 && (high - (2.0 * x + reach)).abs() < 1e-12);
        }
    }

    #[test]
    fn quantiles_of_t_are_those_of_scipy() {
        // scipy.stats.t.ppf(0.975, degrees), which agree with mpmath at 40 digits.
        let known = [
            (1, 12.706204736174694),
            (2, 4.302652729749462),
            (3, 3.1824463052837078),
            (5, 2.5705818356363146),
            (10, 2.228138851986274),
            (11, 2.200985160091639),
            (60, 2.0002978220142604),
            (1000, 1.9623390808264083),
        ];
        for (degrees, quantile) in known {
            assert!((t_95(degrees) - quantile).abs() < 1e-12 * quantile, "{degrees}: {}", t_95(degrees));
        }
        assert!((t_95(100_000) - 1.9599877075346095).abs() < 1e-9);
        assert_eq!(t_95(0), f64::INFINITY);
        let all: Vec<f64> = (1..=3000).map(t_95).collect();
        assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "every degree of freedom narrows an interval");
    }

    #[test]
    fn points_that_leave_a_polynomial_open_have_none() {
        // Three places, on which cubics can differ.
        let points: Vec<(f64, f64)> = (0..12).map(|k| (f64::from(k % 3), f64::from(k))).collect();
        assert!(Polynomial::fit(&points, 2).is_some() && Polynomial::fit(&points, 3).is_none());
    }

    #[test]
    fn means_have_intervals_of_t() {
        let (mean, interval) = mean_interval([1.0, 2.0, 3.0, f64::NAN]).unwrap();
        assert!(
            (mean - 2.0).abs() < 1e-12 && (interval.unwrap().1 - 2.0 - 4.302652729749462 / 3_f64.sqrt()).abs() < 1e-12
        );
        assert_eq!(mean_interval([7.0]), Some((7.0, None)));
        assert_eq!(mean_interval([]), None);
    }

    #[test]
    fn densities_integrate_to_one_and_levels_hold_their_share() {
        let values: Vec<f64> = (0..200).map(|k| f64::from(k * 37 % 101)).collect();
        let density = Density::new(&values).unwrap();
        let area: f64 = steps(-100.0, 200.0, 3001).map(|x| 0.1 * density.at(x)).sum();
        assert!((area - 1.0).abs() < 1e-3, "{area}");
        let inside: f64 = steps(0.0, 100.0, 1001).map(|x| 0.1 * density.between((0.0, 100.0), x)).sum();
        assert!((inside - 1.0).abs() < 2e-3, "{inside}");
        let (end, middle) = (density.between((0.0, 100.0), 0.0), density.between((0.0, 100.0), 50.0));
        assert!((end / middle - 1.0).abs() < 0.1 && density.at(0.0) < 0.6 * density.at(50.0), "{end} and {middle}");
        assert!(Density::new(&[4.0, 4.0]).is_none() && Density::new(&[]).is_none());

        let points: Vec<(f64, f64)> = values.iter().zip(&values[50..]).map(|(&x, &y)| (x, y + 0.5 * x)).collect();
        let joint = JointDensity::new(&points, 60).unwrap();
        let [half, most] = joint.levels(&[0.5, 0.9])[..] else { unreachable!() };
        let mass = |level: f64| joint.z.iter().flatten().filter(|&&z| z >= level).sum::<f64>();
        let whole = mass(0.0);
        assert!(half > most && (mass(half) / whole - 0.5).abs() < 0.01 && (mass(most) / whole - 0.9).abs() < 0.01);
        let (x, y, z) = joint.within((10.0, 60.0), (20.0, 90.0));
        assert!(x.iter().all(|x| (10.0..=60.0).contains(x)) && y.iter().all(|y| (20.0..=90.0).contains(y)));
        let (column, row) = (joint.x.iter().position(|&at| at == x[3]), joint.y.iter().position(|&at| at == y[2]));
        assert_eq!((z.len(), z[0].len(), z[2][3]), (y.len(), x.len(), joint.z[row.unwrap()][column.unwrap()]));
        assert!(JointDensity::new(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)], 10).is_none());
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
