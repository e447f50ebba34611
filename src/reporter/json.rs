//! Events as JSON lines on standard output, for programs.

use std::io::Write;

use crate::event::{Event, EventSink};
use crate::runner::Stamped;

/// Writes every event, progress included.
pub struct JsonLines;

impl EventSink for JsonLines {
    fn emit(&mut self, event: &Event) {
        // A reader that went away ends the output, not the work.
        if let Ok(line) = Stamped::now(event).to_line() {
            let _ = std::io::stdout().lock().write_all(&line);
        }
    }
}
