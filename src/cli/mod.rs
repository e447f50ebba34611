//! The command line: one file a verb.

mod args;
pub mod completions;
pub mod explain;
mod files;
pub mod original;
pub mod plan;
pub mod render;
pub mod run;
pub mod schema;
pub mod simulate;
mod stop;

use std::io::IsTerminal;
use std::process::ExitCode;

pub use args::{
    Cli, Command, CompletionsArgs, ExplainArgs, OverArgs, PlanArgs, RenderArgs, RunArgs, RunFlags, SimulateArgs,
};

use crate::error::Result;

/// Shows an error, if there is one, and turns the result into the exit code.
pub fn finish(result: Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            eprint!("{}", error.render(color));
            ExitCode::from(error.exit_code())
        }
    }
}
