//! Ctrl-C and termination: a flag is set, the runner stops by itself; a second signal ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{EXIT_INTERRUPTED, Error, Result};

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag that a signal sets.
pub fn on_signal() -> Result<&'static AtomicBool> {
    let set = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(EXIT_INTERRUPTED));
        }
    };
    ctrlc::set_handler(set)
        .map_err(|error| Error::Failed { message: format!("cannot listen for Ctrl-C: {error}"), help: None })?;
    Ok(&STOP)
}
