//! Where an experiment under Slurm stands, from its folder alone.

use std::collections::BTreeMap;

use super::known::{Known, Picture};
use super::ledger::Ledger;
use crate::disk::Folder;
use crate::error::Result;
use crate::plan::{FrozenPlan, PlannedRun};
use crate::runner::executor::Update;
use crate::spec::RunSettings;
use crate::store::Store;

/// What the folder, the store and Slurm say.
#[derive(Debug)]
pub struct View {
    /// Whether each task of the plan is done.
    pub done: Vec<bool>,
    /// The names of submissions of which something may still come.
    pub open: Vec<String>,
    /// A line on their jobs.
    pub jobs: String,
    /// Tasks that their workers gave up, and why.
    pub failed: BTreeMap<usize, String>,
}

impl View {
    /// Nothing where nothing was ever submitted.
    pub fn read(results: &Folder, frozen: &FrozenPlan, store: &Store) -> Result<Option<Self>> {
        let mut ledger = Ledger::read(results)?;
        if ledger.submissions.is_empty() {
            return Ok(None);
        }
        let done: Vec<bool> = frozen.plan.tasks.iter().map(|task| store.contains(task.stage(), &task.key)).collect();
        let open = ledger.open_names();
        let mut failed = BTreeMap::new();
        let jobs = match Picture::take(&frozen.plan, &mut ledger) {
            _ if open.is_empty() => "no jobs".to_owned(),
            Ok(Ok(picture)) => {
                let run = RunSettings::default();
                for task in (0..done.len()).filter(|&task| !done[task]) {
                    if let Known::Verdict(Update::Failed { reason } | Update::Invalid { reason }) =
                        picture.of(task, &ledger, &run)
                    {
                        failed.insert(task, format!("{}: {reason}", frozen.plan.tasks[task].stage()));
                    }
                }
                let counts = picture.counts(&ledger).into_iter();
                let counts = counts.map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ");
                let numbers =
                    ledger.numbers().into_values().map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
                format!("{counts} (job {numbers})")
            }
            Ok(Err(refused)) => format!("not known, since Slurm does not answer: {refused}"),
            Err(error) => format!("not known: {error}"),
        };
        Ok(Some(Self { done, open, jobs, failed }))
    }
}

/// What the jobs printed that were to do tasks of a run: a heading and lines for each.
pub fn logs_of(results: &Folder, frozen: &FrozenPlan, run: &PlannedRun) -> Result<Vec<(String, String)>> {
    let mut logs = Vec::new();
    for submission in &Ledger::read(results)?.submissions {
        for (job, tasks) in submission.intent.jobs.iter().enumerate() {
            let of_run = |key: &crate::key::Key| run.tasks.iter().any(|(_, &task)| frozen.plan.tasks[task].key == *key);
            if tasks.iter().any(|(_, key)| of_run(key)) {
                let number = submission.job.map_or("not submitted".to_owned(), |number| format!("job {number}_{job}"));
                let heading = format!("{}  {number} ({})", submission.intent.submitted_at, submission.name());
                logs.push((heading, submission.log(job)));
            }
        }
    }
    Ok(logs)
}
