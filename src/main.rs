//! `xdlreg-run`: parse, run, exit code.

use std::process::ExitCode;

use xdlreg::cli::{self, Cli, Command};
use xdlreg::exit;

fn main() -> ExitCode {
    let command = match exit::parse::<Cli>() {
        Ok(cli) => cli.verb(),
        Err(code) => return code,
    };
    cli::finish(match command {
        Command::Run(args) => cli::run::run(&args),
        Command::Inspect(args) => cli::inspect::run(&args),
        Command::Plan(args) => cli::plan::run(&args),
        Command::Status(args) => cli::status::run(&args),
        Command::Logs(args) => cli::logs::run(&args),
        Command::Why(args) => cli::why::run(&args),
        Command::Compare(args) => cli::compare::run(&args),
        Command::Cancel(args) => cli::cancel::run(&args),
        Command::Clean(args) => cli::clean::run(&args),
        Command::Simulate(args) => cli::simulate::run(&args),
        Command::Explain(args) => cli::explain::run(&args),
        Command::Predict(args) => cli::predict::run(&args),
        Command::Network(args) => cli::network::run(&args),
        Command::Render(args) => cli::render::run(&args),
        Command::Report(args) => cli::report::run(&args),
        Command::Schema => cli::schema::run(),
        Command::Completions(args) => cli::completions::run(&args),
    })
}
