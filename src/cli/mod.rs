//! The command line: one file a verb.

mod args;
pub mod cancel;
pub mod clean;
pub mod compare;
pub mod completions;
pub mod explain;
mod files;
pub mod logs;
pub mod original;
pub mod plan;
pub mod render;
pub mod report;
pub mod run;
pub mod schema;
pub mod simulate;
pub mod status;
mod stop;
pub mod why;

use std::io::IsTerminal;
use std::process::ExitCode;

pub use args::{
    CleanArgs, Cli, Command, CompareArgs, CompletionsArgs, ExplainArgs, FoldersArgs, OneRunArgs, OverArgs, PlanArgs,
    RenderArgs, ReportArgs, RunArgs, RunFlags, SimulateArgs,
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
