//! `events.jsonl`: all that happened, a JSON object a line, appended over all starts of an experiment.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::disk::{Appender, Folder};
use crate::event::{Event, EventSink};

/// The file, in a results folder.
pub const EVENTS: &str = "events.jsonl";

/// An event with the time when it happened.
#[derive(Debug, Serialize)]
pub struct Stamped<'a> {
    /// RFC 3339, UTC.
    pub time: String,
    /// Since the runner started to write, whatever was done to the clock meanwhile.
    pub elapsed_seconds: f64,
    #[serde(flatten)]
    pub event: &'a Event,
}

impl<'a> Stamped<'a> {
    /// An event of now, of a runner that started to write at `start`.
    pub fn now(event: &'a Event, start: Instant) -> Self {
        Self { time: clock::now(), elapsed_seconds: start.elapsed().as_secs_f64(), event }
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
    /// As [`Stamped::elapsed_seconds`]; earlier versions did not record it.
    #[serde(default)]
    pub elapsed_seconds: Option<f64>,
    #[serde(flatten)]
    pub event: Event,
}

impl Recorded {
    pub fn when(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.time).ok()
    }
}

/// What a journal tells.
#[derive(Debug, Default)]
pub struct Events {
    /// Of every start, in order.
    pub recorded: Vec<Recorded>,
    /// What could not be read, for a person; nothing where all was.
    pub trouble: Option<String>,
}

impl Events {
    /// Reads the journal of a results folder. A line that is damaged is counted and costs no other line; the journal as a
    /// whole may be unreadable, which is told as well.
    pub fn read(folder: &Folder) -> Self {
        let text = match folder.read(EVENTS) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                let trouble = format!("{EVENTS} cannot be read: {error}");
                return Self { recorded: Vec::new(), trouble: Some(trouble) };
            }
        };
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let read: Vec<Option<Recorded>> = lines.map(|line| serde_json::from_slice(line).ok()).collect();
        let damaged = read.iter().filter(|line| line.is_none()).count();
        let trouble = match damaged {
            0 => None,
            1 => Some(format!("one line of {EVENTS} is damaged and was skipped")),
            _ => Some(format!("{damaged} lines of {EVENTS} are damaged and were skipped")),
        };
        Self { recorded: read.into_iter().flatten().collect(), trouble }
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
    file: Appender,
    start: Instant,
    /// Whether the file may end amid a line, since its last writer was killed or the disk was full.
    torn: bool,
}

impl Journal {
    pub fn open(folder: &Folder) -> io::Result<Self> {
        let file = folder.append(EVENTS)?;
        let torn = ends_amid_a_line(file.file())?;
        Ok(Self { file, start: Instant::now(), torn })
    }

    /// Appends an event in one write, so that lines of several processes stay apart. Progress within a stage is not
    /// recorded.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        if matches!(event, Event::StageProgress { .. }) {
            return Ok(());
        }
        let mut line = Stamped::now(event, self.start).to_line()?;
        if self.torn {
            line.insert(0, b'\n');
        }
        let appended = self.file.append(&line);
        self.torn = appended.is_err();
        appended
    }
}

fn ends_amid_a_line(mut file: &std::fs::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(message: &str) -> Event {
        Event::Note { message: message.into() }
    }

    fn messages(events: &Events) -> Vec<String> {
        let message = |one: &Recorded| match &one.event {
            Event::Note { message } => message.clone(),
            other => format!("{other:?}"),
        };
        events.recorded.iter().map(message).collect()
    }

    #[test]
    fn damage_to_a_line_costs_that_line_alone() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        assert!(Events::read(&own).recorded.is_empty() && Events::read(&own).trouble.is_none());
        for message in ["one", "two", "three"] {
            Journal::open(&own).unwrap().record(&note(message)).unwrap();
        }
        let intact = own.read(EVENTS).unwrap();
        assert_eq!(
            (messages(&Events::read(&own)), Events::read(&own).trouble),
            (["one", "two", "three"].map(String::from).to_vec(), None)
        );
        let second = intact.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for damage in [&b"\xff\xfe"[..], b"{}", b"\0", b"{\"time\":1", b"[[[["] {
            let damaged = [&intact[..second], damage, &intact[second + damage.len()..]].concat();
            own.replace(EVENTS, &damaged).unwrap();
            let events = Events::read(&own);
            assert_eq!(messages(&events), ["one", "three"]);
            assert!(events.trouble.unwrap().starts_with("one line of events.jsonl is damaged"));
        }
    }

    #[test]
    fn a_torn_last_line_does_not_swallow_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        Journal::open(&own).unwrap().record(&note("one")).unwrap();
        let whole = own.read(EVENTS).unwrap();
        for cut in 1..whole.len() {
            own.replace(EVENTS, &[&whole[..], &whole[..cut]].concat()).unwrap();
            let mut journal = Journal::open(&own).unwrap();
            ["two", "three"].iter().for_each(|message| journal.record(&note(message)).unwrap());
            let told = messages(&Events::read(&own));
            // Without its line end alone, an event is whole.
            let expected: &[&str] =
                if cut == whole.len() - 1 { &["one", "one", "two", "three"] } else { &["one", "two", "three"] };
            assert_eq!(told, expected, "cut at {cut}");
        }
    }

    #[test]
    fn events_of_newer_versions_are_passed_over_and_names_of_logs_are_names() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        let started = |log: &str| {
            format!(
                r#"{{"time":"2026-01-01T00:00:00Z","event":"stage_started","stage":"train","key":"{}","run_ids":[],"worker":0,"log":"{log}","log_offset":0}}"#,
                "0".repeat(32)
            )
        };
        let newer = r#"{"time":"2026-01-01T00:00:00Z","event":"stage_blessed","by":{"whom":1}}"#;
        own.replace(EVENTS, format!("{newer}\n{}\n", started("worker-0.log")).as_bytes()).unwrap();
        let events = Events::read(&own);
        assert_eq!((events.recorded.len(), events.trouble), (2, None));
        for log in ["../../secret", "/etc/passwd", "", "..", "a/b"] {
            own.replace(EVENTS, started(log).as_bytes()).unwrap();
            assert!(Events::read(&own).recorded.is_empty() && Events::read(&own).trouble.is_some(), "{log}");
        }
    }
}
