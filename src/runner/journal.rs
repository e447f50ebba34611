//! `events.jsonl`: all that happened, a JSON object a line, appended over all starts of an experiment.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::event::{Event, EventSink};

/// An event with the time when it happened.
#[derive(Debug, Serialize)]
pub struct Stamped<'a> {
    /// RFC 3339, UTC.
    pub time: String,
    #[serde(flatten)]
    pub event: &'a Event,
}

impl<'a> Stamped<'a> {
    pub fn now(event: &'a Event) -> Self {
        Self { time: clock::now(), event }
    }

    /// One line of JSON, with its line end.
    pub fn to_line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// An event that was read back.
#[derive(Debug, Clone, Deserialize)]
pub struct Recorded {
    pub time: String,
    #[serde(flatten)]
    pub event: Event,
}

impl Recorded {
    pub fn when(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.time).ok()
    }
}

/// Passes every event on: into `events.jsonl`, into the log, and to the reporter.
pub struct Recorder<'a> {
    journal: Journal,
    sink: &'a mut dyn EventSink,
}

impl<'a> Recorder<'a> {
    pub fn new(journal: Journal, sink: &'a mut dyn EventSink) -> Self {
        Self { journal, sink }
    }

    /// The reporter learns of the event even when it cannot be recorded.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        let recorded = self.journal.record(event);
        if !matches!(event, Event::StageProgress { .. }) {
            tracing::info!("{}", serde_json::to_string(event).unwrap_or_default());
        }
        self.sink.emit(event);
        recorded
    }
}

/// The file that events are appended to.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::options().create(true).append(true).open(path)? })
    }

    /// Appends an event in one write, so that a line is never torn. Progress within a stage is not recorded.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        if matches!(event, Event::StageProgress { .. }) {
            return Ok(());
        }
        self.file.write_all(&Stamped::now(event).to_line()?)
    }
}
