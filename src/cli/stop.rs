//! Signals of a running experiment.
//!
//! Ctrl-C and SIGTERM stop it in order, and the same command goes on later; a second one ends it at once. A terminal that goes
//! away (SIGHUP) does not stop it: its results, events and logs are files. Ctrl-Z stops it with its workers.

use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{EXIT_INTERRUPTED, Error, Result};
use crate::runner::pause;

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag that a signal to stop sets.
pub fn on_signal() -> Result<&'static AtomicBool> {
    listen().map_err(|error| Error::Failed { message: format!("cannot listen for signals: {error}"), help: None })?;
    Ok(&STOP)
}

fn listen() -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal sets what the second one finds.
        flag::register_conditional_shutdown(signal, i32::from(EXIT_INTERRUPTED), &STOP)?;
        flag::register(signal, &STOP)?;
    }
    #[cfg(unix)]
    {
        // A handler that nobody asks, rather than to ignore it: programs that are started from here would ignore it too.
        static TERMINAL_GONE: AtomicBool = AtomicBool::new(false);
        flag::register(signal_hook::consts::SIGHUP, &TERMINAL_GONE)?;
    }
    pause::listen()
}
