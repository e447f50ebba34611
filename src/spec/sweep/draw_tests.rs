//! Draws of several keys at once: each key has numbers of its own, on its own scale.

use std::collections::BTreeSet;

use toml::Value;

use super::*;
use crate::metric::statistics::pearson;

fn real(low: f64, high: f64) -> Sampler {
    Sampler::Real { low, high, scale: Scale::Linear }
}

fn column(draws: &[Vec<Value>], index: usize) -> Vec<f64> {
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|whole| whole as f64)).unwrap();
    draws.iter().map(|draw| number(&draw[index])).collect()
}

#[test]
fn keys_are_drawn_independently_of_each_other() {
    let ranges = [("a", real(0.0, 1.0)), ("b", real(0.0, 1.0)), ("c", real(5.0, 7.0))];
    for draws in [random(&ranges, 2000, 3), sobol(&ranges, 2048, 3)] {
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let r = pearson(&column(&draws, one), &column(&draws, other));
            assert!(r.abs() < 0.1, "keys {one} and {other} correlate by {r}");
        }
    }
    // A further key leaves the random numbers of the others as they are.
    let fewer = random(&ranges[1..2], 50, 3);
    assert_eq!(column(&fewer, 0), column(&random(&ranges, 50, 3), 1));
}

#[test]
fn seeds_and_draws_differ() {
    let ranges = [("a", real(0.0, 1.0))];
    for draw in [random, sobol] {
        let [one, other] = [1, 2].map(|seed| column(&draw(&ranges, 512, seed), 0));
        assert!(one.iter().zip(&other).filter(|(one, other)| one == other).count() < 10, "two seeds draw alike");
        let distinct: BTreeSet<u64> = one.iter().map(|value| value.to_bits()).collect();
        assert_eq!(distinct.len(), 512);
    }
}

/// Log-uniform whole numbers from 1 to 1000 are below 32 about half of the time, linear ones one time in thirty.
#[test]
fn scales_decide_where_draws_are_even() {
    for (scale, share) in [(Scale::Log, 32.0_f64.ln() / 1001.0_f64.ln()), (Scale::Linear, 0.031)] {
        let whole = [("a", Sampler::Whole { low: 1, high: 1000, scale })];
        let reals = [("a", Sampler::Real { low: 1.0, high: 1000.0, scale })];
        for ranges in [whole, reals] {
            for draws in [random(&ranges, 4000, 1), sobol(&ranges, 4096, 1)] {
                let below = column(&draws, 0).iter().filter(|&&value| value < 32.0).count() as f64;
                let error = (share * (1.0 - share) / draws.len() as f64).sqrt();
                assert!(
                    (below / draws.len() as f64 - share).abs() < 5.0 * error,
                    "{scale:?}: {below} of {}",
                    draws.len()
                );
            }
        }
    }
}

#[test]
fn whole_numbers_include_both_ends_and_choices_are_equally_likely() {
    let ranges = [
        ("a", Sampler::Whole { low: -1, high: 2, scale: Scale::Linear }),
        ("b", Sampler::Choice(["x", "y", "z"].map(Value::from).to_vec())),
    ];
    for draws in [random(&ranges, 6000, 2), sobol(&ranges, 6000, 2)] {
        for number in -1..=2 {
            let count = column(&draws.iter().map(|draw| vec![draw[0].clone()]).collect::<Vec<_>>(), 0);
            let count = count.iter().filter(|&&value| value == f64::from(number)).count();
            assert!(count.abs_diff(1500) < 200, "{number} came {count} times");
        }
        for text in ["x", "y", "z"] {
            let count = draws.iter().filter(|draw| draw[1].as_str() == Some(text)).count();
            assert!(count.abs_diff(2000) < 200, "{text} came {count} times");
        }
    }
}

fn sampler(low: i64, high: i64) -> Sampler {
    Sampler::Whole { low, high, scale: Scale::Linear }
}

#[test]
fn whole_numbers_beyond_two_to_the_53_are_drawn_exactly() {
    let base = (1_i64 << 53) + 1;
    let drawn = |low: i64, high: i64, u: f64| sampler(low, high).at(u).as_integer().unwrap();
    assert_eq!([0.0, 0.3, 0.5, 0.9].map(|u| drawn(base, base + 3, u) - base), [0, 1, 2, 3]);
    assert_eq!(drawn(i64::MAX - 1, i64::MAX, 0.1), i64::MAX - 1);
    assert_eq!(drawn(i64::MIN, i64::MAX, 0.0), i64::MIN);
    assert!(drawn(i64::MIN, i64::MAX, 1.0 - f64::EPSILON / 2.0) > i64::MAX - (1 << 12));
    assert_eq!([0.0, 0.49, 0.5, 0.999].map(|u| drawn(1, 2, u)), [1, 1, 2, 2]);
}

#[test]
fn seeds_that_agree_in_their_last_bits_give_other_draws() {
    let ranges = [("train.epochs", sampler(1, 1_000_000)), ("data.seed", sampler(0, i64::MAX))];
    for (one, other) in [(1, (1 << 32) + 1), (1 << 53, (1 << 53) + 1), (0, i64::MAX as u64)] {
        assert_ne!(sobol(&ranges, 8, one), sobol(&ranges, 8, other));
        assert_ne!(random(&ranges, 8, one), random(&ranges, 8, other));
    }
}
