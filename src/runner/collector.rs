//! Gathers what happens: into the journal, to the reporter, and into the results folder.

use std::time::{Duration, Instant};

use super::experiment::{Outcome, RunOutcome};
use super::journal::Journal;
use super::local::{Observer, TaskEnd};
use super::plan::Plan;
use super::results::{Reader, ResultsFolder};
use super::validity::verdict;
use crate::error::{Error, Result};
use crate::event::{Event, EventSink, RunStatus, StageRef};
use crate::report;
use crate::stage::StageName;
use crate::store::tables::{self, RunRecord};
use crate::store::{Lookup, Store};

/// Tables are rewritten while runs finish, but not more often than this,
const TABLES_INTERVAL: Duration = Duration::from_secs(10);
/// nor so often that it takes more than this share of the time.
const TABLES_SHARE: u32 = 20;

/// Of the first runner of an experiment, which owns the results folder.
pub struct Collector<'a> {
    plan: &'a Plan,
    store: &'a Store,
    reader: Reader<'a>,
    folder: ResultsFolder,
    journal: Journal,
    sink: &'a mut dyn EventSink,
    done: Vec<bool>,
    /// How many tasks each run still waits for.
    missing: Vec<usize>,
    records: Vec<Option<RunRecord>>,
    /// How a run ends that will not be done, and why.
    ends: Vec<Option<(RunStatus, String)>>,
    tables_written: Instant,
    tables_took: Duration,
    /// The first thing that could not be written.
    trouble: Option<Error>,
}

impl<'a> Collector<'a> {
    pub fn new(
        plan: &'a Plan,
        store: &'a Store,
        folder: ResultsFolder,
        journal: Journal,
        sink: &'a mut dyn EventSink,
    ) -> Self {
        let runs = plan.runs.len();
        Self {
            plan,
            store,
            reader: Reader::new(plan, store),
            folder,
            journal,
            sink,
            done: vec![false; plan.tasks.len()],
            missing: vec![StageName::ALL.len(); runs],
            records: vec![None; runs],
            ends: vec![None; runs],
            tables_written: Instant::now(),
            tables_took: Duration::ZERO,
            trouble: None,
        }
    }

    /// Finds out what is done already. Returns that of every task.
    pub fn begin(&mut self, name: &str, mut notes: Vec<String>, workers: usize, verify: bool) -> Result<Vec<bool>> {
        let mut cached = Vec::new();
        let mut work = std::collections::BTreeMap::new();
        for (index, task) in self.plan.tasks.iter().enumerate() {
            let stage = task.stage();
            let found = if verify { self.store.verify(stage, &task.key) } else { self.store.lookup(stage, &task.key) };
            match found {
                Lookup::Hit(entry) => {
                    self.reader.keep(index, *entry);
                    cached.push(index);
                    continue;
                }
                Lookup::Miss => {}
                Lookup::Corrupt(reason) => {
                    let key = task.key.short(10);
                    notes.push(format!("the stored result of {stage} {key} is damaged ({reason}): it is made again"));
                    self.store
                        .discard(stage, &task.key)
                        .map_err(|error| Error::io("remove from", self.store.root(), &error))?;
                }
            }
            *work.entry(stage).or_insert(0) += 1;
        }
        self.event(Event::ExperimentStarted {
            name: name.to_owned(),
            folder: self.folder.path().display().to_string(),
            runs: self.plan.runs.len(),
            stages: self.plan.tasks.len(),
            cached: cached.len(),
            work,
            typical_seconds: self.store.typical_seconds(),
            workers,
        });
        notes.into_iter().for_each(|message| self.event(Event::Note { message }));
        for run in &self.plan.runs {
            self.event(Event::RunStarted { run_id: run.run_id.clone() });
        }
        for index in cached {
            let task = &self.plan.tasks[index];
            let stage = StageRef { stage: task.stage(), key: task.key.clone(), run_ids: self.plan.run_ids(task) };
            self.event(Event::StageCached(stage));
            self.task_ended(index, &TaskEnd::Done);
        }
        Ok(self.done.clone())
    }

