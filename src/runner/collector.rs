//! Gathers what happens: into the journal, to the reporter, and into the results folder.
//!
//! What a run measured stays in the store. Of every run no more than a row of the table of runs is kept, and the tables are
//! written from the store in passes over the plan ([`Assembly`]): a step of a pass for every run that ends, so that the time for
//! a run does not depend on how many there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::assembly::Assembly;
use super::ensembles;
use super::folds;
use super::journal::Recorder;
use super::outcome::{Outcome, RunOutcome};
use super::reader::{Found, Reader};
use super::results::ResultsFolder;
use super::scheduler::{Observer, TaskEnd};
use super::validity::{Verdict, verdict};
use crate::error::{Error, Result};
use crate::event::{Event, RunStatus};
use crate::format::FORMAT;
use crate::plan::Plan;
use crate::report;
use crate::stage_name::StageName;
use crate::store::{Check, Lookup, Store};
use crate::tables::{RunDetails, RunRecord};

/// A pass that writes the tables is begun while runs finish, but not sooner than this after the last one,
const TABLES_INTERVAL: Duration = Duration::from_secs(10);
/// and goes on as long as passes take no more than this share of the time.
const TABLES_SHARE: u32 = 20;

/// So many runs are looked at together when an experiment starts.
const LOOKED_AT: usize = 64;

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
    ends: BTreeMap<usize, (RunStatus, String)>,
    tables: Tables<'a>,
    /// The first thing that could not be written.
    trouble: Option<Error>,
}

/// How far the tables are.
struct Tables<'a> {
    /// The pass under way, and how many tasks had ended when it was begun.
    pass: Option<(Assembly<'a>, usize)>,
    /// How many tasks have ended in this start.
    ended: usize,
    /// How many of those the tables in the folder know of; none before they were written.
    told: Option<usize>,
    begun: Instant,
    /// When the last pass was begun.
    last: Instant,
    /// How long passes took.
    took: Duration,
}

/// What was found when an experiment started.
#[derive(Default)]
struct Survey {
    cached: Vec<usize>,
    /// How many stages of each kind are to be done.
    work: BTreeMap<StageName, usize>,
    notes: Vec<String>,
}

impl<'a> Collector<'a> {
    pub fn new(plan: &'a Plan, store: &'a Store, folder: ResultsFolder, recorder: Recorder<'a>) -> Self {
        let now = Instant::now();
        Self {
            plan,
            store,
            reader: Reader::new(plan, store),
            folder,
            recorder,
            done: vec![false; plan.tasks.len()],
            missing: vec![StageName::ALL.len(); plan.runs.len()],
            records: plan.runs.iter().map(|run| RunRecord::pending(plan, run)).collect(),
            ends: BTreeMap::new(),
            tables: Tables { pass: None, ended: 0, told: None, begun: now, last: now, took: Duration::ZERO },
            trouble: None,
        }
    }

    /// Finds out what is done already, and writes the tables of it. Returns of every task whether it is done.
    pub fn begin(&mut self, name: &str, notes: Vec<String>, workers: usize, check: Check) -> Result<Vec<bool>> {
        let mut survey = Survey { notes, ..Survey::default() };
        let mut pass = Assembly::begin(self.plan, self.folder.folder())?;
        let mut known = vec![false; self.plan.tasks.len()];
        for first in (0..self.plan.runs.len()).step_by(LOOKED_AT) {
            let runs: Vec<usize> = (first..self.plan.runs.len().min(first + LOOKED_AT)).collect();
            let tasks = runs.iter().flat_map(|&run| self.plan.runs[run].tasks.iter().map(|(_, &task)| task));
            let mut tasks: Vec<usize> = tasks.filter(|&task| !std::mem::replace(&mut known[task], true)).collect();
            tasks.sort_unstable();
            self.look_up(&tasks, check, &mut survey)?;
            self.collect(&runs).into_iter().try_for_each(|details| pass.add(details))?;
        }
        while !pass.step(&mut self.reader, &self.records, &self.done)? {}
        pass.commit(&self.records)?;
        self.tables.told = Some(0);
        self.tell_start(name, workers, survey);
        Ok(self.done.clone())
    }

