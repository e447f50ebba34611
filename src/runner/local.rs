//! Carries a plan out on this machine, with worker processes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::hands::Hands;
use super::worker::{Heard, WorkerPlace};
use crate::error::{Error, Result};
use crate::event::{Event, Progress, StageRef};
use crate::plan::Plan;
use crate::protocol::{Reply, Request};
use crate::spec::RunSettings;
use crate::stage::Job;
use crate::store::Store;

/// How often the runner looks up from waiting: for Ctrl-C, hanging workers and retries that are due.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Another process does a task: how long until it is asked for again.
const BUSY_PAUSE: Duration = Duration::from_millis(300);

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskEnd {
    Done,
    /// It, or a task that it builds on, could not be finished.
    Failed(String),
    /// It, or a task that it builds on, gave nothing that can be used.
    Invalid(String),
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum TaskState {
    /// Waits for this many upstream tasks.
    Waiting(usize),
    Ready,
    Running,
    Ended,
}

/// How a plan is carried out.
pub struct Execution<'a> {
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub settings: &'a RunSettings,
    /// Where the workers compute: so many run at once.
    pub places: &'a [WorkerPlace],
    /// Folder for the workers' logs,
    pub logs: &'a Path,
    /// and what their names begin with.
    pub log_prefix: &'a str,
    /// Set to stop.
    pub interrupted: &'a AtomicBool,
    /// A file that, once it is there, asks to stop.
    pub cancel: &'a Path,
}

/// What happens while a plan is carried out, besides events.
pub trait Observer {
    fn event(&mut self, event: Event);
    /// A task is done, or will not be done by this runner.
    fn task_ended(&mut self, task: usize, end: &TaskEnd);
}

struct Executor<'a, 'o> {
    execution: Execution<'a>,
    observer: &'o mut dyn Observer,
    states: Vec<TaskState>,
    /// Tasks that read a task's result.
    downstream: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// Tasks to try later: those of lost workers, and those that another process does.
    delayed: Vec<(Instant, usize)>,
    attempts: HashMap<usize, usize>,
    hands: Hands<'a>,
    /// The task that a worker does.
    running: HashMap<usize, usize>,
    /// After a failure under `fail_fast`.
    stopping: bool,
}

/// Does every task that is not `done` yet. Failures are told to the observer; an error means that nothing more could
/// be done.
pub fn execute(execution: Execution, done: &[bool], observer: &mut dyn Observer) -> Result<()> {
    let plan = execution.plan;
    let mut downstream = vec![Vec::new(); plan.tasks.len()];
    let mut states = Vec::with_capacity(plan.tasks.len());
    for (index, task) in plan.tasks.iter().enumerate() {
        let missing = task.upstream.iter().filter(|&&up| !done[up]).count();
        states.push(match missing {
            _ if done[index] => TaskState::Ended,
            0 => TaskState::Ready,
            missing => TaskState::Waiting(missing),
        });
        task.upstream.iter().for_each(|&up| downstream[up].push(index));
    }
    let ready = (0..states.len()).filter(|&index| states[index] == TaskState::Ready).collect();
    Executor {
        hands: Hands::new(execution.places),
        execution,
        observer,
        states,
        downstream,
        ready,
        delayed: Vec::new(),
        attempts: HashMap::new(),
        running: HashMap::new(),
        stopping: false,
    }
    .run()
}

impl Executor<'_, '_> {
    fn run(mut self) -> Result<()> {
        loop {
            if self.execution.interrupted.load(Ordering::Relaxed) || self.execution.cancel.exists() {
                self.hands.kill_all();
                return Err(Error::Interrupted);
            }
            if self.stopping {
                // What is under way is resumed by the next start.
                self.hands.kill_all();
                return Ok(());
            }
            self.wake_delayed();
            self.assign()?;
            if self.running.is_empty() && self.ready.is_empty() && self.delayed.is_empty() {
                return Ok(());
            }
            if let Some((worker, heard)) = self.hands.listen(HEARTBEAT) {
                self.hear(worker, heard)?;
            }
            // However much the others say.
            self.kill_hanging();
        }
    }

    /// Gives ready tasks to idle workers; starts workers as long as there is work for them.
    fn assign(&mut self) -> Result<()> {
        while !self.ready.is_empty() {
            let (logs, prefix) = (self.execution.logs, self.execution.log_prefix);
            let Some(worker) = self.hands.free(|place| logs.join(log_name(prefix, place)))? else { return Ok(()) };
            let Some(task) = self.ready.pop_first() else { return Ok(()) };
            let planned = &self.execution.plan.tasks[task];
            let request = Request::Stage { job: planned.job.clone(), store: self.execution.store.root().to_owned() };
            self.states[task] = TaskState::Running;
            self.running.insert(worker, task);
            let sent = self.hands.employ(worker).map(|worker| worker.send(&request));
            if !matches!(sent, Some(Ok(()))) {
                // It is dying: the end of its output will tell why.
                tracing::warn!(worker, "a request did not reach its worker");
            }
        }
        Ok(())
    }

