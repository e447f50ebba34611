//! Statistics of comparisons: intervals of means, paired and unpaired tests, false-discovery rates, and what a test can detect.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

use crate::metric::statistics;

/// Welch's t test, and the effect size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    pub t: f64,
    pub degrees: f64,
    pub p: f64,
    /// The difference over the pooled standard deviation, corrected for small samples (Hedges 1981).
    pub hedges_g: f64,
}

/// A mean with its interval by Student's t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub count: usize,
    pub mean: f64,
    /// Standard deviation with n - 1; none of a single value.
    pub sd: Option<f64>,
    /// The 95 % interval; none of a single value.
    pub interval: Option<(f64, f64)>,
}

/// A test of paired differences against 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    pub difference: Mean,
    /// Student's t and its two-sided p; none for fewer than two pairs, or differences that do not vary.
    pub test: Option<PairedTest>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    pub t: f64,
    pub p: f64,
    /// Cohen's d of paired values: the mean difference over the standard deviation of the differences.
    pub cohens_dz: f64,
    /// The smallest mean difference that a test with so many pairs finds in 80 % of all repetitions, at p < 0.05, if differences vary as
    /// much as these.
    pub detectable: f64,
}

const LEVEL: f64 = 0.95;
const POWER: f64 = 0.8;

/// The mean of finite values with its 95 % interval; none without a value.
pub fn mean_of(values: impl IntoIterator<Item = f64>) -> Option<Mean> {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mean = statistics::mean(values.iter().copied());
    let sd = (count > 1).then(|| {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (count - 1) as f64).sqrt()
    });
    let interval = sd.map(|sd| {
        let reach = quantile(0.5 + 0.5 * LEVEL, count - 1) * sd / (count as f64).sqrt();
        (mean - reach, mean + reach)
    });
    Some(Mean { count, mean, sd, interval })
}

/// The test of differences between paired values; none without a pair.
pub fn paired(differences: impl IntoIterator<Item = f64>) -> Option<Paired> {
    let difference = mean_of(differences)?;
    let test = difference.sd.filter(|sd| *sd > 0.0).and_then(|sd| {
        let n = difference.count as f64;
        let t = difference.mean / (sd / n.sqrt());
        let distribution = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
        Some(PairedTest {
            t,
            p: 2.0 * distribution.sf(t.abs()),
            cohens_dz: difference.mean / sd,
            detectable: detectable(difference.count) * sd,
        })
    });
    Some(Paired { difference, test })
}

/// The quantile of Student's t: statrs' inverse, made exact by steps of Newton.
fn quantile(share: f64, degrees: usize) -> f64 {
    use statrs::distribution::Continuous;
    let distribution = StudentsT::new(0.0, 1.0, degrees as f64).expect("degrees of freedom are positive");
    let mut at = distribution.inverse_cdf(share);
    for _ in 0..3 {
        at -= (distribution.cdf(at) - share) / distribution.pdf(at);
    }
    at
}

