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

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::{
    CleanArgs, Cli, Command, CompareArgs, CompletionsArgs, ExplainArgs, FoldersArgs, OneRunArgs, OverArgs, PlanArgs,
    RenderArgs, ReportArgs, RunArgs, RunFlags, SimulateArgs,
};

use crate::error::{EXIT_FAILED, EXIT_OK, Result};
use crate::escape;
use crate::terminal::{self, Styled};

/// The arguments of a program, or its exit code where they are wrong or ask for help, which is shown.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    P::try_parse_from(&arguments).map_err(|answer| {
        // An answer quotes arguments, and clap would take control characters in them for colours of its own.
        let shown = |argument: &OsString| escape::line(&argument.to_string_lossy()).into_owned();
        let answer = P::try_parse_from(arguments.iter().map(shown)).err().unwrap_or(answer);
        let text = answer.render();
        let text = Styled { plain: text.to_string(), colored: text.ansi().to_string() };
        match answer.use_stderr() {
            true => terminal::tell_styled(&text),
            false => terminal::print_styled(&text),
        }
        finish(Ok(u8::try_from(answer.exit_code()).unwrap_or(EXIT_FAILED)))
    })
}

/// Shows an error, if there is one, and turns the result into the exit code. Data that could not be printed are an error.
pub fn finish(result: Result<u8>) -> ExitCode {
    let mut code = result.unwrap_or_else(|error| {
        terminal::tell_styled(&Styled { plain: error.render(false), colored: error.render(true) });
        error.exit_code()
    });
    if let Some(trouble) = terminal::take_trouble() {
        terminal::tell_line(&format!("cannot write to standard output: {trouble}"));
        if code == EXIT_OK {
            code = EXIT_FAILED;
        }
    }
    ExitCode::from(code)
}
