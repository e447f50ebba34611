//! Brings the tasks of a plan to their ends, in an order that their results allow.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::executor::{Executor, Update};
use crate::error::{Error, Result};
use crate::event::{Event, Progress, StageRef};
use crate::plan::Plan;
use crate::stage::Job;

/// How often the scheduler looks up from waiting: for Ctrl-C and retries that are due.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Another process does a task: how long until it is asked for again.
const BUSY_PAUSE: Duration = Duration::from_millis(300);

/// How long after its first loss a task is tried again. The pause doubles with every further loss, up to 64 times as long.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

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

/// What is to be done, and when to give up.
pub struct Schedule<'a> {
    pub plan: &'a Plan,
    /// How often a task that was lost is tried again.
    pub retries: usize,
    /// Stops at the first failure.
    pub fail_fast: bool,
    /// Whether to stop now.
    pub stop: &'a dyn Fn() -> bool,
}

/// What happens while a plan is carried out, besides events.
pub trait Observer {
    fn event(&mut self, event: Event);
    /// A task is done, or will not be done by this runner.
    fn task_ended(&mut self, task: usize, end: &TaskEnd);
}

struct Scheduler<'a, 'o> {
    schedule: Schedule<'a>,
    executor: &'o mut dyn Executor,
    observer: &'o mut dyn Observer,
    states: Vec<TaskState>,
    /// Tasks that read a task's result.
    downstream: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// Tasks to try later, and when: those that were lost, and those that another process does.
    delayed: Vec<(Duration, usize)>,
    losses: HashMap<usize, usize>,
    running: usize,
    /// After a failure under `fail_fast`.
    stopping: bool,
}

/// Does every task that is not `done` yet. Failures are told to the observer.
///
/// # Errors
/// [`Error::Interrupted`] when it was asked to stop; another error means that nothing more could be done.
pub fn execute(
    schedule: Schedule,
    executor: &mut dyn Executor,
    done: &[bool],
    observer: &mut dyn Observer,
) -> Result<()> {
    let tasks = &schedule.plan.tasks;
    let mut downstream = vec![Vec::new(); tasks.len()];
    let mut states = Vec::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        let missing = task.upstream.iter().filter(|&&up| !done[up]).count();
        states.push(match missing {
            _ if done[index] => TaskState::Ended,
            0 => TaskState::Ready,
            missing => TaskState::Waiting(missing),
        });
        task.upstream.iter().for_each(|&up| downstream[up].push(index));
    }
    let ready = (0..states.len()).filter(|&index| states[index] == TaskState::Ready).collect();
    Scheduler {
        schedule,
        executor,
        observer,
        states,
        downstream,
        ready,
        delayed: Vec::new(),
        losses: HashMap::new(),
        running: 0,
        stopping: false,
    }
    .run()
}

impl Scheduler<'_, '_> {
    fn run(mut self) -> Result<()> {
        loop {
            if (self.schedule.stop)() {
                self.executor.cancel();
                return Err(Error::Interrupted);
            }
            if self.stopping {
                // What is under way is resumed by the next start.
                self.executor.cancel();
                return Ok(());
            }
            self.wake_delayed();
            self.submit_ready()?;
            if self.running == 0 && self.ready.is_empty() && self.delayed.is_empty() {
                return Ok(());
            }
            if let Some((task, update)) = self.executor.poll(HEARTBEAT)? {
                self.hear(task, update);
            }
        }
    }

    /// Submits ready tasks, those first that the plan has first, as long as the executor takes them.
    fn submit_ready(&mut self) -> Result<()> {
        while let Some(&task) = self.ready.first() {
            if !self.executor.submit(task)? {
                return Ok(());
            }
            self.ready.remove(&task);
            self.states[task] = TaskState::Running;
            self.running += 1;
        }
        Ok(())
    }

    fn hear(&mut self, task: usize, update: Update) {
        if update.is_last() {
            self.running -= 1;
        }
        let plan = self.schedule.plan;
        let stage = match update {
            Update::Progress(_) => plan.short_stage_ref(task),
            _ => plan.stage_ref(task),
        };
        match update {
            Update::Started { worker, log, log_offset } => {
                self.observer.event(Event::StageStarted { stage, worker, log, log_offset });
            }
            Update::Progress(progress) => self.observer.event(self.progress(task, stage, progress)),
            Update::Busy => self.delay(task, BUSY_PAUSE),
            Update::Found => {
                self.observer.event(Event::StageCached(stage));
                self.finish(task);
            }
            Update::Done { seconds } => {
                self.observer.event(Event::StageFinished { stage, seconds });
                self.finish(task);
            }
            Update::Invalid { reason } => {
                let end = TaskEnd::Invalid(format!("{}: {reason}", stage.stage));
                self.observer.event(Event::StageInvalid { stage, reason });
                self.give_up(task, &end);
            }
            Update::Failed { reason } => self.fail(task, stage, reason),
            Update::Lost { reason } => self.lose(task, stage, reason),
        }
    }

    fn progress(&self, task: usize, stage: StageRef, progress: Progress) -> Event {
        match progress {
            Progress::Step { done, total, unit } => Event::StageProgress { stage, done, total, unit },
            Progress::Epoch(epoch) => {
                let epochs = match &self.schedule.plan.tasks[task].job {
                    Job::Train { train, .. } => train.epochs,
                    _ => 0,
                };
                Event::EpochFinished { stage, epochs, epoch }
            }
            Progress::Note { message } => Event::Note { message },
        }
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

    fn fail(&mut self, task: usize, stage: StageRef, reason: String) {
        let end = TaskEnd::Failed(format!("{}: {reason}", stage.stage));
        self.observer.event(Event::StageFailed { stage, reason });
        self.give_up(task, &end);
        self.stopping = self.schedule.fail_fast;
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

    /// A task that was lost is tried again after a while, unless that was done often enough.
    fn lose(&mut self, task: usize, stage: StageRef, reason: String) {
        let losses = self.losses.entry(task).or_insert(0);
        *losses += 1;
        if *losses > self.schedule.retries {
            self.fail(task, stage, reason);
            return;
        }
        let attempt = *losses;
        self.delay(task, RETRY_PAUSE * (1 << (attempt - 1).min(6)));
        self.observer.event(Event::StageRetried { stage, attempt, reason });
    }

    fn delay(&mut self, task: usize, pause: Duration) {
        self.delayed.push((self.executor.now() + pause, task));
    }

    fn wake_delayed(&mut self) {
        let now = self.executor.now();
        let (due, later): (Vec<_>, Vec<_>) = self.delayed.drain(..).partition(|(when, _)| *when <= now);
        self.delayed = later;
        self.ready.extend(due.into_iter().map(|(_, task)| task));
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
