//! `xdlreg-run completions SHELL`.

use clap::CommandFactory;

use super::{Cli, CompletionsArgs};
use crate::error::{EXIT_OK, Result};
use crate::terminal::print;

pub fn run(args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "xdlreg-run", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(EXIT_OK)
}
