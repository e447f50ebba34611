//! The ages of a data set.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::{Distribution as _, Normal};

use super::settings::{Distribution, PumpkinSettings};
use crate::seed;

/// Standard deviation of the ages around a target bias, in years.
const BIAS_SD: f64 = 4.0;

/// Draws the age in years of every sample, between `min_age` and `max_age`.
///
/// Uniform: every age is equally likely. Biased: a share of `skew_factor` is uniform between the limits and rounded, so
/// that the youngest and the oldest age are half as likely as others; the rest is normal around `target_bias`, and
/// what falls outside the limits is replaced by a uniform age; then all are shuffled.
///
/// # Panics
/// Panics when `min_age > max_age`, or when a biased distribution has no finite `target_bias`; see [`PumpkinSettings::validate`].
pub fn draw_ages(settings: &PumpkinSettings) -> Vec<u32> {
    let limits = settings.min_age..=settings.max_age;
    let mut rng = seed::stream(settings.seed, "ages", 0);
    match settings.distribution {
        Distribution::Uniform => (0..settings.n_samples).map(|_| rng.random_range(limits.clone())).collect(),
        Distribution::Biased => {
            let bias = settings.target_bias.expect("a biased distribution has a target bias");
            let around_bias = Normal::new(bias, BIAS_SD).expect("a target bias is finite");
            let (min, max) = (f64::from(settings.min_age), f64::from(settings.max_age));
            let spread = share(settings.n_samples, settings.skew_factor);
            let mut ages: Vec<u32> = (0..settings.n_samples)
                .map(|sample| {
                    let age = if sample < spread { rng.random_range(min..=max) } else { around_bias.sample(&mut rng) };
                    let age = age.round();
                    if (min..=max).contains(&age) { age as u32 } else { rng.random_range(limits.clone()) }
                })
                .collect();
            ages.shuffle(&mut rng);
            ages
        }
    }
}

/// The whole part of `count * factor`, where a product such as 100 x 0.29 counts as the whole number it is meant to be.
fn share(count: usize, factor: f64) -> usize {
    (count as f64 * factor + 1e-6) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 100_000;

    fn histogram(settings: &PumpkinSettings) -> Vec<f64> {
        let mut counts = vec![0.0; 121];
        for age in draw_ages(settings) {
            counts[age as usize] += 1.0;
        }
        counts
    }

    /// Whether a count is within five standard deviations of what is expected.
    fn near(count: f64, expected: f64) -> bool {
        (count - expected).abs() < 5.0 * expected.max(1.0).sqrt()
    }

    #[test]
    fn uniform_ages_are_equally_likely() {
        let counts = histogram(&PumpkinSettings { n_samples: N, ..PumpkinSettings::default() });
        assert!(counts[20..=80].iter().all(|&count| near(count, N as f64 / 61.0)));
        assert_eq!(counts[20..=80].iter().sum::<f64>(), N as f64);
    }

    #[test]
    fn biased_ages_are_four_fifths_uniform_with_halved_ends_and_gather_around_the_bias() {
        let settings = PumpkinSettings {
            n_samples: N,
            distribution: Distribution::Biased,
            target_bias: Some(55.0),
            ..PumpkinSettings::default()
        };
        let counts = histogram(&settings);
        let uniform = 0.8 * N as f64 / 60.0;
        assert!(near(counts[20], uniform / 2.0) && near(counts[80], uniform / 2.0));
        assert!(counts[21..=35].iter().all(|&count| near(count, uniform)));
        let density = |z: f64| (-z * z / 2.0).exp() / (std::f64::consts::TAU.sqrt() * BIAS_SD);
        for (age, z) in [(55, 0.0), (51, 1.0), (63, 2.0)] {
            assert!(near(counts[age], uniform + 0.2 * N as f64 * density(z)), "age {age}");
        }
    }

    #[test]
    fn ages_beyond_the_limits_become_uniform_ones() {
        let settings = PumpkinSettings {
            n_samples: N,
            distribution: Distribution::Biased,
            target_bias: Some(30.0),
            skew_factor: 0.0,
            min_age: 30,
            max_age: 90,
            ..PumpkinSettings::default()
        };
        let counts = histogram(&settings);
        // P(N(30, 4) rounds to 29 or less) = P(Z < -0.125) = 0.45026
        let replaced = 0.45026 * N as f64 / 61.0;
        assert!(counts[60..=90].iter().all(|&count| near(count, replaced)));
        assert_eq!(counts[30..=90].iter().sum::<f64>(), N as f64);
    }

    /// The data set is split by index, so every part of it must have its share of the ages around the bias.
    #[test]
    fn biased_ages_are_spread_over_the_whole_data_set() {
        let settings = PumpkinSettings {
            n_samples: N,
            distribution: Distribution::Biased,
            target_bias: Some(55.0),
            ..PumpkinSettings::default()
        };
        let ages = draw_ages(&settings);
        let is_near = |age: &u32| (47..=63).contains(age);
        let share = ages.iter().filter(|age| is_near(age)).count() as f64 / N as f64;
        for part in ages.chunks(N / 10) {
            let found = part.iter().filter(|age| is_near(age)).count() as f64;
            assert!(near(found, share * (N / 10) as f64), "{found} of {} ages are near the bias", N / 10);
        }
    }

    #[test]
    fn shares_are_floored_as_written() {
        assert_eq!(share(2000, 0.8), 1600);
        assert_eq!(share(101, 0.8), 80);
        assert_eq!(share(100, 0.29), 29);
    }
}
