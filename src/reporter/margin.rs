//! The terminal that bars are drawn on.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, measure_text_width};
use indicatif::TermLike;

/// Standard error with a last column that stays free.
///
/// indicatif fills each line up to the width and lets the terminal go on to the next one, which not all do alike, nor does
/// whatever records a terminal. Here a line that is full is ended. Errors are not passed on: a terminal that went away ends
/// the drawing, not the work.
#[derive(Debug)]
pub struct Margin {
    terminal: Term,
    /// Where the cursor is in its line.
    column: Mutex<usize>,
}

impl Margin {
    pub fn new() -> Self {
        Self { terminal: Term::buffered_stderr(), column: Mutex::new(0) }
    }

    fn column(&self) -> MutexGuard<'_, usize> {
        self.column.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Columns that a line may have.
    pub fn columns() -> usize {
        usize::from(Self::new().width())
    }
}

fn ignored(_: io::Result<()>) -> io::Result<()> {
    Ok(())
}

impl TermLike for Margin {
    fn width(&self) -> u16 {
        self.terminal.size().1.saturating_sub(1).max(1)
    }

    fn height(&self) -> u16 {
        self.terminal.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        ignored(self.terminal.move_cursor_up(lines))
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        ignored(self.terminal.move_cursor_down(lines))
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        ignored(self.terminal.move_cursor_right(columns))
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        ignored(self.terminal.move_cursor_left(columns))
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        *self.column() = 0;
        ignored(self.terminal.write_line(line))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut column = self.column();
        if text.starts_with('\r') {
            *column = 0;
        } else if *column >= usize::from(self.width()) && !text.is_empty() {
            *column = 0;
            ignored(self.terminal.write_line(""))?;
        }
        *column += measure_text_width(text);
        ignored(self.terminal.write_str(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        *self.column() = 0;
        ignored(self.terminal.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        ignored(self.terminal.flush())
    }
}
