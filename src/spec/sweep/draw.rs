//! Draws from ranges: random ones, and the evenly spread ones of a Sobol sequence.

use rand::RngExt;
use toml::Value;

use super::{Range, Scale};
use crate::seed::{derive, stream};

/// The longest sequence, and the most dimensions, that the Sobol generator has.
pub const MAX_SOBOL: (u64, usize) = (1 << 16, sobol_burley::NUM_DIMENSIONS as usize);

/// A range that can be drawn from.
#[derive(Debug, Clone)]
pub enum Sampler {
    Whole { low: i64, high: i64, scale: Scale },
    Real { low: f64, high: f64, scale: Scale },
    Choice(Vec<Value>),
}

impl Sampler {
    /// Checks a range; the error is a message and what to do about it.
    pub fn new(range: &Range) -> Result<Self, (String, &'static str)> {
        let (low, high, scale) = match range {
            Range::Choices { choices } if choices.is_empty() => {
                return Err(("there is nothing to choose from".into(), "give at least one value"));
            }
            Range::Choices { choices } => return Ok(Self::Choice(choices.clone())),
            Range::Between { low, high, scale } => (low, high, *scale),
        };
        let number = |value: &Value| value.as_float().or(value.as_integer().map(|whole| whole as f64));
        let (Some(from), Some(to)) = (number(low), number(high)) else {
            return Err(("low and high are not both numbers".into(), "write for example { low = 1e-4, high = 1e-2 }"));
        };
        if !(from <= to && from.is_finite() && to.is_finite() && (to - from).is_finite()) {
            return Err((
                format!("there is nothing to draw from {low} to {high}"),
                "let low be at most high, both finite",
            ));
        }
        if scale == Scale::Log && from <= 0.0 {
            return Err((format!("{low} has no logarithm"), "let low be above 0, or use scale = \"linear\""));
        }
        Ok(match (low, high) {
            (Value::Integer(low), Value::Integer(high)) => Self::Whole { low: *low, high: *high, scale },
            _ => Self::Real { low: from, high: to, scale },
        })
    }

    /// The value at `u` in [0, 1).
    fn at(&self, u: f64) -> Value {
        match self {
            Self::Choice(choices) => choices[((u * choices.len() as f64) as usize).min(choices.len() - 1)].clone(),
            Self::Real { low, high, scale: Scale::Linear } => Value::Float((low + u * (high - low)).min(*high)),
            Self::Real { low, high, scale: Scale::Log } => {
                Value::Float((low.ln() + u * (high.ln() - low.ln())).exp().clamp(*low, *high))
            }
            // In whole numbers, because a float does not tell neighbours beyond 2^53 apart.
            Self::Whole { low, high, scale: Scale::Linear } => {
                let count = (i128::from(*high) - i128::from(*low) + 1) as f64;
                let value = i128::from(*low) + (u * count) as i128;
                Value::Integer(value.min((*high).into()) as i64)
            }
            Self::Whole { low, high, scale: Scale::Log } => {
                let (from, to) = (*low as f64, *high as f64 + 1.0);
                let value = (from.ln() + u * (to.ln() - from.ln())).exp();
                Value::Integer((value.floor() as i64).clamp(*low, *high))
            }
        }
    }
}

/// `n` independent draws. A key's draws do not depend on the other keys.
pub fn random(ranges: &[(&str, Sampler)], n: u64, seed: u64) -> Vec<Vec<Value>> {
    let draw = |(key, sampler): &(&str, Sampler), index| {
        sampler.at(stream(seed, &format!("sweep {key}"), index).random_range(0.0..1.0))
    };
    (0..n).map(|index| ranges.iter().map(|range| draw(range, index)).collect()).collect()
}

/// The first `n` points of an Owen-scrambled Sobol sequence (Burley 2020, "Practical Hash-based Owen Scrambling").
pub fn sobol(ranges: &[(&str, Sampler)], n: u64, seed: u64) -> Vec<Vec<Value>> {
    // Scrambling takes 32 bits; a seed that has more is drawn from, so that no two of them share a sequence by their ends.
    let scramble = u32::try_from(seed).unwrap_or_else(|_| derive(seed, "sobol", 0) as u32);
    let point = |index: u64| {
        let at = |dimension: usize| f64::from(sobol_burley::sample(index as u32, dimension as u32, scramble));
        ranges.iter().enumerate().map(|(dimension, (_, sampler))| sampler.at(at(dimension))).collect()
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
