//! Numbers of signs: rounded normal numbers between limits.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};

/// Draws a rounded N(mean, sd) on the condition that it is one of 0..=max.
///
/// Where the condition has practically no mass, more than 8 standard deviations beyond a limit, it is that limit.
pub(super) fn draw_count(mean: f64, sd: f64, max: u32, rng: &mut impl Rng) -> u32 {
    let (low, high) = (-0.5, f64::from(max) + 0.5);
    let beyond = ((low - mean) / sd).max((mean - high) / sd);
    let value = if beyond > 8.0 {
        mean
    } else if beyond > 1.0 {
        let inwards = if mean < low { sd } else { -sd };
        mean + inwards * draw_tail(beyond, rng)
    } else {
        let normal = Normal::new(mean, sd).expect("a finite deviation");
        normal.sample_iter(rng).find(|value| (low..high).contains(value)).expect("an endless sequence")
    };
    value.round().clamp(0.0, f64::from(max)) as u32
}

/// Draws a standard normal on the condition that it exceeds `limit > 0` (Marsaglia 1964).
fn draw_tail(limit: f64, rng: &mut impl Rng) -> f64 {
    loop {
        let beyond = (limit * limit - 2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        if rng.random::<f64>() * beyond < limit {
            return beyond;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    /// P(low < N(0, 1) < high) by Simpson's rule.
    fn mass(low: f64, high: f64) -> f64 {
        let (low, high) = (low.clamp(-12.0, 12.0), high.clamp(-12.0, 12.0));
        let (steps, density) = (2000, |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt());
        let width = (high - low) / f64::from(steps);
        let weight = |step| if step == 0 || step == steps { 1.0 } else { f64::from(2 + 2 * (step % 2)) };
        (0..=steps).map(|step| weight(step) * density(low + width * f64::from(step))).sum::<f64>() * width / 3.0
    }

    #[test]
    fn counts_follow_the_conditional_distribution() {
        let cases =
            [(-5.0, 1.0, 40), (-2.0, 1.0, 40), (0.0, 1.0, 40), (17.0, 1.0, 40), (40.0, 1.0, 40), (43.0, 1.0, 40)];
        for (index, (mean, sd, max)) in cases.into_iter().chain([(400.0, 1.5, 400), (100.0, 1.5, 400)]).enumerate() {
            let draws = 30_000;
            let mut counts = vec![0.0; max as usize + 1];
            let mut rng = seed::stream(9, "count", index as u64);
            for _ in 0..draws {
                counts[draw_count(mean, sd, max, &mut rng) as usize] += 1.0;
            }
            let standard = |value: f64| (value - mean) / sd;
            let all = mass(standard(-0.5), standard(f64::from(max) + 0.5));
            for (count, &found) in counts.iter().enumerate() {
                let count = count as f64;
                let expected = f64::from(draws) * mass(standard(count - 0.5), standard(count + 0.5)) / all;
                let tolerance = 5.0 * expected.max(1.0).sqrt();
                assert!(
                    (found - expected).abs() < tolerance,
                    "N({mean}, {sd}): {count} came {found} times, not {expected}"
                );
            }
        }
    }

    #[test]
    fn a_condition_without_mass_gives_its_nearest_limit() {
        let mut rng = seed::stream(9, "count", 99);
        assert_eq!(draw_count(-20.0, 1.0, 40, &mut rng), 0);
        assert_eq!(draw_count(60.0, 1.0, 40, &mut rng), 40);
    }
}
