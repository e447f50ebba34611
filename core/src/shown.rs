//! Text of users inside messages: short, and without characters that a terminal would obey.

use crate::escape;

/// At most this many characters of a text are repeated to its author.
const LONGEST: usize = 80;

/// The text on one line, with control characters escaped, and cut in the middle where it is long.
pub fn shown(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return escape::line(text).into_owned();
    }
    let head: String = text.chars().take(LONGEST * 2 / 3).collect();
    let tail: String = text.chars().skip(count - LONGEST / 3).collect();
    format!("{}…{}", escape::line(&head), escape::line(&tail))
}

/// A whole message: as many lines as it has, with control characters escaped, and of a bounded length however much of a
/// user's text found its way into it.
pub fn tidy(message: &str) -> String {
    const LONGEST_MESSAGE: usize = 3000;
    let count = message.chars().count();
    if count <= LONGEST_MESSAGE {
        return escape::text(message).into_owned();
    }
    let head: String = message.chars().take(LONGEST_MESSAGE / 2).collect();
    let tail: String = message.chars().skip(count - LONGEST_MESSAGE / 2).collect();
    format!("{} … {}", escape::text(&head), escape::text(&tail))
}

/// A number with commas between thousands.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (first > 0).then(|| digits[..first].to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_lines_without_control_characters() {
        assert_eq!(shown("train.epochs=3"), "train.epochs=3");
        assert_eq!(shown("two\nlines\u{1b}[31m\u{202e}"), "two\\nlines\\u{1b}[31m\\u{202e}");
        let long = shown(&format!("head{}tail", "\u{7}é".repeat(1_000_000)));
        let message = tidy(&format!("a\nb\u{1b}{}z", "x".repeat(1_000_000)));
        assert!(message.starts_with("a\nb\\u{1b}x") && message.ends_with("xz") && message.len() < 4000);
        assert!(long.starts_with("head") && long.ends_with("tail") && long.len() < 600, "{long}");
    }
}
