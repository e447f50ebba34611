//! Everything that is printed passes here, on standard output and on standard error.
//!
//! Printing never panics and never ends the work: a reader that went away (`| head -1`), a terminal that was closed and a
//! full disk are remembered, nothing more is written, and [`take_trouble`] tells of it in the end. Control characters in what is
//! printed are made visible (`crate::escape`). Clippy forbids `println!` and its like elsewhere.

#![expect(clippy::disallowed_methods, reason = "the one place that writes to the standard streams")]

pub mod layout;
mod stream;

use std::io::{self, IsTerminal};

use stream::Stream;

use crate::escape;

static OUTPUT: Stream = Stream::new();
static ERRORS: Stream = Stream::new();

/// Prints data, of one or more lines, to standard output.
pub fn print(text: &str) {
    to_output(&escape::text(text));
}

/// Prints one line of data to standard output, whatever `line` holds.
pub fn print_line(line: &str) {
    to_output(&format!("{}\n", escape::line(line)));
}

/// Prints lines of data to standard output, whatever each holds.
pub fn print_lines<'a>(lines: impl IntoIterator<Item = &'a String>) {
    to_output(&lines.into_iter().map(|line| format!("{}\n", escape::line(line))).collect::<String>());
}

/// Prints JSON, with its line end, to standard output.
pub fn print_json(json: &str) {
    to_output(&escape::json(json));
}

/// Says one line to the user, on standard error.
pub fn tell_line(line: &str) {
    to_errors(&format!("{}\n", escape::line(line)));
}

/// Prints a text that has colours on a terminal: see [`Styled`].
pub fn print_styled(text: &Styled) {
    to_output(&text.shown(is_colorful(&io::stdout())));
}

/// Says a text to the user that has colours on a terminal: see [`Styled`].
pub fn tell_styled(text: &Styled) {
    to_errors(&text.shown(is_colorful(&io::stderr())));
}

/// A text in two forms.
pub struct Styled {
    pub plain: String,
    /// The same with escape sequences of our own.
    pub colored: String,
}

impl Styled {
    /// The text with colours, if that is wanted. One that quotes control characters has none: ours could not be told from
    /// those.
    fn shown(&self, colorful: bool) -> String {
        match escape::text(&self.plain) {
            std::borrow::Cow::Borrowed(_) if colorful => self.colored.clone(),
            escaped => escaped.into_owned(),
        }
    }
}

/// Why standard output could not be written, if so; tells it once. A reader that closed it is no trouble: it had what it
/// wanted.
pub fn take_trouble() -> Option<io::Error> {
    OUTPUT.take_trouble().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

/// Whether standard error is a terminal on which the cursor can be moved.
pub fn has_live_errors() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Columns that a line may have on the terminal behind standard output; without one, any number.
pub fn columns() -> usize {
    let size = console::Term::stdout().size_checked().filter(|_| io::stdout().is_terminal());
    // Some terminals break a line that reaches their last column.
    size.map_or(usize::MAX, |(_, columns)| usize::from(columns).saturating_sub(1).max(1))
}

/// Where log lines go that are meant for standard error. It never fails: the logging library would panic over an error that
/// it cannot print.
pub fn log() -> impl io::Write {
    Log
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        to_errors(&escape::text(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn to_output(text: &str) {
    OUTPUT.write(text.as_bytes(), &mut io::stdout().lock());
}

fn to_errors(text: &str) {
    ERRORS.write(text.as_bytes(), &mut io::stderr().lock());
}

fn is_colorful(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ours_alone() {
        let styled = |plain: &str| Styled { plain: plain.into(), colored: format!("\x1b[31m{plain}\x1b[0m") };
        assert_eq!(styled("no spec").shown(true), "\x1b[31mno spec\x1b[0m");
        assert_eq!(styled("no spec").shown(false), "no spec");
        assert_eq!(styled("no \x1b[8mspec").shown(true), r"no \u{1b}[8mspec");
    }
}