    /// Looks up which of some tasks are done.
    fn look_up(&mut self, tasks: &[usize], check: Check, survey: &mut Survey) -> Result<()> {
        let look = |&task: &usize| {
            let planned = &self.plan.tasks[task];
            self.store.lookup(planned.stage(), &planned.key, check)
        };
        let found: Vec<Lookup> = tasks.par_iter().map(look).collect();
        for (&index, found) in tasks.iter().zip(found) {
            let (stage, key) = (self.plan.tasks[index].stage(), &self.plan.tasks[index].key);
            match found {
                Lookup::Hit(entry) => {
                    self.reader.keep(index, *entry);
                    self.done[index] = true;
                    survey.cached.push(index);
                    continue;
                }
                Lookup::Miss => {}
                Lookup::Newer(newer) => {
                    let result = format!("the {stage} result {key} in {}", self.store.root().display());
                    let help = "or choose another folder with experiment.output or --output";
                    return Err(Error::usage(format!("{result}: {newer}"), help));
                }
                Lookup::Corrupt(reason) => {
                    let key = key.short(10);
                    let note = format!("the stored result of {stage} {key} is damaged ({reason}): it is made again");
                    survey.notes.push(note);
                    self.store
                        .discard(stage, &self.plan.tasks[index].key)
                        .map_err(|error| Error::io("remove from", self.store.root(), &error))?;
                }
            }
            *survey.work.entry(stage).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Collects those of some runs that are done. Returns what the tables tell of each; nothing of one that is not done.
    fn collect(&mut self, runs: &[usize]) -> Vec<Option<RunDetails>> {
        let is_done = |run: usize| self.plan.runs[run].tasks.iter().all(|(_, &task)| self.done[task]);
        let done: Vec<bool> = runs.iter().map(|&run| is_done(run)).collect();
        let find = |(&run, done): (&usize, &bool)| {
            done.then(|| self.reader.found(&self.plan.runs[run], &self.done)).map(|found| (run, found))
        };
        let found: Vec<Option<(usize, Result<Found>)>> = runs.iter().zip(&done).map(find).collect();
        let read = |of_run: Option<(usize, Result<Found>)>| {
            let (run, found) = of_run?;
            Some((run, found.and_then(|found| Ok((found.details()?, found)))))
        };
        let read: Vec<_> = found.into_par_iter().map(read).collect();
        let collected = read.into_iter().map(|of_run| {
            let (run, read) = of_run?;
            Some(self.put_in_place(run, read))
        });
        collected.collect()
    }

    /// Notes how a run ended; puts its results into place, where it is done. Returns what the tables tell of it.
    fn put_in_place(&mut self, run: usize, read: Result<(RunDetails, Found)>) -> RunDetails {
        let ended = read.and_then(|(details, found)| Ok((self.record(run, &found, &details)?, details)));
        match ended {
            Ok((record, details)) => {
                self.records[run] = record;
                details
            }
            Err(error) => {
                (self.records[run].status, self.records[run].reason) = (RunStatus::Failed, Some(error.to_string()));
                self.note_trouble(Err(error));
                RunDetails::default()
            }
        }
    }

    /// Puts the results of a run that has ended into place. Returns what the table of runs will tell of it.
    fn record(&mut self, run: usize, found: &Found, details: &RunDetails) -> Result<RunRecord> {
        let (planned, end) = (&self.plan.runs[run], self.ends.get(&run).cloned());
        if end.is_none() {
            self.folder.publish(planned, &mut self.reader)?;
        }
        let mut record = self.reader.record(planned, found, details);
        (record.status, record.reason) = match end {
            Some((status, reason)) => (status, Some(reason)),
            None => {
                let (findings, _) = found.explained()?;
                let Verdict { reason, note } = verdict(details, &findings, self.plan.learning_task(planned));
                record.note = note;
                (if reason.is_some() { RunStatus::Invalid } else { RunStatus::Done }, reason)
            }
        };
        Ok(record)
    }

    fn tell_start(&mut self, name: &str, workers: usize, Survey { cached, work, notes }: Survey) {
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
            for &run in &self.plan.tasks[index].runs {
                self.missing[run] -= 1;
                if self.missing[run] == 0 {
                    self.tell_end(run);
                }
            }
        }
    }

    fn tell_end(&mut self, run: usize) {
        let RunRecord { run_id, status, reason, note, .. } = &self.records[run];
        let (run_id, reason, note) = (run_id.clone(), reason.clone(), note.clone());
        self.event(Event::RunFinished { run_id, status: *status, reason, note });
    }

    fn finish_run(&mut self, run: usize) {
        let found = self.reader.found(&self.plan.runs[run], &self.done);
        self.put_in_place(run, found.and_then(|found| Ok((found.details()?, found))));
        self.tell_end(run);
        let advanced = self.advance_tables();
        self.note_trouble(advanced);
    }

    fn note_trouble(&mut self, result: Result<()>) {
        if let Err(error) = result {
            tracing::error!("{error}");
            self.trouble.get_or_insert(error);
        }
    }

    /// Goes a step on in writing the tables, if it is time to.
    fn advance_tables(&mut self) -> Result<()> {
        let start = Instant::now();
        let is_due = self.tables.pass.is_some() || self.tables.last.elapsed() >= TABLES_INTERVAL;
        if !is_due || self.tables.took * TABLES_SHARE > self.tables.begun.elapsed() {
            return Ok(());
        }
        let stepped = self.step_tables();
        self.tables.took += start.elapsed();
        stepped
    }

    fn step_tables(&mut self) -> Result<()> {
        let (mut pass, ended) = match self.tables.pass.take() {
            Some(pass) => pass,
            None => {
                self.tables.last = Instant::now();
                (Assembly::begin(self.plan, self.folder.folder())?, self.tables.ended)
            }
        };
        if pass.step(&mut self.reader, &self.records, &self.done)? {
            pass.commit(&self.records)?;
            self.tables.told = Some(ended);
        } else {
            self.tables.pass = Some((pass, ended));
        }
        Ok(())
    }

    /// Writes all tables with what is known now, unless they tell it already; runs that have not ended are in them as pending.
    pub fn write_tables(&mut self) -> Result<()> {
        self.tables.pass.take_if(|(_, ended)| *ended != self.tables.ended);
        while self.tables.told != Some(self.tables.ended) {
            self.step_tables()?;
        }
        Ok(())
    }

    /// Writes what runs say together: maps and tables of ensembles, and tables of cross-validations. Trouble is told at the end.
    pub fn write_ensembles(&mut self) {
        let written = ensembles::write(self.plan, &self.records, &mut self.reader, &self.done, &self.folder);
        self.note_trouble(written);
        let written = folds::write(self.plan, &self.records, &mut self.reader, &self.done, &self.folder);
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
        let [done, failed, invalid] = [RunStatus::Done, RunStatus::Failed, RunStatus::Invalid].map(count);
        self.event(Event::ExperimentFinished { done, failed, invalid, seconds: start.elapsed().as_secs_f64() });
        Ok(self.outcome())
    }

    /// How the runs stand.
    pub fn outcome(&self) -> Outcome {
        let count = |status| self.records.iter().filter(|record| record.status == status).count();
        let [done, failed, invalid, pending] =
            [RunStatus::Done, RunStatus::Failed, RunStatus::Invalid, RunStatus::Pending].map(count);
        let runs = self.records.iter().zip(&self.plan.runs).filter(|(record, _)| record.status != RunStatus::Pending);
        let runs = runs.map(|(record, run)| RunOutcome::of(record, run)).collect();
        Outcome { folder: self.folder.path().to_owned(), done, failed, invalid, pending, runs }
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
        let end = match end {
            TaskEnd::Done => None,
            TaskEnd::Failed(reason) => Some((RunStatus::Failed, reason)),
            TaskEnd::Invalid(reason) => Some((RunStatus::Invalid, reason)),
        };
        self.done[task] = end.is_none();
        self.tables.ended += 1;
        for &run in &self.plan.tasks[task].runs {
            self.missing[run] -= 1;
            if let Some((status, reason)) = end {
                self.ends.entry(run).or_insert_with(|| (status, reason.clone()));
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
