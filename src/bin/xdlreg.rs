//! `xdlreg`: the original's console command.

use std::process::ExitCode;

use xdlreg::cli::{self, original};

fn main() -> ExitCode {
    match cli::parse() {
        Ok(flags) => cli::finish(original::run(flags)),
        Err(code) => code,
    }
}
