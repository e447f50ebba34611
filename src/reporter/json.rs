//! Events as JSON lines on standard output, for programs.

use std::time::Instant;

use crate::event::{Event, EventSink};
use crate::runner::Stamped;
use crate::terminal::print_json;

/// Writes every event, progress included.
pub struct JsonLines {
    start: Instant,
}

impl Default for JsonLines {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl EventSink for JsonLines {
    fn emit(&mut self, event: &Event) {
        if let Ok(line) = Stamped::now(event, self.start).to_line() {
            print_json(&String::from_utf8_lossy(&line));
        }
    }
}
