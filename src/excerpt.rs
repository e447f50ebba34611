//! The lines around a mistake, cut and cleaned so that any terminal can show them.
//!
//! A spec may have lines of a million characters, or control characters that a terminal would obey. What is shown of it
//! is therefore never the text itself, but an excerpt of a bounded size in which control characters are made visible.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// At most this many characters of a line are shown, and this many of them before the mistake.
const SHOWN: usize = 140;
const BEFORE: usize = 60;

/// At most three lines of a text, one of which has a marked place.
#[derive(Debug, Clone)]
pub struct Excerpt {
    name: String,
    /// The lines as shown.
    text: String,
    /// The marked place in `text`.
    mark: SourceSpan,
    /// The line number of the first shown line, from 0.
    first_line: usize,
    /// Where the marked place begins in its whole line: the characters before it.
    column: usize,
}

impl Excerpt {
    /// The lines around `span` of `text`, which is called `name`.
    pub fn new(name: &str, text: &str, span: Range<usize>) -> Self {
        // Trailing line ends belong to no line that could be shown.
        let end = text.trim_end().len();
        let start = floor(text, span.start.min(end.saturating_sub(1)));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let stop = floor(text, span.end.min(end).min(line_end)).max(start);

        let mut shown = String::new();
        let mut first_line = text[..line_start].matches('\n').count();
        if line_start > 0 {
            first_line -= 1;
            let before = &text[..line_start - 1];
            push_line(&mut shown, &before[before.rfind('\n').map_or(0, |newline| newline + 1)..], 0);
            shown.push('\n');
        }
        let column = text[line_start..start].chars().count();
        let marked = |upto: usize| visible(&text[line_start..upto]).skip(column.saturating_sub(BEFORE));
        let cut = if column > BEFORE { '…'.len_utf8() } else { 0 };
        let offset = shown.len() + cut + marked(start).map(char::len_utf8).sum::<usize>();
        let length = visible(&text[start..stop]).take(SHOWN - BEFORE.min(column)).map(char::len_utf8).sum::<usize>();
        push_line(&mut shown, &text[line_start..line_end], column.saturating_sub(BEFORE));
        if line_end < end {
            shown.push('\n');
            let after = &text[line_end + 1..];
            push_line(&mut shown, &after[..after.find('\n').unwrap_or(after.len())], 0);
        }
        Self {
            name: visible(name).collect(),
            text: shown,
            mark: SourceSpan::from((offset, length)),
            first_line,
            column,
        }
    }

    /// What the text is called: the spec's file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Line and column of the marked place in the whole text, counted from 1.
    pub fn position(&self) -> [usize; 2] {
        let above = self.text[..self.mark.offset()].matches('\n').count();
        [self.first_line + above + 1, self.column + 1]
    }

    /// The marked place in the lines as shown.
    pub fn mark(&self) -> SourceSpan {
        self.mark
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, lines_before, lines_after)?;
        let of_mark = lines_before == 0 && *span == self.mark;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            self.first_line + inner.line(),
            if of_mark { self.column } else { inner.column() },
            inner.line_count(),
        )))
    }
}

/// Adds a line without what is before the character `from` or beyond the width that is shown.
fn push_line(shown: &mut String, line: &str, from: usize) {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if from > 0 {
        shown.push('…');
    }
    let mut rest = visible(line).skip(from);
    shown.extend(rest.by_ref().take(SHOWN));
    if rest.next().is_some() {
        shown.push('…');
    }
}

/// The characters of a text, with a picture for each that a terminal might obey.
fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|character| match character {
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('�'),
        '\u{7f}' => '␡',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '�',
        _ => character,
    })
}

/// The last boundary of a character up to `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, span: Range<usize>) -> (String, String, usize, usize) {
        let excerpt = Excerpt::new("spec.toml", text, span);
        let mark = excerpt.mark.offset()..excerpt.mark.offset() + excerpt.mark.len();
        let contents = excerpt.read_span(&excerpt.mark, 0, 0).expect("the mark is in the excerpt");
        (excerpt.text[mark].to_owned(), excerpt.text.clone(), contents.line(), contents.column())
    }

    #[test]
    fn the_marked_place_is_shown_with_the_lines_around_it() {
        let text = "[data]\r\nn_samples = 5\r\nseed = 1\r\nmax_age = 3\r\n";
        let (mark, shown, line, column) = marked(text, 20..21);
        assert_eq!((mark.as_str(), line, column), ("5", 1, 12));
        assert_eq!(shown, "[data]\nn_samples = 5\nseed = 1");
        assert_eq!(marked("", 0..0), (String::new(), String::new(), 0, 0));
        assert_eq!(marked("a = 1\n", 9..12).2, 0);
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        for column in [3, 100, 65_535, 65_536, 1_000_000] {
            let text = format!("{}x = é{}", " ".repeat(column), "y".repeat(500_000));
            let (mark, shown, line, found) = marked(&text, column + 4..text.len());
            assert!(mark.starts_with('é') && shown.chars().count() < 200, "{column}: {mark}");
            assert_eq!((line, found), (0, column + 4));
        }
    }

    #[test]
    fn every_place_of_an_odd_text_can_be_shown() {
        let text = "a\tb\u{1b}[31m\u{9b}31m\u{85}\r\nü漢字\u{202e}\u{7f}\n\n\u{feff}x\r";
        for start in 0..=text.len() + 1 {
            for end in start..=text.len() + 1 {
                let (_, shown, ..) = marked(text, start..end);
                assert!(!shown.chars().any(|c| c != '\n' && c.is_control()), "{shown:?}");
            }
        }
    }
}
