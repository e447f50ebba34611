//! Signs of life: how a computation that takes long is told from one that hangs.
//!
//! Whatever works in a loop says so with [`tick`], once an image, a batch or a file. One step of a library that takes long by
//! itself, such as the gradient of a large batch, is put into [`during`]: as long as it lasts, processor time counts instead.
//! That the process exists, and that one of its threads runs, is no sign: a computation that waits for a lock gives none.
//!
//! The count is a global of the process, so that every layer can add to it and none has to hand it on. Nothing is ever
//! computed from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static TICKS: AtomicU64 = AtomicU64::new(0);
/// How many calls of [`during`] there are at the moment.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Processor time that a step must use between two looks to count as alive: more than threads use that wait.
const USED: Duration = Duration::from_millis(20);

/// Something was done. Cheap enough for every image.
pub fn tick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

/// Does one long step that cannot tick.
pub fn during<T>(step: impl FnOnce() -> T) -> T {
    struct Step;
    impl Drop for Step {
        fn drop(&mut self) {
            STEPS.fetch_sub(1, Ordering::Relaxed);
            tick();
        }
    }
    STEPS.fetch_add(1, Ordering::Relaxed);
    let _ends = Step;
    step()
}

/// Looks whether there were signs of life since the last look.
#[derive(Debug, Default)]
pub struct Watch {
    ticks: u64,
    used: Duration,
}

impl Watch {
    /// Whether something was done since the last call; `used` is the processor time of this process.
    pub fn saw(&mut self, used: Duration) -> bool {
        self.compare(TICKS.load(Ordering::Relaxed), STEPS.load(Ordering::Relaxed) > 0, used)
    }

    fn compare(&mut self, ticks: u64, in_step: bool, used: Duration) -> bool {
        let computed = used.saturating_sub(self.used) >= USED;
        let alive = ticks != self.ticks || in_step && computed;
        self.ticks = ticks;
        self.used = used;
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_signs_and_time_is_one_only_within_a_step() {
        let seconds = Duration::from_secs;
        let mut watch = Watch::default();
        assert!(!watch.compare(0, false, seconds(0)), "nothing was done");
        assert!(watch.compare(3, false, seconds(0)));
        assert!(!watch.compare(3, false, seconds(9)), "a loop without an end uses time too");
        assert!(watch.compare(3, true, seconds(10)));
        assert!(!watch.compare(3, true, seconds(10) + USED / 2), "who waits for a lock uses next to none");
        assert!(watch.compare(4, true, seconds(10) + USED / 2));
    }

    #[test]
    fn a_step_ends_with_a_sign_even_if_it_panics() {
        let before = TICKS.load(Ordering::Relaxed);
        assert_eq!(during(|| 7), 7);
        assert!(std::panic::catch_unwind(|| during(|| panic!("on purpose"))).is_err());
        assert!(TICKS.load(Ordering::Relaxed) >= before + 2);
    }
}
