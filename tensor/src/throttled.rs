//! Progress as it is passed on.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use xdlreg_core::alive;
use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::protocol::Reply;

/// Passes progress on, steps no more often than a person can see.
pub struct Throttled<'a> {
    send: &'a (dyn Fn(&Reply) + Sync),
    last: Mutex<Option<Instant>>,
}

impl<'a> Throttled<'a> {
    const INTERVAL: Duration = Duration::from_millis(100);

    pub fn new(send: &'a (dyn Fn(&Reply) + Sync)) -> Self {
        Self { send, last: Mutex::new(None) }
    }

    fn is_due(&self, progress: &Progress) -> bool {
        let Progress::Step { done, total, .. } = progress else { return true };
        let Ok(mut last) = self.last.lock() else { return false };
        if done < total && last.is_some_and(|last| last.elapsed() < Self::INTERVAL) {
            return false;
        }
        *last = Some(Instant::now());
        true
    }
}

impl ProgressSink for Throttled<'_> {
    fn report(&self, progress: Progress) {
        alive::tick();
        if self.is_due(&progress) {
            (self.send)(&Reply::Progress(progress));
        }
    }
}
