//! A clock that stands still while this process does not run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The most that passes between two looks. The runner looks ten times a second; after a longer gap it was stopped (Ctrl-Z,
/// a frozen container), or was busy itself, and its workers could not be heard.
const LONGEST: Duration = Duration::from_millis(250);

/// How long the runner has listened to its workers. Those that have been silent for long by this clock hang; a pause of
/// everything does not count.
#[derive(Debug, Clone, Default)]
pub struct AwakeClock {
    milliseconds: Arc<AtomicU64>,
}

impl AwakeClock {
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.milliseconds.load(Ordering::Relaxed))
    }

    /// Time went on since the last look.
    pub fn advance(&self, gap: Duration) {
        let gap = u64::try_from(gap.min(LONGEST).as_millis()).unwrap_or(0);
        self.milliseconds.fetch_add(gap, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_takes_no_time() {
        let clock = AwakeClock::default();
        let seen_elsewhere = clock.clone();
        (0..50).for_each(|_| clock.advance(Duration::from_millis(100)));
        assert_eq!(seen_elsewhere.now(), Duration::from_secs(5));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(seen_elsewhere.now(), Duration::from_millis(5250));
    }
}
