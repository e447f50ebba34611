//! `xdlreg-run completions SHELL`.

use clap::CommandFactory;

use super::{Cli, CompletionsArgs};
use crate::error::{EXIT_OK, Result};

pub fn run(args: &CompletionsArgs) -> Result<u8> {
    clap_complete::generate(args.shell, &mut Cli::command(), "xdlreg-run", &mut std::io::stdout());
    Ok(EXIT_OK)
}