    fn finish_run(&mut self, run: usize) {
        let planned = &self.plan.runs[run];
        let (mut status, mut reason) = match self.ends[run].clone() {
            Some((status, reason)) => (status, Some(reason)),
            None => (RunStatus::Done, None),
        };
        let published = match status {
            RunStatus::Done => self.folder.publish(planned, &mut self.reader),
            _ => Ok(()),
        };
        let recorded = published.and_then(|()| self.reader.record(planned, &self.done));
        let recorded = recorded.map(|mut record| {
            if status == RunStatus::Done
                && let Some(verdict) = verdict(&record, self.plan.task_of(planned))
            {
                (status, reason) = (RunStatus::Invalid, Some(verdict));
            }
            (record.status, record.reason) = (status, reason.clone());
            self.records[run] = Some(record);
        });
        self.note_trouble(recorded);
        self.event(Event::RunFinished { run_id: planned.run_id.clone(), status, reason });
        if self.tables_written.elapsed() >= TABLES_INTERVAL.max(self.tables_took * TABLES_SHARE) {
            let written = self.write_tables();
            self.note_trouble(written);
        }
    }

    fn note_trouble(&mut self, result: Result<()>) {
        if let Err(error) = result {
            tracing::error!("{error}");
            self.trouble.get_or_insert(error);
        }
    }

    /// Writes all tables with what is known now; runs that have not ended are in them as pending.
    pub fn write_tables(&mut self) -> Result<()> {
        let start = Instant::now();
        let pending: Vec<RunRecord>;
        let records: Vec<&RunRecord> = {
            let plan = self.plan;
            pending = plan.runs.iter().map(|run| RunRecord::pending(plan, run)).collect();
            self.records.iter().zip(&pending).map(|(known, pending)| known.as_ref().unwrap_or(pending)).collect()
        };
        let datasets = self.reader.datasets(&self.done)?;
        tables::write_all(self.folder.path(), &records, &datasets).map_err(|error| Error::Failed {
            message: format!("cannot write the tables in {}: {error}", self.folder.path().display()),
            help: None,
        })?;
        (self.tables_written, self.tables_took) = (Instant::now(), start.elapsed());
        Ok(())
    }

    /// Draws figures and the page, unless they show what is there: `reported` is what they were last made of. Results
    /// are complete without them, so trouble with them is told and no failure.
    pub fn report(&mut self, reported: Option<report::Contents>) {
        if reported.is_some() && reported == report::contents(self.folder.path()) {
            return;
        }
        if let Err(error) = report::write(self.folder.path(), &[]) {
            self.event(Event::Note { message: format!("there is no report: {error}") });
        }
    }

    pub fn end(mut self, start: Instant) -> Result<Outcome> {
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        let count = |status| self.records.iter().flatten().filter(|record| record.status == status).count();
        let [done, failed, invalid] = [RunStatus::Done, RunStatus::Failed, RunStatus::Invalid].map(count);
        let pending = self.records.iter().filter(|record| record.is_none()).count();
        self.event(Event::ExperimentFinished { done, failed, invalid, seconds: start.elapsed().as_secs_f64() });
        let outcome = |(record, run): (&Option<RunRecord>, &super::PlannedRun)| {
            record.as_ref().map(|record| RunOutcome::of(record, run.label()))
        };
        let runs = self.records.iter().zip(&self.plan.runs).filter_map(outcome).collect();
        Ok(Outcome { folder: self.folder.path().to_owned(), done, failed, invalid, pending, runs })
    }
}

impl Observer for Collector<'_> {
    fn event(&mut self, event: Event) {
        let recorded = self.journal.record(&event);
        let path = self.folder.events();
        self.note_trouble(recorded.map_err(|error| Error::io("write", &path, &error)));
        self.sink.emit(&event);
    }

    fn task_ended(&mut self, task: usize, end: &TaskEnd) {
        for &run in &self.plan.tasks[task].runs {
            self.missing[run] -= 1;
            let end = match end {
                TaskEnd::Done => None,
                TaskEnd::Failed(reason) => Some((RunStatus::Failed, reason.clone())),
                TaskEnd::Invalid(reason) => Some((RunStatus::Invalid, reason.clone())),
            };
            match end {
                Some(end) => {
                    self.ends[run].get_or_insert(end);
                }
                None => self.done[task] = true,
            }
        }
        for &run in &self.plan.tasks[task].runs {
            if self.missing[run] == 0 {
                self.finish_run(run);
            }
        }
    }
}

/// Of a runner that joined: it leaves results in the store, and the rest to the first runner.
pub struct Helper<'a> {
    journal: Journal,
    sink: &'a mut dyn EventSink,
}

impl<'a> Helper<'a> {
    pub fn new(journal: Journal, sink: &'a mut dyn EventSink) -> Self {
        Self { journal, sink }
    }
}

impl Observer for Helper<'_> {
    fn event(&mut self, event: Event) {
        if let Err(error) = self.journal.record(&event) {
            tracing::error!("cannot record an event: {error}");
        }
        self.sink.emit(&event);
    }

    fn task_ended(&mut self, _: usize, _: &TaskEnd) {}
}
