//! Makes control characters visible.
//!
//! Names, reasons and logs come from files and programs that nobody has looked through. On a terminal an escape sequence
//! in them could move the cursor, set the clipboard or hide what follows, so everything that is printed passes here.

use std::borrow::Cow;

/// Whether a terminal would act on a character instead of showing it, or show nothing at all: C0, DEL and C1 controls, what
/// changes the direction of writing, the line separators of Unicode, and spaces without width. The joiners U+200C and U+200D
/// are part of ordinary writing and stay.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Replaces the characters for which `wanted` holds.
fn replace(text: &str, wanted: impl Fn(char) -> bool, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&wanted) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if wanted(character) {
            write(character, &mut escaped);
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn as_in_rust(character: char, escaped: &mut String) {
    escaped.extend(character.escape_default());
}

/// Text of several lines: ESC becomes `\u{1b}`, a carriage return `\r`. Line ends and tabs stay.
pub fn text(text: &str) -> Cow<'_, str> {
    replace(text, |character| acts(character) && !matches!(character, '\n' | '\t'), as_in_rust)
}

/// Text that stays on one line: as [`text()`], and line ends and tabs become `\n` and `\t`.
pub fn line(text: &str) -> Cow<'_, str> {
    replace(text, acts, as_in_rust)
}

/// JSON, which stays the same JSON: `\u009b`. Line ends between values stay.
pub fn json(text: &str) -> Cow<'_, str> {
    let write = |character, escaped: &mut String| escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
    replace(text, |character| acts(character) && character != '\n', write)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Titles, clipboard (OSC 52), C1, carriage return, backspace, directions.
    const HOSTILE: &str = "a\x1b[2Jb\x1b]52;c;aGk=\x07c\u{9b}31md\re\x08f\u{202e}g\u{2067}h\x7f";

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        let shown = r"a\u{1b}[2Jb\u{1b}]52;c;aGk=\u{7}c\u{9b}31md\re\u{8}f\u{202e}g\u{2067}h\u{7f}";
        assert_eq!(text(HOSTILE), shown);
        assert_eq!(line(HOSTILE), shown);
        for code in (0..0x20).chain(0x7f..0xa0) {
            let character = char::from_u32(code).unwrap();
            let kept = |text: &str| text.contains(character);
            assert_eq!(kept(&text(&character.to_string())), matches!(character, '\n' | '\t'), "{code:x}");
            assert!(!kept(&line(&character.to_string())), "{code:x}");
        }
    }

    #[test]
    fn lines_stay_lines_where_they_may() {
        assert_eq!(text("a\n\tb"), "a\n\tb");
        assert_eq!(line("a\n\tb"), r"a\n\tb");
    }

    #[test]
    fn other_text_is_left_as_it_is() {
        let fair = r"Müller, 実験 №5, שלום, سلام‌ها, 👩‍🔬 a\nb [0m";
        assert!(matches!(text(fair), Cow::Borrowed(_)));
        assert_eq!(line(fair), fair);
        assert_eq!(json(fair), fair);
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1] });
        for written in [value.to_string(), format!("{value:#}")] {
            let escaped = json(&written);
            assert!(!escaped.chars().any(|character| acts(character) && character != '\n'), "{escaped}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }
}
