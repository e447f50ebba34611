//! Gathers what happens: into the journal, to the reporter, and into the results folder.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::ensembles;
use super::journal::Recorder;
use super::outcome::{Outcome, RunOutcome};
use super::reader::Reader;
use super::results::ResultsFolder;
use super::scheduler::{Observer, TaskEnd};
use super::validity::{Verdict, verdict};
use crate::error::{Error, Result};
use crate::event::{Event, RunStatus};
use crate::format::FORMAT;
use crate::plan::{Plan, PlannedTask};
use crate::report;
use crate::stage_name::StageName;
use crate::store::{Check, Lookup, Store};
use crate::tables::{self, RunRecord};

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
    recorder: Recorder<'a>,
    done: Vec<bool>,
    /// How many tasks each run still waits for.
    missing: Vec<usize>,
    /// What is known of each run; those that have not ended are pending.
    records: Vec<RunRecord>,
    /// How a run ends that will not be done, and why.
    ends: Vec<Option<(RunStatus, String)>>,
    tables_written: Instant,
    tables_took: Duration,
    /// The first thing that could not be written.
    trouble: Option<Error>,
}

impl<'a> Collector<'a> {
    pub fn new(plan: &'a Plan, store: &'a Store, folder: ResultsFolder, recorder: Recorder<'a>) -> Self {
        let runs = plan.runs.len();
        Self {
            plan,
            store,
            reader: Reader::new(plan, store),
            folder,
            recorder,
            done: vec![false; plan.tasks.len()],
            missing: vec![StageName::ALL.len(); runs],
            records: plan.runs.iter().map(|run| RunRecord::pending(plan, run)).collect(),
            ends: vec![None; runs],
            tables_written: Instant::now(),
            tables_took: Duration::ZERO,
            trouble: None,
        }
    }

    /// Finds out what is done already. Returns that of every task.
    pub fn begin(&mut self, name: &str, mut notes: Vec<String>, workers: usize, check: Check) -> Result<Vec<bool>> {
        let mut cached = Vec::new();
        let mut work = BTreeMap::new();
        let look = |task: &PlannedTask| self.store.lookup(task.stage(), &task.key, check);
        let found: Vec<Lookup> = self.plan.tasks.par_iter().map(look).collect();
        for ((index, task), found) in self.plan.tasks.iter().enumerate().zip(found) {
            let stage = task.stage();
            match found {
                Lookup::Hit(entry) => {
                    self.reader.keep(index, *entry);
                    cached.push(index);
                    continue;
                }
                Lookup::Miss => {}
                Lookup::Newer(newer) => {
                    let result = format!("the {stage} result {} in {}", task.key, self.store.root().display());
                    let help = "or choose another folder with experiment.output or --output";
                    return Err(Error::usage(format!("{result}: {newer}"), help));
                }
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
            format: FORMAT,
            name: name.to_owned(),
            folder: self.folder.path().display().to_string(),
            runs: self.plan.runs.len(),
            stages: self.plan.tasks.len(),
            cached: cached.len(),
            typical_seconds: self.store.typical_seconds(work.keys().copied()),
            work,
            workers,
        });
        notes.into_iter().for_each(|message| self.event(Event::Note { message }));
        for run in &self.plan.runs {
            self.event(Event::RunStarted { run_id: run.run_id.clone() });
        }
        for index in cached {
            self.event(Event::StageCached(self.plan.stage_ref(index)));
            self.task_ended(index, &TaskEnd::Done);
        }
        Ok(self.done.clone())
    }

    fn finish_run(&mut self, run: usize) {
        let (status, reason, note) = match self.record(run) {
            Ok(record) => {
                let end = (record.status, record.reason.clone(), record.note.clone());
                self.records[run] = record;
                end
            }
            Err(error) => {
                let reason = error.to_string();
                self.note_trouble(Err(error));
                (RunStatus::Failed, Some(reason), None)
            }
        };
        self.event(Event::RunFinished { run_id: self.plan.runs[run].run_id.clone(), status, reason, note });
        if self.tables_written.elapsed() >= TABLES_INTERVAL.max(self.tables_took * TABLES_SHARE) {
            let written = self.write_tables();
            self.note_trouble(written);
        }
    }

    /// Puts the results of a run that has ended into place. Returns what the tables will tell of it.
    fn record(&mut self, run: usize) -> Result<RunRecord> {
        let (planned, end) = (&self.plan.runs[run], self.ends[run].clone());
        if end.is_none() {
            self.folder.publish(planned, &mut self.reader)?;
        }
        let mut record = self.reader.record(planned, &self.done)?;
        (record.status, record.reason) = match end {
            Some((status, reason)) => (status, Some(reason)),
            None => {
                let Verdict { reason, note } = verdict(&record, self.plan.learning_task(planned));
                record.note = note;
                (if reason.is_some() { RunStatus::Invalid } else { RunStatus::Done }, reason)
            }
        };
        Ok(record)
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
        let datasets = self.reader.datasets(&self.done)?;
        tables::write_all(self.folder.folder(), &self.records, &datasets).map_err(|error| Error::Failed {
            message: format!("cannot write the tables in {}: {error}", self.folder.path().display()),
            help: None,
        })?;
        (self.tables_written, self.tables_took) = (Instant::now(), start.elapsed());
        Ok(())
    }

    /// Writes the maps and tables of ensembles; trouble is told at the end.
    pub fn write_ensembles(&mut self) {
        let written = ensembles::write(self.plan, &self.records, &self.folder);
        self.note_trouble(written);
    }

    /// Draws figures and the page, unless they are there and show these results. Results are complete without them, but a
    /// report that is missing is told at the end like all else that cannot be written.
    pub fn report(&mut self) {
        if report::is_up_to_date(self.folder.path()) {
            return;
        }
        if let Err(error) = report::write(self.folder.path(), &[]) {
            let help = "the tables are complete; `xdlreg-run report` draws the figures and the report again";
            self.note_trouble(Err(Error::failed(format!("the report could not be written: {error}"), help)));
        }
    }

    pub fn end(mut self, start: Instant) -> Result<Outcome> {
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        let count = |status| self.records.iter().filter(|record| record.status == status).count();
        let [done, failed, invalid, pending] =
            [RunStatus::Done, RunStatus::Failed, RunStatus::Invalid, RunStatus::Pending].map(count);
        self.event(Event::ExperimentFinished { done, failed, invalid, seconds: start.elapsed().as_secs_f64() });
        let runs = self.records.iter().zip(&self.plan.runs).filter(|(record, _)| record.status != RunStatus::Pending);
        let runs = runs.map(|(record, run)| RunOutcome::of(record, run)).collect();
        Ok(Outcome { folder: self.folder.path().to_owned(), done, failed, invalid, pending, runs })
    }
}

impl Observer for Collector<'_> {
    fn event(&mut self, event: Event) {
        if let Err(error) = self.recorder.record(&event) {
            let error = Error::io("write", &self.folder.events(), &error);
            self.note_trouble(Err(error));
        }
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
pub struct Helper<'a>(pub Recorder<'a>);

impl Observer for Helper<'_> {
    fn event(&mut self, event: Event) {
        if let Err(error) = self.0.record(&event) {
            tracing::error!("cannot record an event: {error}");
        }
    }

    fn task_ended(&mut self, _: usize, _: &TaskEnd) {}
}
