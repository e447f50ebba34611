//! `xdlreg-run logs DIR RUN`: what happened to a run, with what its workers logged.

use std::collections::{BTreeMap, BTreeSet};

use super::OneRunArgs;
use crate::clock::duration;
use crate::error::{EXIT_OK, Result};
use crate::event::{Event, StageRef};
use crate::key::Key;
use crate::runner::slurm::logs_of;
use crate::runner::{Events, Recorded, ResultsFolder, find_run, read_plan};
use crate::terminal::print_line;

pub fn run(args: &OneRunArgs) -> Result<u8> {
    let frozen = read_plan(&args.folder)?;
    let plan = &frozen.plan;
    let run = &plan.runs[find_run(&frozen, &args.run)?];
    let own = Own { run_id: &run.run_id, keys: run.tasks.iter().map(|(_, &task)| &plan.tasks[task].key).collect() };
    let folder = ResultsFolder::at(&args.folder);
    let Events { recorded: events, trouble } = Events::read(folder.folder());
    if let Some(trouble) = trouble {
        print_line(&format!("note: {trouble}"));
    }
    let logs = WorkerLogs::of(&events);
    for one in &events {
        if let Some(line) = own.line(&one.event) {
            print_line(&format!("{}  {line}", one.time));
        }
        if let Event::StageStarted { stage, log, log_offset, .. } = &one.event
            && own.has(stage)
        {
            logs.part(&folder, log, *log_offset).lines().for_each(|line| print_line(&format!("    {line}")));
        }
    }
    for (heading, log) in logs_of(folder.folder(), &frozen, run)? {
        print_line(&heading);
        log.lines().for_each(|line| print_line(&format!("    {line}")));
    }
    Ok(EXIT_OK)
}

/// What events say of a run: its stages have these keys.
struct Own<'a> {
    run_id: &'a str,
    keys: Vec<&'a Key>,
}

impl Own<'_> {
    /// Whether a stage serves the run.
    fn has(&self, stage: &StageRef) -> bool {
        self.keys.contains(&&stage.key)
    }

    /// An event of the run, in a line.
    fn line(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::StageCached(stage) if self.has(stage) => format!("{}: cached", stage.stage),
            Event::StageStarted { stage, worker, .. } if self.has(stage) => {
                format!("{}: started by worker {worker}", stage.stage)
            }
            Event::EpochFinished { stage, epochs, epoch } if self.has(stage) => format!(
                "{}: epoch {} of {epochs}, loss {:.3}, validation loss {:.3}, mae {:.3}",
                stage.stage, epoch.epoch, epoch.train_loss, epoch.val_loss, epoch.val_mae
            ),
            Event::StageFinished { stage, seconds } if self.has(stage) => {
                format!("{}: done in {}", stage.stage, duration(*seconds))
            }
            Event::StageRetried { stage, attempt, reason } if self.has(stage) => {
                format!("{}: retry {attempt}, because {reason}", stage.stage)
            }
            Event::StageFailed { stage, reason } if self.has(stage) => format!("{}: failed: {reason}", stage.stage),
            Event::StageInvalid { stage, reason } if self.has(stage) => format!("{}: invalid: {reason}", stage.stage),
            Event::RunFinished { run_id: finished, status, reason, note } if finished == self.run_id => {
                let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
                let note = note.as_ref().map_or(String::new(), |note| format!("; note: {note}"));
                format!("run {}{reason}{note}", status.name())
            }
            _ => return None,
        })
    }
}

/// Where in the workers' logs the parts begin.
struct WorkerLogs<'a> {
    starts: BTreeMap<&'a str, BTreeSet<u64>>,
}

impl<'a> WorkerLogs<'a> {
    fn of(events: &'a [Recorded]) -> Self {
        let mut starts: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for one in events {
            if let Event::StageStarted { log, log_offset, .. } = &one.event {
                starts.entry(log).or_default().insert(*log_offset);
            }
        }
        Self { starts }
    }

    /// The part of a log that begins at `offset`, up to where the next one begins.
    fn part(&self, folder: &ResultsFolder, log: &str, offset: u64) -> String {
        let bytes = match folder.logs().read(log) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return String::new(),
            Err(error) => return format!("note: this log cannot be read: {error}"),
        };
        let end = self.starts.get(log).and_then(|starts| starts.range(offset + 1..).next());
        let end = end.map_or(bytes.len(), |end| (*end as usize).min(bytes.len()));
        String::from_utf8_lossy(bytes.get(offset as usize..end).unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage_name::StageName;

    /// A stage of a run that was begun when its worker's log had some length.
    fn started(log: &str, log_offset: u64) -> Recorded {
        let stage = StageRef {
            stage: StageName::Train,
            key: Key::of(&serde_json::json!(log_offset)),
            runs: 1,
            run_ids: vec!["0123456789".into()],
        };
        let event = Event::StageStarted { stage, worker: 0, log: log.into(), log_offset };
        Recorded { time: "2026-01-01T00:00:00Z".into(), elapsed_seconds: None, event }
    }

    #[test]
    fn a_stage_has_what_was_logged_before_the_next_one_began() {
        let scene = tempfile::tempdir().unwrap();
        let folder = ResultsFolder::at(scene.path());
        folder.logs().make().unwrap();
        folder.logs().write("one.log", b"first\nsecond\nthird\n").unwrap();
        folder.logs().write("other.log", b"apart\n").unwrap();
        // Later starts may be told before earlier ones, and the other log has places of its own.
        let events = [started("one.log", 13), started("one.log", 0), started("other.log", 3), started("one.log", 6)];
        let logs = WorkerLogs::of(&events);
        let parts = [0, 6, 13].map(|offset| logs.part(&folder, "one.log", offset));
        assert_eq!(parts, ["first\n", "second\n", "third\n"]);
        assert_eq!(logs.part(&folder, "other.log", 3), "rt\n");
        // A log that was cut, and one that is gone, have nothing to tell.
        assert_eq!([logs.part(&folder, "one.log", 99), logs.part(&folder, "gone.log", 0)], ["", ""]);
    }
}
