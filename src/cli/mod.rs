//! The command line: one file a verb.

mod args;
pub mod cancel;
pub mod clean;
pub mod compare;
pub mod completions;
pub mod explain;
mod files;
pub mod inspect;
pub mod logs;
pub mod network;
mod networks;
pub mod original;
pub mod plan;
pub mod predict;
pub mod render;
pub mod report;
pub mod run;
pub mod schema;
pub mod simulate;
pub mod status;
mod stop;
pub mod why;

use std::process::ExitCode;

pub use args::{
    CleanArgs, Cli, Command, CompareArgs, CompletionsArgs, ExplainArgs, FoldersArgs, NetworkArgs, OneRunArgs, OverArgs,
    PlanArgs, PredictArgs, RenderArgs, ReportArgs, RunArgs, RunFlags, SimulateArgs,
};

use crate::error::Result;
use crate::exit;
use crate::terminal::{self, Styled};

/// With the value "json", errors are a line of JSON on standard error: what the Python package makes exceptions of.
const MESSAGE_FORMAT: &str = "XDLREG_MESSAGE_FORMAT";

/// Shows an error, if there is one, and turns the result into the exit code.
pub fn finish(result: Result<u8>) -> ExitCode {
    exit::with(result.unwrap_or_else(|error| {
        match std::env::var_os(MESSAGE_FORMAT) {
            Some(format) if format == "json" => terminal::tell_line(&error.to_json().to_string()),
            _ => terminal::tell_styled(&Styled { plain: error.render(false), colored: error.render(true) }),
        }
        error.exit_code()
    }))
}
