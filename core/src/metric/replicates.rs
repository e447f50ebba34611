//! Scores over replicates: runs that differ by their seeds alone.
//!
//! A replicate's score is one draw, so that means and their uncertainty are taken over replicates, not over images.

use rand::RngExt;
use std::collections::BTreeMap;

use super::statistics::mean;
use crate::seed::stream;

/// How an interval is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How often replicates are drawn anew.
    pub resamples: usize,
    /// Share of the resampled means that the interval holds, such as 0.95.
    pub level: f64,
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 10_000, level: 0.95, seed: 0 }
    }
}

/// A mean over replicates and the interval of its bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// How many replicates were averaged.
    pub replicates: usize,
}

/// Mean of replicates with its percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap (1993), 13.3):
/// the quantiles of the means of as many replicates drawn with replacement. Values that are not finite are left out; nothing
/// where none is left. One replicate has an interval of no width, and of few the interval is too narrow.
pub fn interval(values: &[f64], bootstrap: &Bootstrap) -> Option<Interval> {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        return None;
    }
    let mut rng = stream(bootstrap.seed, "bootstrap", 0);
    let mut means: Vec<f64> = (0..bootstrap.resamples.max(1))
        .map(|_| mean((0..values.len()).map(|_| values[rng.random_range(0..values.len())])))
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let beyond = (1.0 - bootstrap.level) / 2.0;
    Some(Interval {
        mean: mean(values.iter().copied()),
        low: quantile(&means, beyond),
        high: quantile(&means, 1.0 - beyond),
        replicates: values.len(),
    })
}

/// The interval of `a - b`, paired: the difference is taken within replicates of the same seeds, so that what a seed does to
/// both falls out. Seeds that only one of the two has are left out.
pub fn paired_difference<S: Ord + Copy>(a: &[(S, f64)], b: &[(S, f64)], bootstrap: &Bootstrap) -> Option<Interval> {
    let of_b: BTreeMap<S, f64> = b.iter().copied().collect();
    let pairs = a.iter().filter_map(|(seed, a)| Some(a - of_b.get(seed)?));
    interval(&pairs.collect::<Vec<f64>>(), bootstrap)
}

/// Quantile of sorted values, interpolated linearly.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_true_mean_about_as_often_as_it_says() {
        use rand_distr::{Distribution, Normal};
        let normal = Normal::new(5.0, 2.0).unwrap();
        let bootstrap = Bootstrap { resamples: 400, level: 0.9, seed: 1 };
        let experiments = 400;
        let hits = (0..experiments).filter(|&experiment| {
            let mut rng = stream(7, "experiment", experiment);
            let values: Vec<f64> = (0..30).map(|_| normal.sample(&mut rng)).collect();
            let found = interval(&values, &bootstrap).unwrap();
            assert!(found.low <= found.mean && found.mean <= found.high);
            (found.low..=found.high).contains(&5.0)
        });
        let share = hits.count() as f64 / experiments as f64;
        // A standard error is 0.015, and thirty values make percentile intervals too narrow by about 0.02.
        assert!((0.83..=0.94).contains(&share), "{share}");
    }

    #[test]
    fn the_bootstrap_of_two_values_is_known() {
        // Means of two draws from {0, 1} are 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4.
        let of = |level| interval(&[0.0, 1.0], &Bootstrap { level, ..Bootstrap::default() }).unwrap();
        assert_eq!((of(0.9).low, of(0.9).mean, of(0.9).high), (0.0, 0.5, 1.0));
        assert_eq!((of(0.3).low, of(0.3).high), (0.5, 0.5));
    }

    #[test]
    fn what_is_not_defined_is_left_out() {
        let bootstrap = Bootstrap::default();
        assert_eq!(interval(&[f64::NAN], &bootstrap), None);
        let one = interval(&[f64::NAN, 3.0], &bootstrap).unwrap();
        assert_eq!(one, Interval { mean: 3.0, low: 3.0, high: 3.0, replicates: 1 });
    }

    #[test]
    fn pairing_takes_out_what_seeds_share() {
        // Seeds differ by far more than the two settings do.
        let a: Vec<(u64, f64)> =
            (0..8).map(|seed| (seed, 100.0 * seed as f64 + 1.0 + 0.1 * (seed % 3) as f64)).collect();
        let mut b: Vec<(u64, f64)> = (0..8).map(|seed| (seed, 100.0 * seed as f64)).collect();
        b.reverse();
        b.push((99, 1e9));
        let bootstrap = Bootstrap::default();
        let paired = paired_difference(&a, &b, &bootstrap).unwrap();
        assert_eq!(paired.replicates, 8);
        assert!((paired.mean - 1.0875).abs() < 1e-9 && paired.low > 1.0 && paired.high < 1.2);
        let alone = interval(&a.iter().map(|pair| pair.1).collect::<Vec<_>>(), &bootstrap).unwrap();
        assert!(alone.high - alone.low > 100.0);
        assert_eq!(paired, paired_difference(&a, &b, &bootstrap).unwrap(), "the seed decides");
    }
}
