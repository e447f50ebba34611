//! The time of day, as recorded in results.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: what follows has no four digits for its year.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Now, in RFC 3339 with milliseconds, in UTC.
pub fn now() -> String {
    text(SystemTime::now())
}

/// Clocks that are far off, before 1970 or beyond the year 9999, are written as what they come closest to.
fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)).to_string()
}

/// A duration in words: "850 ms", "12.3 s", "3 min 10 s", "2 h 5 min". One below zero is none; one that is not a number is
/// "unknown".
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "unknown".to_owned();
    }
    let seconds = seconds.max(0.0);
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_far_off_have_times_too() {
        let year = Duration::from_secs(365 * 86400);
        assert_eq!(text(UNIX_EPOCH - 20 * year), "1970-01-01T00:00:00.000Z");
        assert!(text(UNIX_EPOCH + 100 * year).starts_with("2069-12-"));
        assert_eq!(text(UNIX_EPOCH + 9000 * year), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn durations_read_like_words() {
        let words = [0.85, 12.34, 59.96, 190.2, 7500.0].map(duration);
        assert_eq!(words, ["850 ms", "12.3 s", "1 min 0 s", "3 min 10 s", "2 h 5 min"]);
        assert_eq!([-3.0, -1e300, f64::NAN, f64::INFINITY].map(duration), ["0 ms", "0 ms", "unknown", "unknown"]);
    }
}
