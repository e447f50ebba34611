//! What a comparison does not draw, told in the figure and below it: nothing is left out silently.

use super::sheet::{Lettering, Sheet};
use super::style::{GREY, LETTER, SMALL_SIZE};
use crate::terminal::layout::wrap;

/// Height of a line in a figure.
const LINE: f64 = 16.0;
/// More lines than these are not written into a figure; its caption has the names.
const MOST_LINES: usize = 4;
/// More names than these are counted in a caption.
const MOST_NAMES: usize = 40;

/// What is left out of a figure, each group with the reason why.
#[derive(Debug, Default)]
pub(super) struct LeftOut(Vec<(&'static str, Vec<String>)>);

impl LeftOut {
    /// Adds names that are left out for this reason, as in "because only 14 curves can be told apart".
    pub fn add(&mut self, reason: &'static str, names: impl IntoIterator<Item = String>) {
        let names: Vec<String> = names.into_iter().collect();
        if !names.is_empty() {
            self.0.push((reason, names));
        }
    }

    /// A sentence for each reason.
    fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(reason, names)| {
            let more = names.len().saturating_sub(MOST_NAMES);
            let told = names.iter().take(MOST_NAMES).map(|name| if name.is_empty() { "no setting" } else { name });
            let more = if more > 0 { format!("; and {more} more in runs.parquet") } else { String::new() };
            format!("Not drawn, {reason}: {}{more}.", told.collect::<Vec<_>>().join("; "))
        })
    }

    fn lines(&self, width: f64) -> Vec<String> {
        let columns = (width / LETTER) as usize;
        let mut lines: Vec<String> = self.sentences().flat_map(|sentence| wrap(&sentence, columns, "")).collect();
        if lines.len() > MOST_LINES {
            lines.truncate(MOST_LINES - 1);
            lines.push("Others are not drawn; the caption names them.".to_owned());
        }
        lines
    }

    /// The room that it takes in a figure, at this width.
    pub fn height(&self, width: f64) -> f64 {
        LINE * self.lines(width).len() as f64
    }

    /// Writes it below `top`, and into the figure's caption.
    pub fn write(&self, sheet: &mut Sheet, (left, top): (f64, f64), width: f64) {
        for (index, line) in self.lines(width).iter().enumerate() {
            let y = top + LINE * (index as f64 + 0.7);
            sheet.text(left, y, line, Lettering::default().size(SMALL_SIZE).color(GREY));
        }
        self.sentences().for_each(|sentence| sheet.note(sentence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_named_as_far_as_there_is_room() {
        let mut left_out = LeftOut::default();
        assert_eq!((left_out.height(300.0), left_out.sentences().count()), (0.0, 0));
        left_out.add("because of one reason", Vec::new());
        left_out.add("because of another", ["a 1".to_owned(), String::new()]);
        let sentences: Vec<String> = left_out.sentences().collect();
        assert_eq!(sentences, ["Not drawn, because of another: a 1; no setting."]);
        left_out.add("because there are many", (0..100).map(|index| format!("setting {index}")));
        let last = left_out.sentences().last().unwrap();
        assert!(last.contains("setting 39; and 60 more in runs.parquet."), "{last}");
        let lines = left_out.lines(550.0);
        assert!(lines.len() == MOST_LINES && lines[MOST_LINES - 1].contains("the caption"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() as f64 * LETTER <= 550.0));
    }
}
