//! The time of day, as recorded in results.

use std::time::SystemTime;

/// Now, in RFC 3339 with milliseconds, in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// A duration in words: "850 ms", "12.3 s", "3 min 10 s", "2 h 5 min".
pub fn duration(seconds: f64) -> String {
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
    fn durations_read_like_words() {
        let words = [0.85, 12.34, 59.96, 190.2, 7500.0].map(duration);
        assert_eq!(words, ["850 ms", "12.3 s", "1 min 0 s", "3 min 10 s", "2 h 5 min"]);
    }
}
