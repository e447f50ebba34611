//! Checks of numbers, so that all settings are refused in the same words.

use std::ops::RangeInclusive;

use super::Invalid;

/// Which finite numbers a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    Any,
    /// Above 0.
    Positive,
    AtLeast(f64),
    /// Both ends included.
    From(f64, f64),
    /// The upper end excluded.
    Below(f64, f64),
    /// The lower end, 0, excluded.
    UpTo(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Any => true,
            Self::Positive => value > 0.0,
            Self::AtLeast(least) => value >= least,
            Self::From(least, most) => (least..=most).contains(&value),
            Self::Below(least, end) => (least..end).contains(&value),
            Self::UpTo(most) => value > 0.0 && value <= most,
        }
    }

    /// As in "must be positive".
    fn words(self) -> String {
        match self {
            Self::Any => "a finite number".into(),
            Self::Positive => "positive".into(),
            Self::AtLeast(least) => format!("at least {}", plain(least)),
            Self::From(least, most) => format!("from {} to {}", plain(least), plain(most)),
            Self::Below(least, end) => format!("at least {} and below {}", plain(least), plain(end)),
            Self::UpTo(most) => format!("above 0 and at most {}", plain(most)),
        }
    }
}

/// What is wrong with a number, if anything is. Images and networks compute in single precision, so a number that is
/// infinite there, or zero though it was not meant to be, is refused as well.
pub fn number(key: &str, value: f64, bound: Bound) -> Option<Invalid> {
    let got = plain(value);
    let (message, help) = if !value.is_finite() {
        let must = if bound == Bound::Any { "a finite number".into() } else { format!("finite and {}", bound.words()) };
        (format!("{key} must be {must}, got {got}"), format!("use a number that is {}", bound.words()))
    } else if !bound.holds(value) {
        (format!("{key} must be {}, got {got}", bound.words()), format!("use a number that is {}", bound.words()))
    } else if (value as f32).is_infinite() {
        let most = plain(f64::from(f32::MAX));
        (
            format!("{key} must be at most {most}, the largest number in single precision, got {got}"),
            "use a smaller number".into(),
        )
    } else if value != 0.0 && value as f32 == 0.0 {
        (format!("{key} is so small that it is 0 in single precision, got {got}"), "use 0 or a larger number".into())
    } else {
        return None;
    };
    Some(Invalid::new(key, message, help))
}

/// What is wrong with a whole number, if anything is.
pub fn count(key: &str, value: usize, allowed: RangeInclusive<usize>) -> Option<Invalid> {
    if allowed.contains(&value) {
        return None;
    }
    let words = match (*allowed.start(), *allowed.end()) {
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("from {least} to {most}"),
    };
    Some(Invalid::new(key, format!("{key} must be {words}, got {value}"), format!("use a number that is {words}")))
}

/// What is wrong with a seed, if anything is: those that TOML cannot write are refused everywhere.
pub fn seed(key: &str, value: u64) -> Option<Invalid> {
    let most = i64::MAX;
    let message = format!("{key} must be at most {most}, got {value}");
    i64::try_from(value).err().map(|_| Invalid::new(key, message, format!("use a seed from 0 to {most}")))
}

/// A number as people write it: 5e-4 and 0.25, not 0.0000005 or a row of zeros.
pub fn plain(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-4..1e15).contains(&size) || !value.is_finite() {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn said(value: f64, bound: Bound) -> String {
        number("k", value, bound).map(|invalid| invalid.to_string()).unwrap_or_default()
    }

    #[test]
    fn numbers_are_refused_in_full_sentences() {
        assert_eq!(said(-1.0, Bound::Positive), "k must be positive, got -1");
        assert_eq!(said(0.0, Bound::Positive), "k must be positive, got 0");
        assert_eq!(said(1.01, Bound::From(0.0, 1.0)), "k must be from 0 to 1, got 1.01");
        assert_eq!(said(1.0, Bound::Below(0.0, 1.0)), "k must be at least 0 and below 1, got 1");
        assert_eq!(said(0.0, Bound::UpTo(1.0)), "k must be above 0 and at most 1, got 0");
        assert_eq!(said(f64::NAN, Bound::AtLeast(0.0)), "k must be finite and at least 0, got NaN");
        assert_eq!(said(f64::NEG_INFINITY, Bound::Any), "k must be a finite number, got -inf");
    }

    #[test]
    fn numbers_that_single_precision_does_not_have_are_refused() {
        assert!(said(1e39, Bound::AtLeast(0.0)).contains("single precision, got 1e39"));
        assert!(said(-1e39, Bound::Any).contains("single precision"));
        assert!(said(1e-50, Bound::Positive).contains("is 0 in single precision, got 1e-50"));
        for fine in [0.0, -0.0, 1e-40, 3.4e38, -3.4e38, 1e-7] {
            assert_eq!(said(fine, Bound::Any), "");
        }
    }

    #[test]
    fn counts_and_seeds_have_limits() {
        assert_eq!(count("k", 0, 1..=usize::MAX).unwrap().to_string(), "k must be at least 1, got 0");
        assert_eq!(count("k", 11, 1..=10).unwrap().to_string(), "k must be from 1 to 10, got 11");
        assert_eq!((count("k", 1, 1..=10), count("k", 10, 1..=10)), (None, None));
        assert_eq!(seed("k", i64::MAX as u64), None);
        assert!(seed("k", 1 << 63).unwrap().message.contains("9223372036854775807, got 9223372036854775808"));
    }
}
