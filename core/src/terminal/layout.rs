//! Text in columns, and lines that fit a terminal.

use std::borrow::Cow;

use console::{Alignment, measure_text_width, pad_str, truncate_str};

/// Between two columns.
const GAP: &str = "  ";

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// A line for each row, with columns as wide as their widest cell. Rows may be shorter than `sides`, which has an entry a
/// column.
pub fn align(rows: &[Vec<String>], sides: &[Side]) -> Vec<String> {
    let widths = widths(rows, sides.len());
    let cell = |((text, &width), side): ((&String, &usize), &Side)| {
        let alignment = if *side == Side::Left { Alignment::Left } else { Alignment::Right };
        pad_str(text, width, alignment, None).into_owned()
    };
    let line = |row: &Vec<String>| row.iter().zip(&widths).zip(sides).map(cell).collect::<Vec<_>>().join(GAP);
    rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
}

/// How wide each column is.
fn widths(rows: &[Vec<String>], columns: usize) -> Vec<usize> {
    let width = |column: usize| rows.iter().filter_map(|row| Some(measure_text_width(row.get(column)?))).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

/// How many of the columns fit into `room` beside each other, at least one.
pub fn fitting(rows: &[Vec<String>], columns: usize, room: usize) -> usize {
    let mut used = 0;
    let mut fits = |width: &usize| {
        used += width + GAP.len();
        used - GAP.len() <= room
    };
    widths(rows, columns).iter().take_while(|width| fits(width)).count().max(1)
}

/// Text of at most `room` columns: what is too long ends with an ellipsis.
pub fn shorten(text: &str, room: usize) -> Cow<'_, str> {
    truncate_str(text, room, "…")
}

/// Lines of at most `room` columns, the first one excepted each indented: what is longer is broken between words.
pub fn wrap(text: &str, room: usize, indent: &str) -> Vec<String> {
    let options = textwrap::Options::new(room.max(indent.len() + 1)).subsequent_indent(indent);
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let rows = rows(&[&["key", "one", "other"], &["size", "1", "12345"], &["名前", "x"]]);
        let lines = align(&rows, &[Side::Left, Side::Right, Side::Right]);
        assert_eq!(lines, ["key   one  other", "size    1  12345", "名前    x"]);
        assert_eq!([3, 4, 8, 9, 15, 16].map(|room| fitting(&rows, 3, room)), [1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn long_lines_are_shortened_or_wrapped() {
        assert_eq!(shorten("a long reason", 13), "a long reason");
        assert_eq!(shorten("a long reason", 8), "a long …");
        let lines = wrap("run 1 failed: the disk is full, and averyveryverylongpath does not fit", 20, "    ");
        assert_eq!(lines[0], "run 1 failed: the");
        assert!(lines[1..].iter().all(|line| line.starts_with("    ")), "{lines:?}");
        assert!(lines.iter().all(|line| measure_text_width(line) <= 20), "{lines:?}");
        let words = |lines: &[String]| lines.concat().split_whitespace().collect::<String>();
        assert_eq!(
            words(&lines),
            words(&["run 1 failed: the disk is full, and averyveryverylongpath does not fit".into()])
        );
        assert!(wrap("words", 0, "    ").concat().contains('s'), "no room is no reason to panic");
    }
}
