//! Ctrl-Z: workers stop and go on with the runner.
//!
//! Workers have process groups of their own, so a terminal's Ctrl-Z (SIGTSTP) reaches the runner alone. Somebody who presses
//! it wants the processor free: the runner stops its workers, then itself, and on `fg` or `bg` lets them go on. What stops
//! the runner otherwise (SIGSTOP, SIGTTOU) leaves workers at their work. Either way nobody is blamed for the silence: see
//! [`AwakeClock`](super::awake::AwakeClock).

#[cfg(unix)]
pub use unix::{Attended, listen, together, wanted};

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use nix::sys::signal::{Signal, killpg, raise};
    use nix::unistd::Pid;
    use signal_hook::consts::SIGTSTP;
    use signal_hook::flag;

    /// Whether there are no workers, so that SIGTSTP stops this process at once.
    static ALONE: AtomicBool = AtomicBool::new(true);
    /// Whether it is to be stopped as soon as its workers are.
    static WANTED: AtomicBool = AtomicBool::new(false);

    /// Takes SIGTSTP over for as long as this process has workers.
    pub fn listen() -> io::Result<()> {
        flag::register_conditional_default(SIGTSTP, &ALONE)?;
        flag::register(SIGTSTP, &WANTED)?;
        Ok(())
    }

    /// While it lives, somebody asks [`wanted`] now and then.
    pub struct Attended(());

    impl Attended {
        pub fn begin() -> Self {
            WANTED.store(false, Ordering::Relaxed);
            ALONE.store(false, Ordering::Relaxed);
            Self(())
        }
    }

    impl Drop for Attended {
        fn drop(&mut self) {
            ALONE.store(true, Ordering::Relaxed);
        }
    }

    pub fn wanted() -> bool {
        WANTED.load(Ordering::Relaxed)
    }

    /// Stops the process groups of workers and this process; returns when it goes on, as they do.
    pub fn together(groups: &[u32]) {
        let tell = |signal| {
            for &group in groups {
                // One that is gone needs no signal.
                let _ = killpg(Pid::from_raw(group.cast_signed()), signal);
            }
        };
        tell(Signal::SIGSTOP);
        WANTED.store(false, Ordering::Relaxed);
        let _ = raise(Signal::SIGSTOP);
        tell(Signal::SIGCONT);
    }
}

#[cfg(not(unix))]
mod elsewhere {
    //! There are no such signals.

    pub struct Attended;

    impl Attended {
        pub fn begin() -> Self {
            Self
        }
    }

    pub fn listen() -> std::io::Result<()> {
        Ok(())
    }

    pub fn wanted() -> bool {
        false
    }

    pub fn together(_: &[u32]) {}
}
#[cfg(not(unix))]
pub use elsewhere::{Attended, listen, together, wanted};
