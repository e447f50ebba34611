//! The executor: hands tasks to Slurm, and hears of them through the store.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::calls::{Pause, is_here, scancel};
use super::known::{JobRef, Known, Picture};
use super::ledger::Ledger;
use super::submit::{Tries, submit};
use crate::error::{Error, Result};
use crate::plan::FrozenPlan;
use crate::protocol::Reply;
use crate::runner::executor::{Executor, Update};
use crate::runner::results::ResultsFolder;
use crate::spec::RunSettings;
use crate::store::{Check, Lookup, Store};

/// How long Slurm may be silent at the start, in growing pauses, before the command gives up.
const ASKED: usize = 6;

/// Hands tasks to Slurm.
pub struct SlurmExecutor<'a> {
    frozen: &'a FrozenPlan,
    store: &'a Store,
    folder: &'a ResultsFolder,
    run: &'a RunSettings,
    /// Whether to follow the jobs until they are done.
    wait: bool,
    interrupted: &'a AtomicBool,
    ledger: Ledger,
    picture: Picture,
    /// Tasks that the scheduler has submitted and that have not ended.
    watched: BTreeSet<usize>,
    to_submit: BTreeMap<usize, Tries>,
    /// How tasks end that are not submitted again.
    ends: HashMap<usize, Update>,
    updates: VecDeque<(usize, Update)>,
    /// How many replies of a job were told.
    told: HashMap<JobRef, usize>,
    /// Tasks whose job was over when it was looked at last, and that had no result.
    suspects: BTreeSet<usize>,
    start: Instant,
    look: (Pause, Duration),
    ask: (Pause, Duration),
    /// Set when everything that is known was told, and nothing is waited for.
    drained: Rc<Cell<bool>>,
    notes: Vec<String>,
}

impl<'a> SlurmExecutor<'a> {
    /// Finds out what was submitted before, and what became of it.
    ///
    /// # Errors
    /// Where Slurm is not there or does not answer: then nothing is submitted.
    pub fn new(
        (frozen, folder, store): (&'a FrozenPlan, &'a ResultsFolder, &'a Store),
        run: &'a RunSettings,
        wait: bool,
        interrupted: &'a AtomicBool,
    ) -> Result<Self> {
        is_here()?;
        let mut ledger = Ledger::read(folder.folder())?;
        let mut pause = Pause::new(Duration::from_secs(1), Duration::from_secs(8));
        let mut asked = 0;
        let picture = loop {
            match Picture::take(&frozen.plan, &mut ledger)? {
                Ok(picture) => break picture,
                Err(_) if interrupted.load(Ordering::Relaxed) => return Err(Error::Interrupted),
                Err(refused) if asked == ASKED => {
                    return Err(Error::failed(
                        format!("Slurm does not say what it is doing: {refused}"),
                        "nothing was submitted; give the same command again when squeue answers",
                    ));
                }
                Err(_) => asked += 1,
            }
            std::thread::sleep(pause.grow());
        };
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        Ok(Self {
            frozen,
            store,
            folder,
            run,
            wait,
            interrupted,
            ledger,
            picture,
            watched: BTreeSet::new(),
            to_submit: BTreeMap::new(),
            ends: HashMap::new(),
            updates: VecDeque::new(),
            told: HashMap::new(),
            suspects: BTreeSet::new(),
            start: Instant::now(),
            look: (Pause::new(millis(500), seconds(15)), Duration::ZERO),
            ask: (Pause::new(seconds(2), seconds(120)), seconds(2)),
            drained: Rc::default(),
            notes: Vec::new(),
        })
    }

    /// Whether everything that is known was told, and nothing is waited for.
    pub fn drained(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.drained)
    }

