//! `xdlreg`: the original's console command.

use std::process::ExitCode;

use clap::Parser;
use xdlreg::cli::{self, original};

fn main() -> ExitCode {
    cli::finish(original::run(original::Original::parse()))
}
