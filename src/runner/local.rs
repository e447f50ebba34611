//! Carries a plan out on this machine, with worker processes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::protocol::{Reply, Request};
use super::worker::{Heard, Worker, WorkerPlace};
use crate::error::{Error, Result};
use crate::event::{Event, Progress, StageRef};
use crate::spec::RunSettings;
use crate::stage::Job;
use crate::store::Store;

/// How often the runner looks up from waiting: for Ctrl-C, hanging workers and retries that are due.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Another process is at a task: how long until it is asked for again.
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

struct Running {
    task: usize,
    last_heard: Instant,
}

struct Executor<'a, 'o> {
    execution: Execution<'a>,
    observer: &'o mut dyn Observer,
    states: Vec<TaskState>,
    /// Tasks that read a task's result.
    downstream: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// Tasks to try later: those of lost workers, and those that another process is at.
    delayed: Vec<(Instant, usize)>,
    attempts: HashMap<usize, usize>,
    workers: HashMap<usize, Worker>,
    /// Which of the places each worker has.
    places: HashMap<usize, usize>,
    running: HashMap<usize, Running>,
    idle: Vec<usize>,
    started: usize,
    /// After a failure under `fail_fast`.
    stopping: bool,
    sender: Sender<(usize, Heard)>,
    receiver: Receiver<(usize, Heard)>,
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
    let (sender, receiver) = mpsc::channel();
    Executor {
        execution,
        observer,
        states,
        downstream,
        ready,
        delayed: Vec::new(),
        attempts: HashMap::new(),
        workers: HashMap::new(),
        places: HashMap::new(),
        running: HashMap::new(),
        idle: Vec::new(),
        started: 0,
        stopping: false,
        sender,
        receiver,
    }
    .run()
}

impl Executor<'_, '_> {
    fn run(mut self) -> Result<()> {
        loop {
            if self.execution.interrupted.load(Ordering::Relaxed) || self.execution.cancel.exists() {
                self.workers.values_mut().for_each(Worker::kill);
                return Err(Error::Interrupted);
            }
            if self.stopping {
                // What is under way is resumed by the next start.
                self.workers.values_mut().for_each(Worker::kill);
                return Ok(());
            }
            self.wake_delayed();
            self.assign()?;
            if self.running.is_empty() && self.ready.is_empty() && self.delayed.is_empty() {
                return Ok(());
            }
            match self.receiver.recv_timeout(HEARTBEAT) {
                Ok((worker, heard)) => self.hear(worker, heard)?,
                Err(RecvTimeoutError::Timeout) => self.kill_hanging(),
                Err(RecvTimeoutError::Disconnected) => unreachable!("the executor holds a sender"),
            }
        }
    }

    /// Gives ready tasks to idle workers; starts workers as long as there is work for them.
    fn assign(&mut self) -> Result<()> {
        while !self.ready.is_empty() {
            let worker = match self.idle.pop() {
                Some(worker) => worker,
                None if self.workers.len() < self.execution.places.len() => self.start_worker()?,
                None => return Ok(()),
            };
            let Some(task) = self.ready.pop_first() else { return Ok(()) };
            let planned = &self.execution.plan.tasks[task];
            let request = Request::Stage { job: planned.job.clone(), store: self.execution.store.root().to_owned() };
            self.states[task] = TaskState::Running;
            self.running.insert(worker, Running { task, last_heard: Instant::now() });
            let sent = self.workers.get_mut(&worker).map(|worker| worker.send(&request));
            if !matches!(sent, Some(Ok(()))) {
                // It is dying: the end of its output will tell why.
                tracing::warn!(worker, "a request did not reach its worker");
            }
        }
        Ok(())
    }

    fn start_worker(&mut self) -> Result<usize> {
        let id = self.started;
        self.started += 1;
        let taken = |place: &usize| self.places.values().any(|taken| taken == place);
        let place = (0..self.execution.places.len()).find(|place| !taken(place)).expect("fewer workers than places");
        let log = self.execution.logs.join(self.log(place));
        let worker = Worker::start(id, &self.execution.places[place], &log, self.sender.clone())?;
        self.workers.insert(id, worker);
        self.places.insert(id, place);
        Ok(id)
    }

    fn hear(&mut self, worker: usize, heard: Heard) -> Result<()> {
        if let Some(running) = self.running.get_mut(&worker) {
            running.last_heard = Instant::now();
        }
        match heard {
            // Its note on the device was told when the device was resolved.
            Heard::Reply(Reply::Ready { .. }) => {}
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
            Heard::Garbled(line) => tracing::warn!(worker, line, "a worker wrote something else than a reply"),
            Heard::Closed => self.lose(worker, None),
        }
        Ok(())
    }

    /// The worker has nothing to do any more. Returns the task that it was at.
    fn release(&mut self, worker: usize) -> Option<usize> {
        let Running { task, .. } = self.running.remove(&worker)?;
        self.idle.push(worker);
        Some(task)
    }

    fn begin(&mut self, worker: usize) {
        let Some(task) = self.running.get(&worker).map(|running| running.task) else { return };
        let log_offset = self.workers.get(&worker).map_or(0, Worker::log_offset);
        let place = self.places.get(&worker).copied().unwrap_or_default();
        let (stage, log) = (self.stage_ref(task), self.log(place));
        self.observer.event(Event::StageStarted { stage, worker: place, log, log_offset });
    }

    /// The name of the log of the worker at a place.
    fn log(&self, place: usize) -> String {
        format!("{}worker-{place}.log", self.execution.log_prefix)
    }

    fn progress(&mut self, worker: usize, progress: Progress) {
        let Some(task) = self.running.get(&worker).map(|running| running.task) else { return };
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

    /// A worker is gone: its task is tried again with a pause that doubles, or has failed.
    fn lose(&mut self, worker: usize, reason: Option<String>) {
        let Some(mut gone) = self.workers.remove(&worker) else { return };
        self.places.remove(&worker);
        self.idle.retain(|&idle| idle != worker);
        let reason = match reason {
            Some(reason) => [vec![reason], gone.last_words()].concat().join(" | "),
            None => gone.epitaph(),
        };
        let Some(Running { task, .. }) = self.running.remove(&worker) else { return };
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
        let hanging: Vec<usize> = self
            .running
            .iter()
            .filter(|(_, running)| running.last_heard.elapsed() > timeout)
            .map(|(&worker, _)| worker)
            .collect();
        for worker in hanging {
            if let Some(worker) = self.workers.get_mut(&worker) {
                worker.kill();
            }
            self.lose(worker, Some(format!("the worker gave no sign of life for {} s", timeout.as_secs())));
        }
    }

    fn stage_ref(&self, task: usize) -> StageRef {
        self.execution.plan.stage_ref(task)
    }
}