    /// What the user should know.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Submits everything that is not done, that no job is asked to do, and that can be done.
    ///
    /// # Errors
    /// Where sbatch refuses.
    pub fn submit_missing(&mut self, done: &[bool]) -> Result<()> {
        let tasks = &self.frozen.plan.tasks;
        let mut blocked = vec![false; tasks.len()];
        for task in (0..tasks.len()).filter(|&task| !done[task]) {
            blocked[task] = tasks[task].upstream.iter().any(|&up| blocked[up]);
            match self.picture.of(task, &self.ledger, self.run) {
                // Names on shared file systems can be late: what is there by now was done.
                _ if self.result(task).is_some() => {}
                Known::Verdict(end) => {
                    blocked[task] = true;
                    self.ends.insert(task, end);
                }
                _ if blocked[task] => {}
                Known::Never => drop(self.to_submit.insert(task, (0, 0))),
                Known::Outstanding => {}
                Known::Lost { reason, attempt, .. } if attempt > self.run.retries => {
                    blocked[task] = true;
                    self.ends.insert(task, Update::Failed { reason });
                }
                Known::Lost { reason, attempt, grown } => {
                    let stage = tasks[task].stage();
                    if self.notes.len() < 10 {
                        self.notes.push(format!("{stage} {} is tried again: {reason}", tasks[task].key.short(10)));
                    }
                    self.to_submit.insert(task, (attempt, grown));
                }
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let tasks = std::mem::take(&mut self.to_submit);
        if tasks.is_empty() {
            return Ok(());
        }
        let (picture, plan) = (&mut self.picture, &self.frozen.plan);
        let all = (self.frozen, self.folder, self.store);
        let told = submit(all, &mut self.ledger, self.run, &tasks, |ledger| picture.add(plan, ledger))?;
        self.notes.extend(told);
        self.ask.0.reset();
        Ok(())
    }

    /// How many jobs may still do something.
    pub fn outstanding(&self) -> usize {
        let all = self.ledger.submissions.iter().enumerate().filter(|(_, submission)| submission.is_open());
        let jobs = all.flat_map(|(place, submission)| (0..submission.intent.jobs.len()).map(move |job| (place, job)));
        jobs.filter(|job| self.picture.is_outstanding(&self.ledger, *job)).count()
    }

    /// Closes submissions of which nothing can come any more: their results are collected, and their failures told.
    pub fn close(&mut self) -> Result<()> {
        for place in self.picture.over(&self.ledger) {
            self.ledger.submissions[place].close()?;
        }
        Ok(())
    }

    /// The seconds that a task took, where its result is there.
    fn result(&self, task: usize) -> Option<f64> {
        let planned = &self.frozen.plan.tasks[task];
        match self.store.lookup(planned.stage(), &planned.key, Check::Times) {
            Lookup::Hit(entry) => Some(entry.manifest.seconds),
            _ => None,
        }
    }

    /// Looks for results, and for what the jobs tell. Returns whether there was any.
    fn look(&mut self) -> bool {
        let before = self.updates.len();
        for task in self.watched.clone() {
            if let Some(seconds) = self.result(task) {
                self.end(task, Update::Done { seconds });
            }
        }
        let jobs: BTreeSet<JobRef> =
            self.watched.iter().filter_map(|&task| Some(self.picture.job_of(task)?.0)).collect();
        for (place, job) in jobs {
            let replies = self.ledger.submissions[place].replies(job);
            let tasks: HashMap<usize, usize> = self
                .watched
                .iter()
                .filter_map(|&task| self.picture.job_of(task).map(|(own, old)| (own, old, task)))
                .filter(|(own, _, _)| *own == (place, job))
                .map(|(_, old, task)| (old, task))
                .collect();
            let name = self.ledger.submissions[place].name().to_owned();
            let told = self.told.insert((place, job), replies.len()).unwrap_or(0);
            for reply in replies.into_iter().skip(told) {
                let Some(&task) = tasks.get(&reply.task) else { continue };
                match reply.reply {
                    Reply::Started => {
                        let started = Update::Started { worker: job, log: format!("{name}-{job}"), log_offset: 0 };
                        self.updates.push_back((task, started));
                    }
                    Reply::Progress(progress) => self.updates.push_back((task, Update::Progress(progress))),
                    Reply::Failed { reason } => self.end(task, Update::Failed { reason }),
                    Reply::Invalid { reason } => self.end(task, Update::Invalid { reason }),
                    _ => {}
                }
            }
        }
        self.updates.len() > before
    }

    fn end(&mut self, task: usize, update: Update) {
        self.watched.remove(&task);
        self.suspects.remove(&task);
        self.updates.push_back((task, update));
    }

    /// Asks Slurm after tasks without a result. One is lost when its job was over twice in a row.
    fn ask(&mut self) -> Result<()> {
        match Picture::take(&self.frozen.plan, &mut self.ledger)? {
            Ok(picture) => self.picture = picture,
            // Nothing may be concluded.
            Err(refused) => {
                tracing::warn!("{refused}");
                return Ok(());
            }
        }
        // What is there is not lost, however long ago its job ended.
        self.look();
        for task in self.watched.clone() {
            match self.picture.of(task, &self.ledger, self.run) {
                Known::Outstanding => drop(self.suspects.remove(&task)),
                _ if self.suspects.insert(task) => self.ask.0.reset(),
                Known::Lost { reason, attempt, .. } if attempt > self.run.retries => {
                    self.end(task, Update::Failed { reason });
                }
                Known::Lost { reason, .. } => self.end(task, Update::Lost { reason }),
                Known::Never | Known::Verdict(_) => {}
            }
        }
        Ok(())
    }
}

impl Executor for SlurmExecutor<'_> {
    fn submit(&mut self, task: usize) -> Result<bool> {
        if let Some(end) = self.ends.remove(&task) {
            self.updates.push_back((task, end));
            return Ok(true);
        }
        self.watched.insert(task);
        match self.picture.of(task, &self.ledger, self.run) {
            Known::Never => drop(self.to_submit.insert(task, (0, 0))),
            Known::Lost { attempt, grown, .. } if self.wait => drop(self.to_submit.insert(task, (attempt, grown))),
            _ => {}
        }
        Ok(true)
    }

    fn poll(&mut self, patience: Duration) -> Result<Option<(usize, Update)>> {
        if let Some(update) = self.updates.pop_front() {
            return Ok(Some(update));
        }
        if !self.wait {
            self.look();
            self.drained.set(self.updates.is_empty());
            return Ok(self.updates.pop_front());
        }
        self.to_submit.retain(|task, _| self.watched.contains(task));
        self.flush()?;
        std::thread::sleep(patience);
        let now = self.now();
        if now >= self.look.1 {
            if self.look() {
                self.look.0.reset();
            }
            self.look.1 = now + self.look.0.grow();
        }
        if now >= self.ask.1 {
            self.ask()?;
            self.ask.1 = now + self.ask.0.grow();
        }
        Ok(self.updates.pop_front())
    }

    fn cancel(&mut self) {
        // Who stops to watch leaves the jobs alone.
        if self.drained.get() || self.interrupted.load(Ordering::Relaxed) {
            return;
        }
        if let Err(refused) = scancel(&self.ledger.open_names()) {
            tracing::error!("{refused}");
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}
