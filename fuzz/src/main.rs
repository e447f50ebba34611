//! The targets under libFuzzer: `XDLREG_FUZZ_TARGET=npy xdlreg-fuzz CORPUS... [-OPTION=VALUE]...`; see `fuzz/run.py`.

#![no_main]
#![allow(clippy::print_stderr, reason = "only a developer runs this")]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use xdlreg_fuzz::{Scratch, TARGETS, Target};

static CHOSEN: OnceLock<(Target, Scratch)> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("XDLREG_FUZZ_TARGET").unwrap_or_default();
        let target = TARGETS.iter().find(|target| target.name == name);
        let Some(target) = target else {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("name a target in XDLREG_FUZZ_TARGET, one of {}", names.join(", "));
            std::process::exit(2);
        };
        assert!(CHOSEN.set((*target, Scratch::new())).is_ok());
        // libfuzzer-sys aborts at every panic. A panic that the project itself catches is none of a fault; all others
        // abort when they leave the target. The message of the last one is printed all the same.
        std::panic::set_hook(Box::new(|panic| {
            if std::env::var_os("XDLREG_FUZZ_VERBOSE").is_some() {
                eprintln!("{panic}");
            }
        }));
    },
    |data: &[u8]| {
        let (target, scratch) = CHOSEN.get().expect("set before the first input");
        (target.run)(data, scratch);
    }
);