    fn hear(&mut self, worker: usize, heard: Heard) -> Result<()> {
        match heard {
            // Its note on the device was told when the device was resolved; when it was alive is known already.
            Heard::Reply(Reply::Ready { .. } | Reply::Alive) => {}
            Heard::Reply(Reply::NoDevice { reason }) => {
                return Err(Error::Failed { message: reason, help: None });
            }
            Heard::Reply(Reply::Started) => self.begin(worker),
            Heard::Reply(Reply::Progress(progress)) => self.progress(worker, progress),
            Heard::Reply(Reply::Busy) => {
                if let Some(task) = self.release(worker) {
                    self.delayed.push((Instant::now() + BUSY_PAUSE, task));
                }
            }
            Heard::Reply(Reply::Found) => {
                if let Some(task) = self.release(worker) {
                    self.observer.event(Event::StageCached(self.stage_ref(task)));
                    self.finish(task);
                }
            }
            Heard::Reply(Reply::Done { seconds }) => {
                if let Some(task) = self.release(worker) {
                    let stage = self.stage_ref(task);
                    self.observer.event(Event::StageFinished { stage, seconds });
                    self.finish(task);
                }
            }
            Heard::Reply(Reply::Failed { reason }) => {
                if let Some(task) = self.release(worker) {
                    self.fail(task, reason);
                }
            }
            Heard::Reply(Reply::Invalid { reason }) => {
                if let Some(task) = self.release(worker) {
                    let stage = self.stage_ref(task);
                    let end = TaskEnd::Invalid(format!("{}: {reason}", stage.stage));
                    self.observer.event(Event::StageInvalid { stage, reason });
                    self.give_up(task, &end);
                }
            }
            Heard::Garbled(line) => {
                if let Some(reason) = self.hands.overhear(worker, &line) {
                    self.lose(worker, Some(reason));
                }
            }
            Heard::Closed => self.lose(worker, None),
        }
        Ok(())
    }

    /// The worker has nothing to do any more. Returns the task that it did.
    fn release(&mut self, worker: usize) -> Option<usize> {
        let task = self.running.remove(&worker)?;
        self.hands.release(worker);
        Some(task)
    }

    fn begin(&mut self, worker: usize) {
        let (Some(&task), Some((place, log_offset))) = (self.running.get(&worker), self.hands.place(worker)) else {
            return;
        };
        let (stage, log) = (self.stage_ref(task), log_name(self.execution.log_prefix, place));
        self.observer.event(Event::StageStarted { stage, worker: place, log, log_offset });
    }

    fn progress(&mut self, worker: usize, progress: Progress) {
        let Some(&task) = self.running.get(&worker) else { return };
        let stage = self.stage_ref(task);
        self.observer.event(match progress {
            Progress::Step { done, total, unit } => Event::StageProgress { stage, done, total, unit },
            Progress::Epoch(epoch) => {
                let epochs = match &self.execution.plan.tasks[task].job {
                    Job::Train { train, .. } => train.epochs,
                    _ => 0,
                };
                Event::EpochFinished { stage, epochs, epoch }
            }
            Progress::Note { message } => Event::Note { message },
        });
    }

    fn finish(&mut self, task: usize) {
        self.states[task] = TaskState::Ended;
        for next in self.downstream[task].clone() {
            if let TaskState::Waiting(missing) = &mut self.states[next] {
                *missing -= 1;
                if *missing == 0 {
                    self.states[next] = TaskState::Ready;
                    self.ready.insert(next);
                }
            }
        }
        self.observer.task_ended(task, &TaskEnd::Done);
    }

    fn fail(&mut self, task: usize, reason: String) {
        let stage = self.stage_ref(task);
        let end = TaskEnd::Failed(format!("{}: {reason}", stage.stage));
        self.observer.event(Event::StageFailed { stage, reason });
        self.give_up(task, &end);
        self.stopping = self.execution.settings.fail_fast;
    }

    /// Ends a task, and all that builds on it, for the same reason.
    fn give_up(&mut self, task: usize, end: &TaskEnd) {
        let mut given_up = vec![task];
        while let Some(task) = given_up.pop() {
            if self.states[task] != TaskState::Ended {
                self.states[task] = TaskState::Ended;
                self.observer.task_ended(task, end);
                given_up.extend(&self.downstream[task]);
            }
        }
    }

    /// A worker is gone, or is given up for a reason: its task is tried again with a pause that doubles, or has failed.
    fn lose(&mut self, worker: usize, reason: Option<String>) {
        let Some(mut gone) = self.hands.remove(worker) else { return };
        let reason = match reason {
            Some(reason) => {
                gone.kill();
                [vec![reason], gone.last_words()].concat().join(" | ")
            }
            None => gone.epitaph(),
        };
        let Some(task) = self.running.remove(&worker) else { return };
        let attempt = self.attempts.entry(task).or_insert(0);
        *attempt += 1;
        if *attempt > self.execution.settings.retries {
            self.fail(task, reason);
            return;
        }
        let attempt = *attempt;
        self.delayed.push((Instant::now() + Duration::from_millis(500 << (attempt - 1).min(6)), task));
        self.observer.event(Event::StageRetried { stage: self.stage_ref(task), attempt, reason });
    }

    fn wake_delayed(&mut self) {
        let now = Instant::now();
        let (due, later) = self.delayed.drain(..).partition(|(when, _)| *when <= now);
        self.delayed = later;
        let due: Vec<(Instant, usize)> = due;
        self.ready.extend(due.into_iter().map(|(_, task)| task));
    }

    fn kill_hanging(&mut self) {
        let timeout = Duration::from_secs(self.execution.settings.timeout);
        if timeout.is_zero() {
            return;
        }
        for (worker, silence) in self.hands.hanging(self.running.keys().copied(), timeout) {
            self.lose(worker, Some(format!("the worker gave no sign of life for {} s", silence.as_secs())));
        }
    }

    fn stage_ref(&self, task: usize) -> StageRef {
        self.execution.plan.stage_ref(task)
    }
}

/// The name of the log of the worker at a place.
fn log_name(prefix: &str, place: usize) -> String {
    format!("{prefix}worker-{place}.log")
}
