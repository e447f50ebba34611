//! `xdlreg`: the original's console command.

use std::process::ExitCode;

use xdlreg::cli::{self, original};
use xdlreg::exit;

fn main() -> ExitCode {
    match exit::parse() {
        Ok(flags) => cli::finish(original::run(flags)),
        Err(code) => code,
    }
}
