//! `xdlreg-worker`: carries out stages for `xdlreg-run`, the only program that loads libtorch.

mod requeue;
mod serve;
mod task;
mod throttled;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xdlreg_core::device::Device;
use xdlreg_core::{exit, terminal};

/// Carries out stages for xdlreg-run
#[derive(Debug, Parser)]
#[command(name = "xdlreg-worker", version)]
struct Args {
    /// Where tensors are computed: auto, cpu, cuda or cuda:N; a task of a plan is computed where the plan says
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Threads of stages whose results do not depend on it
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Cores to stay on, such as 2,3; all by default
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Without one, requests are read from standard input.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Carry out tasks of a frozen plan, one after the other
    Task(task::TaskArgs),
}

fn main() -> ExitCode {
    let args: Args = match exit::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    log_to_standard_error();
    if let Some(Verb::Task(task)) = &args.verb {
        return exit::with(task::run(task, &args));
    }
    match serve::serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::tell_line(&format!("xdlreg-worker: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("XDLREG_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_writer(terminal::log).with_ansi(false).with_env_filter(filter).init();
}
