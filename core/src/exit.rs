//! How programs begin and end: their arguments, and their exit codes.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::escape;
use crate::terminal::{self, Styled};

/// All runs are done.
pub const EXIT_OK: u8 = 0;
/// Some runs failed; the others are complete and in the tables.
pub const EXIT_FAILED: u8 = 1;
/// The spec or the command line is wrong: nothing was started, nothing written.
pub const EXIT_USAGE: u8 = 2;
/// Interrupted; the same command continues from what was finished.
pub const EXIT_INTERRUPTED: u8 = 130;

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
        with(u8::try_from(answer.exit_code()).unwrap_or(EXIT_FAILED))
    })
}

/// The exit code of a program that ends with `code`: data that could not be printed are a failure.
pub fn with(mut code: u8) -> ExitCode {
    if let Some(trouble) = terminal::take_trouble() {
        terminal::tell_line(&format!("cannot write to standard output: {trouble}"));
        if code == EXIT_OK {
            code = EXIT_FAILED;
        }
    }
    ExitCode::from(code)
}
