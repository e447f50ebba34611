//! What is known of tasks that are not done: from the folder of submissions, and from Slurm.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::advice::advice;
use super::calls::{Refused, State, States, sacct, squeue};
use super::ledger::Ledger;
use crate::error::Result;
use crate::key::Key;
use crate::plan::Plan;
use crate::protocol::Reply;
use crate::runner::executor::Update;
use crate::spec::RunSettings;

/// How many of the last lines of a log are quoted.
const LAST_WORDS: usize = 3;

/// Where a task stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nobody is asked to do it.
    Never,
    /// A job that does it waits or runs.
    Outstanding,
    /// It was tried, and its worker says that trying again will not help.
    Verdict(Update),
    /// The job that was to do it is over.
    Lost { reason: String, attempt: usize, grown: usize },
}

/// A job: the place of its submission in the ledger, and its index in the array.
pub type JobRef = (usize, usize);

/// What Slurm said last.
#[derive(Debug, Default)]
pub struct Picture {
    states: States,
    /// For each task the job that was asked last to do it, of open submissions, and its place in that one's plan.
    jobs: HashMap<usize, (JobRef, usize)>,
}

impl Picture {
    /// Asks Slurm after all open submissions, and settles those of which the number is not known.
    ///
    /// # Errors
    /// The inner one where Slurm does not answer; then nothing is known, and nothing may be concluded.
    pub fn take(plan: &Plan, ledger: &mut Ledger) -> Result<std::result::Result<Self, Refused>> {
        let (mut states, numbers) = match squeue(&ledger.open_names()) {
            Ok(told) => told,
            Err(refused) => return Ok(Err(refused)),
        };
        for submission in ledger.submissions.iter_mut().filter(|submission| submission.is_open()) {
            if submission.job.is_none() {
                // Killed between the intent and the note of the answer: Slurm knows the name, or never heard it. Of one that was
                // submitted and is forgotten, the jobs have left their results or their logs.
                let number = numbers.get(submission.name()).copied();
                let left_something = (0..submission.intent.jobs.len()).any(|job| !submission.log(job).is_empty());
                submission.note_number(number.or(left_something.then_some(0)))?;
            }
        }
        let forgotten = |(name, _): &(&String, &u64)| {
            let submission = ledger.submissions.iter().find(|submission| submission.name() == *name);
            submission.is_some_and(|submission| {
                (0..submission.intent.jobs.len()).any(|job| !states.contains_key(&((*name).clone(), job)))
            })
        };
        let numbers = ledger.numbers();
        let forgotten: HashMap<String, u64> =
            numbers.iter().filter(forgotten).map(|(name, number)| (name.clone(), *number)).collect();
        for (job, state) in sacct(&forgotten) {
            states.entry(job).or_insert(state);
        }
        Ok(Ok(Self { states, jobs: jobs(plan, ledger) }))
    }

    pub fn state(&self, ledger: &Ledger, (submission, job): JobRef) -> Option<&State> {
        self.states.get(&(ledger.submissions[submission].name().to_owned(), job))
    }

    /// Whether a job may still do something.
    pub fn is_outstanding(&self, ledger: &Ledger, job: JobRef) -> bool {
        self.state(ledger, job).is_some_and(State::is_outstanding)
    }

    /// Where a task stands that has no result.
    pub fn of(&self, task: usize, ledger: &Ledger, run: &RunSettings) -> Known {
        let Some(&(job, old)) = self.jobs.get(&task) else { return Known::Never };
        let submission = &ledger.submissions[job.0];
        let last = submission.replies(job.1).into_iter().rev().find(|told| told.task == old).map(|told| told.reply);
        match last {
            Some(Reply::Failed { reason }) => return Known::Verdict(Update::Failed { reason }),
            Some(Reply::Invalid { reason }) => return Known::Verdict(Update::Invalid { reason }),
            _ => {}
        }
        if self.is_outstanding(ledger, job) {
            return Known::Outstanding;
        }
        let state = self.state(ledger, job);
        let log = submission.log(job.1);
        let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last_words = lines[lines.len().saturating_sub(LAST_WORDS)..].join(" | ");
        let reason = advice(state, run, submission.intent.grown, &last_words);
        let ran_out = usize::from(state.is_some_and(|state| state.state.starts_with("OUT_OF_ME")));
        Known::Lost { reason, attempt: submission.intent.attempt + 1, grown: submission.intent.grown + ran_out }
    }

    /// The job that was asked last to do a task, and the task's place in the plan of that job.
    pub fn job_of(&self, task: usize) -> Option<(JobRef, usize)> {
        self.jobs.get(&task).copied()
    }

    /// A submission was just made: its jobs wait.
    pub fn add(&mut self, plan: &Plan, ledger: &Ledger) {
        self.jobs = jobs(plan, ledger);
        if let Some(submission) = ledger.submissions.last() {
            for job in 0..submission.intent.jobs.len() {
                let state = State { state: "PENDING".into(), reason: String::new() };
                self.states.insert((submission.name().to_owned(), job), state);
            }
        }
    }

    /// How many jobs of open submissions are in each state.
    pub fn counts(&self, ledger: &Ledger) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (place, submission) in ledger.submissions.iter().enumerate().filter(|(_, submission)| submission.is_open())
        {
            for job in 0..submission.intent.jobs.len() {
                let state =
                    self.state(ledger, (place, job)).map_or("gone".to_owned(), |state| state.state.to_lowercase());
                *counts.entry(state).or_default() += 1;
            }
        }
        counts
    }

    /// Open submissions none of whose jobs can still do something.
    pub fn over(&self, ledger: &Ledger) -> BTreeSet<usize> {
        let all = ledger.submissions.iter().enumerate().filter(|(_, submission)| submission.is_open());
        let is_over = |(place, submission): &(usize, &super::ledger::Submission)| {
            (0..submission.intent.jobs.len()).all(|job| !self.is_outstanding(ledger, (*place, job)))
        };
        all.filter(is_over).map(|(place, _)| place).collect()
    }
}

/// For each task of a plan the job that was asked last to do it, of open submissions, and its place in that one's plan.
fn jobs(plan: &Plan, ledger: &Ledger) -> HashMap<usize, (JobRef, usize)> {
    let index: HashMap<&Key, usize> = plan.tasks.iter().enumerate().map(|(index, task)| (&task.key, index)).collect();
    let mut jobs = HashMap::new();
    for (place, submission) in ledger.submissions.iter().enumerate().filter(|(_, submission)| submission.is_open()) {
        for (job, tasks) in submission.intent.jobs.iter().enumerate() {
            for (old, key) in tasks {
                // Several jobs may have a data set among their tasks: the first one stands for all.
                let Some(&task) = index.get(key) else { continue };
                match jobs.get(&task) {
                    Some(((known, _), _)) if *known == place => {}
                    _ => drop(jobs.insert(task, ((place, job), *old))),
                }
            }
        }
    }
    jobs
}
