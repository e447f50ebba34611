//! `xdlreg-worker`: carries out stages for `xdlreg-run`, the only program that loads libtorch.
//!
//! It reads requests as JSON lines from standard input, replies on standard output, and ends with its input.

use std::io::{self, BufReader, Write};
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use clap::Parser;
use xdlreg_core::device::Device;
use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::protocol::{Line, Reply, Request, next_line};
use xdlreg_core::stage::{LIBTORCH_VERSION, Memory, StageError};
use xdlreg_core::store::Store;
use xdlreg_core::{alive, exit, machine, terminal};
use xdlreg_tensor::net::device;
use xdlreg_tensor::stage::{Carried, carry_out, explain_files};

/// Carries out stages for xdlreg-run
#[derive(Debug, Parser)]
#[command(name = "xdlreg-worker", version)]
struct Args {
    /// Where tensors are computed: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Threads of stages whose results do not depend on it
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Cores to stay on, such as 2,3; all by default
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
}

/// How often the runner is told that the work goes on.
const SIGN_OF_LIFE: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let args = match exit::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    log_to_standard_error();
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::tell_line(&format!("xdlreg-worker: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> io::Result<()> {
    // Before any thread is started, so that all inherit it.
    machine::stay_on(&args.cores)?;
    let (compute, note) = match device::prepare(args.device) {
        Ok(ready) => ready,
        Err(reason) => return reply(&Reply::NoDevice { reason }),
    };
    tch::set_num_threads(args.threads as i32);
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global().map_err(io::Error::other)?;
    let devices = device::count(compute);
    reply(&Reply::Ready { compute, devices, libtorch: LIBTORCH_VERSION.to_owned(), note })?;
    std::thread::spawn(show_life);
    let memory = Memory::default();
    for request in requests() {
        let answer = match request {
            Ok(request) => answer(request, device::of(compute), &memory)?,
            Err(reason) => Reply::Failed { reason },
        };
        reply(&answer)?;
    }
    Ok(())
}

/// Tells the runner as long as the work goes on, and not when it hangs.
fn show_life() {
    let mut watch = alive::Watch::default();
    loop {
        std::thread::sleep(SIGN_OF_LIFE);
        if watch.saw(machine::processor_time()) {
            // A runner that went away closes standard input too, which ends this worker.
            let _ = reply(&Reply::Alive);
        }
    }
}

/// Requests as they arrive, or why they cannot be understood. When the runner is gone this process ends, even amid work:
/// nobody would take the result, and another runner may already do the same.
fn requests() -> impl Iterator<Item = Result<Request, String>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut input = BufReader::new(io::stdin());
        while let Ok(Some(line)) = next_line(&mut input) {
            let request = match line {
                Line::Whole(line) => serde_json::from_slice(&line).map_err(|error| error.to_string()),
                Line::TooLong(_) => Err("it is longer than a mebibyte".to_owned()),
            };
            if sender.send(request.map_err(|error| format!("the request cannot be understood: {error}"))).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    receiver.into_iter()
}

fn answer(request: Request, device: tch::Device, memory: &Memory) -> io::Result<Reply> {
    let start = Instant::now();
    let progress = Throttled::new();
    let carried = match request {
        Request::Stage { job, store } => {
            let mut begun = Ok(());
            let carried =
                carry_out(&job, device, &Store::new(store), &progress, memory, || begun = reply(&Reply::Started));
            begun?;
            carried
        }
        Request::ExplainFiles { weights, images, explain, out } => {
            explain_files(&weights, &images, &explain, device, &out, &progress)
                .map(|()| Carried::Done(start.elapsed().as_secs_f64()))
        }
    };
    Ok(match carried {
        Ok(Carried::Busy) => Reply::Busy,
        Ok(Carried::Found) => Reply::Found,
        Ok(Carried::Done(seconds)) => Reply::Done { seconds },
        Err(StageError::Invalid(reason)) => Reply::Invalid { reason },
        Err(error) => Reply::Failed { reason: error.to_string() },
    })
}

#[expect(clippy::disallowed_methods, reason = "replies are not for a terminal")]
fn reply(reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("XDLREG_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_writer(terminal::log).with_ansi(false).with_env_filter(filter).init();
}

/// Passes progress on, steps no more often than a person can see.
struct Throttled {
    last: Mutex<Option<Instant>>,
}

impl Throttled {
    const INTERVAL: Duration = Duration::from_millis(100);

    fn new() -> Self {
        Self { last: Mutex::new(None) }
    }

    fn is_due(&self, progress: &Progress) -> bool {
        let Progress::Step { done, total, .. } = progress else { return true };
        let Ok(mut last) = self.last.lock() else { return false };
        if done < total && last.is_some_and(|last| last.elapsed() < Self::INTERVAL) {
            return false;
        }
        *last = Some(Instant::now());
        true
    }
}

impl ProgressSink for Throttled {
    fn report(&self, progress: Progress) {
        alive::tick();
        if self.is_due(&progress) {
            // A runner that went away closes standard input too, which ends this worker.
            let _ = reply(&Reply::Progress(progress));
        }
    }
}
