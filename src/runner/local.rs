//! The executor of this machine: worker processes, each given one task at a time.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::executor::{Executor, Update};
use super::hands::Hands;
use super::worker::{Heard, WorkerPlace};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::protocol::{Reply, Request};
use crate::store::Store;

/// How tasks are carried out on this machine.
pub struct Workshop<'a> {
    pub plan: &'a Plan,
    pub store: &'a Store,
    /// Where the workers compute: so many run at once.
    pub places: &'a [WorkerPlace],
    /// Folder for the workers' logs,
    pub logs: &'a Path,
    /// and what their names begin with.
    pub log_prefix: &'a str,
    /// A worker that gives no sign of life for so long hangs; none ever does where it is zero.
    pub timeout: Duration,
}

/// Workers on this machine.
pub struct LocalExecutor<'a> {
    workshop: Workshop<'a>,
    hands: Hands<'a>,
    /// The task that a worker does.
    running: HashMap<usize, usize>,
    start: Instant,
}

impl<'a> LocalExecutor<'a> {
    /// No workers yet: they are started when there is something to do.
    pub fn new(workshop: Workshop<'a>) -> Self {
        let hands = Hands::new(workshop.places);
        Self { workshop, hands, running: HashMap::new(), start: Instant::now() }
    }

    fn hear(&mut self, worker: usize, heard: Heard) -> Result<Option<(usize, Update)>> {
        let reply = match heard {
            Heard::Reply(reply) => reply,
            Heard::Garbled(line) => {
                let reason = self.hands.overhear(worker, &line);
                return Ok(reason.and_then(|reason| self.lose(worker, Some(reason))));
            }
            Heard::Closed => return Ok(self.lose(worker, None)),
        };
        let last = match reply {
            // Its note on the device was told when the device was resolved; when it was alive is known already.
            // Predictions are told of files that verbs name, not of stages.
            Reply::Ready { .. } | Reply::Alive | Reply::Predicted { .. } => return Ok(None),
            Reply::NoDevice { reason } => return Err(Error::Failed { message: reason, help: None }),
            Reply::Started => return Ok(self.begun(worker)),
            Reply::Progress(progress) => {
                return Ok(self.running.get(&worker).map(|&task| (task, Update::Progress(progress))));
            }
            Reply::Busy => Update::Busy,
            Reply::Found => Update::Found,
            Reply::Done { seconds } => Update::Done { seconds },
            Reply::Failed { reason } => Update::Failed { reason },
            Reply::Invalid { reason } => Update::Invalid { reason },
            Reply::Stopped { reason } => Update::Lost { reason },
        };
        // The worker has nothing to do any more.
        Ok(self.running.remove(&worker).map(|task| {
            self.hands.release(worker);
            (task, last)
        }))
    }

    fn begun(&self, worker: usize) -> Option<(usize, Update)> {
        let (task, (place, log_offset)) = (*self.running.get(&worker)?, self.hands.place(worker)?);
        Some((task, Update::Started { worker: place, log: log_name(self.workshop.log_prefix, place), log_offset }))
    }

    /// A worker is gone, or is given up for a reason.
    fn lose(&mut self, worker: usize, reason: Option<String>) -> Option<(usize, Update)> {
        let mut gone = self.hands.remove(worker)?;
        let reason = match reason {
            Some(reason) => {
                gone.kill();
                [vec![reason], gone.last_words()].concat().join(" | ")
            }
            None => gone.epitaph(),
        };
        Some((self.running.remove(&worker)?, Update::Lost { reason }))
    }

    /// Gives up a worker that hangs, if there is one.
    fn lose_hanging(&mut self) -> Option<(usize, Update)> {
        let timeout = self.workshop.timeout;
        if timeout.is_zero() {
            return None;
        }
        let (worker, silence) = self.hands.hanging(self.running.keys().copied(), timeout).into_iter().next()?;
        self.lose(worker, Some(format!("the worker gave no sign of life for {} s", silence.as_secs())))
    }
}

impl Executor for LocalExecutor<'_> {
    fn submit(&mut self, task: usize) -> Result<bool> {
        let (logs, prefix) = (self.workshop.logs, self.workshop.log_prefix);
        let Some(worker) = self.hands.free(|place| logs.join(log_name(prefix, place)))? else { return Ok(false) };
        let job = self.workshop.plan.tasks[task].job.clone();
        let request = Request::Stage { job, store: self.workshop.store.root().to_owned() };
        self.running.insert(worker, task);
        let sent = self.hands.employ(worker).map(|worker| worker.send(&request));
        if !matches!(sent, Some(Ok(()))) {
            // It is dying: the end of its output will tell why.
            tracing::warn!(worker, "a request did not reach its worker");
        }
        Ok(true)
    }

    fn poll(&mut self, patience: Duration) -> Result<Option<(usize, Update)>> {
        // However much the others say.
        if let Some(lost) = self.lose_hanging() {
            return Ok(Some(lost));
        }
        match self.hands.listen(patience) {
            Some((worker, heard)) => self.hear(worker, heard),
            None => Ok(None),
        }
    }

    fn cancel(&mut self) {
        self.hands.kill_all();
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The name of the log of the worker at a place.
fn log_name(prefix: &str, place: usize) -> String {
    format!("{prefix}worker-{place}.log")
}
