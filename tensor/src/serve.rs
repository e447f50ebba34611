//! A worker of a runner: it reads requests as JSON lines from standard input, replies on standard output, and ends with its
//! input.

use std::io::{self, BufReader, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use xdlreg_core::net::EngineChoice;
use xdlreg_core::protocol::{Line, Reply, Request, next_line};
use xdlreg_core::stage::{LIBTORCH_VERSION, Memory, StageError};
use xdlreg_core::store::Store;
use xdlreg_core::{alive, machine};
use xdlreg_tensor::net::device;
use xdlreg_tensor::stage::{Carried, carry_out, explain_files, predict_files};

use crate::Args;
use crate::throttled::Throttled;

/// How often the runner is told that the work continues.
const SIGN_OF_LIFE: Duration = Duration::from_millis(250);

/// Answers requests until the input ends.
///
/// # Errors
/// Where standard output cannot be written any more.
pub fn serve(args: &Args) -> io::Result<()> {
    // Before any thread is started, so that all inherit it.
    machine::stay_on(&args.cores)?;
    let (compute, note) = match device::prepare(args.device) {
        Ok(ready) => ready,
        Err(reason) => return reply(&Reply::NoDevice { reason }),
    };
    start_threads(args.threads)?;
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

/// Starts the threads of stages whose results do not depend on their number.
pub fn start_threads(threads: usize) -> io::Result<()> {
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(io::Error::other)
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
    // A runner that went away closes standard input too, which ends this worker.
    let send = |said: &Reply| drop(reply(said));
    let progress = Throttled::new(&send);
    let carried = match request {
        Request::Stage { job, store } => {
            let mut begun = Ok(());
            let carried =
                carry_out(&job, device, &Store::new(store), &progress, memory, || begun = reply(&Reply::Started));
            begun?;
            carried
        }
        Request::ExplainFiles { network, images, explain, out } => {
            explain_files(&network, &images, &explain, (device, EngineChoice::Auto), &out, &progress)
                .map(|first| send(&Reply::Predicted { first }))
                .map(|()| Carried::Done(start.elapsed().as_secs_f64()))
        }
        Request::PredictFiles { network, images, out } => predict_files(&network, &images, device, &out, &progress)
            .map(|()| Carried::Done(start.elapsed().as_secs_f64())),
    };
    Ok(last_reply(carried))
}

/// How a job ended, as it is told to the runner.
pub fn last_reply(carried: Result<Carried, StageError>) -> Reply {
    match carried {
        Ok(Carried::Busy) => Reply::Busy,
        Ok(Carried::Found) => Reply::Found,
        Ok(Carried::Done(seconds)) => Reply::Done { seconds },
        Err(StageError::Invalid(cause)) => Reply::Invalid { reason: cause.to_string() },
        Err(StageError::Stopped(cause)) => Reply::Stopped { reason: cause.to_string() },
        Err(error) => Reply::Failed { reason: error.to_string() },
    }
}

#[expect(clippy::disallowed_methods, reason = "replies are not for a terminal")]
fn reply(reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}
