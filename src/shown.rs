//! Text of users inside messages: short, and without characters that a terminal would obey.

/// At most this many characters of a text are repeated to its author.
const LONGEST: usize = 80;

/// The text on one line, with control characters escaped, and cut in the middle where it is long.
pub fn shown(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return escaped(text);
    }
    let head: String = text.chars().take(LONGEST * 2 / 3).collect();
    let tail: String = text.chars().skip(count - LONGEST / 3).collect();
    format!("{}…{}", escaped(&head), escaped(&tail))
}

/// A whole message: as many lines as it has, with other control characters escaped, and of a bounded length however much
/// of a user's text found its way into it.
pub fn tidy(message: &str) -> String {
    const LONGEST_MESSAGE: usize = 3000;
    let count = message.chars().count();
    let lines = |text: &str| text.split('\n').map(escaped).collect::<Vec<_>>().join("\n");
    if count <= LONGEST_MESSAGE {
        return lines(message);
    }
    let head: String = message.chars().take(LONGEST_MESSAGE / 2).collect();
    let tail: String = message.chars().skip(count - LONGEST_MESSAGE / 2).collect();
    format!("{} … {}", lines(&head), lines(&tail))
}

/// The text on one line: a newline is written `\n`, an escape character `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                line.extend(character.escape_unicode());
            }
            _ if character.is_control() => line.extend(character.escape_default()),
            _ => line.push(character),
        }
    }
    line
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