/// The standardised mean difference that a two-sided paired t test at 5 % finds with a power of 80 %, by bisection.
fn detectable(pairs: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while power(high, pairs) < POWER {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if power(middle, pairs) < POWER { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The power of the test for a standardised difference: the probability that a noncentral t is beyond the critical value. It is integrated over
/// the standard deviation that is estimated, whose distribution is that of a chi over its degrees of freedom.
fn power(effect: f64, pairs: usize) -> f64 {
    const STEPS: usize = 2000;
    let degrees = (pairs - 1) as f64;
    let (critical, shift) = (quantile(0.5 + 0.5 * LEVEL, pairs - 1), effect * (pairs as f64).sqrt());
    let normal = Normal::new(0.0, 1.0).expect("the standard normal distribution");
    // The density of s = sqrt(chi^2 / degrees).
    let log_norm = std::f64::consts::LN_2 + 0.5 * degrees * (0.5 * degrees).ln() - ln_gamma(0.5 * degrees);
    let density = |s: f64| {
        if s <= 0.0 {
            return if degrees > 1.0 { 0.0 } else { log_norm.exp() };
        }
        (log_norm + (degrees - 1.0) * s.ln() - 0.5 * degrees * s * s).exp()
    };
    let beyond = |s: f64| normal.cdf(shift - critical * s) + normal.cdf(-shift - critical * s);
    let spread = 12.0 / degrees.sqrt().max(1.0);
    let (from, to) = ((1.0 - spread).max(0.0), 1.0 + spread);
    let width = (to - from) / STEPS as f64;
    // Simpson's rule.
    let weight = |k: usize| {
        if k == 0 || k == STEPS {
            1.0
        } else if k % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    let at = |k: usize| from + width * k as f64;
    (0..=STEPS).map(|k| weight(k) * density(at(k)) * beyond(at(k))).sum::<f64>() * width / 3.0
}

/// Welch's test of two means; none for fewer than two values, or values that do not vary.
pub fn welch(a: &[f64], b: &[f64]) -> Option<Welch> {
    let moments = |values: &[f64]| {
        let (n, mean) = (values.len() as f64, statistics::mean(values.iter().copied()));
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (n, mean, squares / (n - 1.0))
    };
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let ((n_a, mean_a, variance_a), (n_b, mean_b, variance_b)) = (moments(a), moments(b));
    let (error_a, error_b) = (variance_a / n_a, variance_b / n_b);
    if error_a + error_b <= 0.0 {
        return None;
    }
    let t = (mean_a - mean_b) / (error_a + error_b).sqrt();
    let degrees = (error_a + error_b).powi(2) / (error_a.powi(2) / (n_a - 1.0) + error_b.powi(2) / (n_b - 1.0));
    let distribution = StudentsT::new(0.0, 1.0, degrees).ok()?;
    let pooled = ((n_a - 1.0) * variance_a + (n_b - 1.0) * variance_b) / (n_a + n_b - 2.0);
    let small = 1.0 - 3.0 / (4.0 * (n_a + n_b) - 9.0);
    let hedges_g = small * (mean_a - mean_b) / pooled.sqrt();
    Some(Welch { t, degrees, p: 2.0 * distribution.sf(t.abs()), hedges_g })
}

/// For each p value the false-discovery rate at which it is found (Benjamini and Hochberg 1995).
pub fn false_discovery_rates(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    let mut rates = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        let rank = p.len() - place;
        least = least.min(p[index] * p.len() as f64 / rank as f64);
        rates[index] = least;
    }
    rates
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() <= 1e-10 * other.abs().max(1e-3)
    }

    #[test]
    fn tests_and_rates_are_those_of_scipy_and_statsmodels() {
        let text = include_str!("../../tests/fixtures/contrasts.json");
        let known: Value = serde_json::from_str(text).unwrap();
        let numbers = |value: &Value| value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let mut cases = 0;
        for case in known["welch"].as_array().unwrap() {
            let found = welch(&numbers(&case["a"]), &numbers(&case["b"])).unwrap();
            for (value, key) in [(found.t, "t"), (found.degrees, "df"), (found.p, "p"), (found.hedges_g, "g")] {
                assert!(close(value, case[key].as_f64().unwrap()), "{key}: {value} but {}", case[key]);
            }
            cases += 1;
        }
        assert!(cases >= 3);
        let rates = false_discovery_rates(&numbers(&known["p"]));
        for (rate, expected) in rates.iter().zip(numbers(&known["q"])) {
            assert!(close(*rate, expected), "{rate} but {expected}");
        }
        assert_eq!(rates.len(), numbers(&known["q"]).len());
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0]), None);
    }

    #[test]
    fn intervals_and_paired_tests_are_those_of_scipy() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/fixtures/comparison.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let differences = case["differences"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
            let found = paired(differences).unwrap();
            let (test, interval) = (found.test.unwrap(), found.difference.interval.unwrap());
            for (value, key, within) in [
                (found.difference.mean, "mean", 1e-12),
                (interval.0, "low", 1e-9),
                (interval.1, "high", 1e-9),
                (test.t, "t", 1e-9),
                (test.p, "p", 1e-9),
                (test.cohens_dz, "dz", 1e-9),
                (test.detectable, "detectable", 1e-8),
            ] {
                let expected = case[key].as_f64().unwrap();
                assert!(
                    (value - expected).abs() <= within * expected.abs().max(1e-3),
                    "{key}: {value}, not {expected}"
                );
            }
        }
        assert_eq!(cases.as_array().unwrap().len(), 5);
    }

    #[test]
    fn a_single_value_has_no_interval_and_equal_differences_no_test() {
        let one = mean_of([f64::NAN, 3.0]).unwrap();
        assert_eq!((one.count, one.mean, one.sd, one.interval), (1, 3.0, None, None));
        assert_eq!(mean_of([f64::NAN]), None);
        assert_eq!(paired([0.5, 0.5, 0.5]).unwrap().test, None);
        assert_eq!(paired([2.0]).unwrap().test, None);
    }
}
