//! `xdlreg-worker task PLAN INDEX`: one task of a frozen plan, without a runner at the other end of a pipe.
//!
//! What happens is written to a file as the same JSON lines that a worker replies with, so that it can be read from
//! anywhere, also later.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use clap::Args as ClapArgs;
use xdlreg_core::device::Device;
use xdlreg_core::disk::{self, Appender, Folder};
use xdlreg_core::exit::{EXIT_FAILED, EXIT_OK, EXIT_USAGE};
use xdlreg_core::plan::{FrozenPlan, PLAN};
use xdlreg_core::protocol::Reply;
use xdlreg_core::stage::{Compute, Job, LIBTORCH_VERSION, Memory, StageError};
use xdlreg_core::store::{STORE, Store};
use xdlreg_core::{machine, terminal};
use xdlreg_tensor::net::device;
use xdlreg_tensor::stage::{Carried, carry_out};

use crate::Args;
use crate::serve::{last_reply, start_threads};
use crate::throttled::Throttled;

/// How long until a task is asked for again that another process is doing.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, ClapArgs)]
pub struct TaskArgs {
    /// The plan, such as results/NAME/plan.json
    plan: PathBuf,
    /// Which of its tasks, counted from 0
    index: usize,
    /// The store; by default the one beside the plan's results folder
    #[arg(long)]
    store: Option<PathBuf>,
    /// Appends what happens to this file, as JSON lines
    #[arg(long)]
    events: Option<PathBuf>,
}

/// Carries the task out. A mistake in the arguments is told apart from a task that fails.
pub fn run(args: &TaskArgs, common: &Args) -> u8 {
    match prepare(args, common) {
        Ok(ready) => carry(ready),
        Err(reason) => {
            terminal::tell_line(&format!("xdlreg-worker: {reason}"));
            EXIT_USAGE
        }
    }
}

/// A task that can begin.
struct Ready {
    job: Job,
    store: Store,
    compute: Compute,
    note: Option<String>,
    events: Option<Mutex<Appender>>,
}

fn prepare(args: &TaskArgs, common: &Args) -> Result<Ready, String> {
    let (folder, store) = places(args)?;
    let plan = FrozenPlan::read(&folder).map_err(|error| format!("cannot read {}: {error}", args.plan.display()))?.plan;
    let tasks = plan.tasks.len();
    let Some(task) = plan.tasks.into_iter().nth(args.index) else {
        return Err(format!("{} has tasks 0 to {}, not {}", args.plan.display(), tasks.saturating_sub(1), args.index));
    };
    let (job, store) = (task.job, Store::new(store));
    if let Some((stage, key)) = job.upstream().into_iter().find(|(stage, key)| !store.contains(*stage, key)) {
        let wanted = job.stage();
        return Err(format!("task {} ({wanted}) needs the result of {stage} {key}, which is not done yet", args.index));
    }
    let append = |path: &PathBuf| {
        disk::append(path).map(Mutex::new).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    let events = args.events.as_ref().map(append).transpose()?;
    machine::stay_on(&common.cores).map_err(|error| format!("cannot stay on cores {:?}: {error}", common.cores))?;
    let (compute, note) = device::prepare(device_of(&job, common.device)?)?;
    start_threads(common.threads).map_err(|error| error.to_string())?;
    Ok(Ready { job, store, compute, note, events })
}

/// The results folder, and the path of the store.
fn places(args: &TaskArgs) -> Result<(Folder, PathBuf), String> {
    let plan = std::path::absolute(&args.plan).map_err(|error| error.to_string())?;
    let (Some(folder), Some(name)) = (plan.parent(), plan.file_name()) else {
        return Err(format!("{} is not a file", args.plan.display()));
    };
    if name != PLAN {
        return Err(format!("{} is not a plan: its name must be {PLAN}", args.plan.display()));
    }
    let beside = || folder.parent().unwrap_or(Path::new("")).join(STORE);
    Ok((Folder::at(folder), args.store.clone().unwrap_or_else(beside)))
}

/// The device of a job: results of CPU and CUDA have different keys, so the plan decides between them.
fn device_of(job: &Job, asked: Device) -> Result<Device, String> {
    match (job.compute(), asked) {
        (None | Some(Compute::Cpu), Device::Auto | Device::Cpu) => Ok(Device::Cpu),
        (None, Device::Cuda(_)) => Ok(Device::Cpu),
        (Some(Compute::Cuda(index)), Device::Auto) => Ok(Device::Cuda(index)),
        (Some(Compute::Cuda(_)), Device::Cuda(index)) => Ok(Device::Cuda(index)),
        (Some(Compute::Cpu), Device::Cuda(_)) => Err("this task was planned for the CPU, not for CUDA".into()),
        (Some(Compute::Cuda(_)), Device::Cpu) => Err("this task was planned for CUDA, not for the CPU".into()),
    }
}

fn carry(Ready { job, store, compute, note, events }: Ready) -> u8 {
    let send = |reply: &Reply| {
        let Some(events) = &events else { return };
        let Ok(mut line) = serde_json::to_vec(reply) else { return };
        line.push(b'\n');
        // The result is in the store or not, whatever becomes of the file that tells of it.
        let written = events.lock().map(|mut events| events.append(&line));
        if let Ok(Err(error)) = written {
            tracing::error!("cannot record an event: {error}");
        }
    };
    send(&Reply::Ready { compute, devices: 1, libtorch: LIBTORCH_VERSION.to_owned(), note });
    let (progress, memory) = (Throttled::new(&send), Memory::default());
    let carried = loop {
        match carry_out(&job, device::of(compute), &store, &progress, &memory, || send(&Reply::Started)) {
            Ok(Carried::Busy) => std::thread::sleep(BUSY_PAUSE),
            carried => break carried,
        }
    };
    report(&job, &carried);
    let code = if carried.is_ok() { EXIT_OK } else { EXIT_FAILED };
    send(&last_reply(carried));
    code
}

fn report(job: &Job, carried: &Result<Carried, StageError>) {
    let (stage, key) = (job.stage(), job.key());
    terminal::tell_line(&match carried {
        Ok(Carried::Done(seconds)) => format!("{stage} {key}: done in {seconds:.1} s"),
        Ok(Carried::Found | Carried::Busy) => format!("{stage} {key}: the result is in the store already"),
        Err(error) => format!("{stage} {key}: {error}"),
    });
}
