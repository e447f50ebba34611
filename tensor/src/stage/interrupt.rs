//! Signals that ask for an end. They only set a flag: a training looks at it after every epoch, when its state is stored.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR2};

static WANTED: AtomicBool = AtomicBool::new(false);
static WARNED: AtomicBool = AtomicBool::new(false);

/// Has the signals SIGUSR2, SIGTERM and SIGINT ask for an end from now on; a second SIGINT ends the process.
///
/// # Errors
/// Where the system refuses.
pub fn listen() -> io::Result<()> {
    signal_hook::flag::register_conditional_shutdown(SIGINT, 130, &WANTED)?;
    signal_hook::flag::register(SIGUSR2, &WARNED)?;
    for signal in [SIGUSR2, SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, &WANTED)?;
    }
    Ok(())
}

/// Whether a signal has asked for an end.
pub fn wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Whether SIGUSR2 was among the signals: Slurm's warning before a time limit, which means that the work may go on later.
pub fn warned() -> bool {
    WARNED.load(Ordering::Relaxed)
}
