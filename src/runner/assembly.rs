//! A pass over the plan that writes the tables anew, some runs at a time.
//!
//! Rows come from the store's entries in the order of the plan, whenever and by whomever they were made. So the tables of an
//! experiment are the same for any number of workers and of starts, and no more than the runs of one step are in memory.

use std::borrow::Cow;

use rayon::prelude::*;

use super::reader::{Found, Reader};
use crate::disk::Folder;
use crate::error::{Error, Result};
use crate::event::RunStatus;
use crate::plan::Plan;
use crate::source::Source;
use crate::stage::Job;
use crate::stage_name::StageName;
use crate::tables::{RunDetails, RunRecord, TableError, TablesDraft};

/// So many runs or data sets are read in a step.
const STEP: usize = 16;

/// Tables that are being written.
pub struct Assembly<'a> {
    plan: &'a Plan,
    folder: Folder,
    draft: TablesDraft,
    /// Of every run that was passed: whether the tables tell of it.
    told: Vec<bool>,
    /// How many tasks were passed in search of data sets.
    tasks: usize,
}

impl<'a> Assembly<'a> {
    pub fn begin(plan: &'a Plan, folder: &Folder) -> Result<Self> {
        let of_pumpkins = |job: &Job| matches!(job, Job::Simulate { data: Source::Pumpkins(_) });
        let pumpkins = plan.tasks.iter().any(|task| of_pumpkins(&task.job));
        let has_regions =
            |job: &Job| matches!(job, Job::Simulate { data: Source::Files(files) } if files.has_regions());
        let regions = plan.tasks.iter().any(|task| has_regions(&task.job));
        let draft = TablesDraft::begin(folder, pumpkins, regions).map_err(|error| unwritable(folder, error))?;
        Ok(Self { plan, folder: folder.clone(), draft, told: Vec::with_capacity(plan.runs.len()), tasks: 0 })
    }

    /// Adds the next run of the plan; nothing where it has not ended.
    pub fn add(&mut self, details: Option<RunDetails>) -> Result<()> {
        let run = &self.plan.runs[self.told.len()];
        self.told.push(details.is_some());
        match details {
            Some(details) => {
                let added = self.draft.add_run(&run.run_id, details);
                added.map_err(|error| unwritable(&self.folder, error))
            }
            None => Ok(()),
        }
    }

    /// Goes on with the next runs, or with data sets when all runs are passed. Returns whether everything is passed.
    pub fn step(&mut self, reader: &mut Reader, records: &[RunRecord], done: &[bool]) -> Result<bool> {
        if self.told.len() == self.plan.runs.len() {
            return self.step_datasets(reader, done);
        }
        let mut runs: Vec<Option<Found>> = Vec::new();
        let mut ended = 0;
        while self.told.len() + runs.len() < self.plan.runs.len() && ended < STEP {
            let run = self.told.len() + runs.len();
            let has_ended = records[run].status != RunStatus::Pending;
            runs.push(has_ended.then(|| reader.found(&self.plan.runs[run], done)).transpose()?);
            ended += usize::from(has_ended);
        }
        let read = |found: &Option<Found>| found.as_ref().map(Found::details).transpose();
        let details: Vec<Option<RunDetails>> = runs.par_iter().map(read).collect::<Result<_>>()?;
        details.into_iter().try_for_each(|details| self.add(details))?;
        Ok(false)
    }

    fn step_datasets(&mut self, reader: &mut Reader, done: &[bool]) -> Result<bool> {
        let mut read = 0;
        while self.tasks < self.plan.tasks.len() && read < STEP {
            let task = self.tasks;
            self.tasks += 1;
            if done[task] && self.plan.tasks[task].stage() == StageName::Simulate {
                let dataset = reader.dataset(task)?;
                self.draft.add_dataset(dataset).map_err(|error| unwritable(&self.folder, error))?;
                read += 1;
            }
        }
        Ok(self.tasks == self.plan.tasks.len())
    }

    /// Puts the tables into place. Of runs that ended after they were passed, they tell as of those that have not ended.
    pub fn commit(self, records: &[RunRecord]) -> Result<()> {
        let rows = records.iter().zip(&self.plan.runs).zip(&self.told).map(|((record, run), told)| match told {
            false if record.status != RunStatus::Pending => Cow::Owned(RunRecord::pending(self.plan, run)),
            _ => Cow::Borrowed(record),
        });
        let rows: Vec<Cow<RunRecord>> = rows.collect();
        self.draft.commit(&rows).map_err(|error| unwritable(&self.folder, error))
    }
}

fn unwritable(folder: &Folder, error: TableError) -> Error {
    Error::Failed { message: format!("cannot write the tables in {}: {error}", folder.path().display()), help: None }
}
