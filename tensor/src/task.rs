//! `xdlreg-worker task PLAN INDEX...`: tasks of a frozen plan, without a runner at the other end of a pipe.
//!
//! Several tasks are carried out in an order that their results allow. One that another process is doing is asked for again
//! later, so that several workers can be given the same tasks.
//!
//! What happens is written to a file as the same JSON lines that a worker replies with, so that it can be read from
//! anywhere, also later.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use xdlreg_core::device::Device;
use xdlreg_core::disk::{self, Appender, Folder};
use xdlreg_core::exit::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE};
use xdlreg_core::key::Key;
use xdlreg_core::plan::{CANCEL, FrozenPlan, PLAN, PlannedTask};
use xdlreg_core::protocol::{Reply, TaskReply};
use xdlreg_core::stage::{Compute, Job, LIBTORCH_VERSION, Memory, StageError};
use xdlreg_core::stage_name::StageName;
use xdlreg_core::store::{STORE, Store};
use xdlreg_core::{machine, terminal};
use xdlreg_tensor::net::device;
use xdlreg_tensor::stage::{Carried, carry_out, interrupt};

use crate::Args;
use crate::requeue::requeue;
use crate::serve::{last_reply, start_threads};
use crate::throttled::Throttled;

/// How long until a task is asked for again that another process is doing; less at first.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long a result that should be there may be missing: names on shared file systems can be late.
const LATE: Duration = Duration::from_secs(10);

#[derive(Debug, ClapArgs)]
pub struct TaskArgs {
    /// The plan, such as results/NAME/plan.json
    plan: PathBuf,
    /// Which of its tasks, counted from 0
    #[arg(required = true, value_name = "INDEX")]
    indices: Vec<usize>,
    /// The store; by default the one beside the plan's results folder
    #[arg(long)]
    store: Option<PathBuf>,
    /// Appends what happens to this file, as JSON lines
    #[arg(long)]
    events: Option<PathBuf>,
    /// Stops when this file is there; by default `.cancel` beside the plan
    #[arg(long, value_name = "FILE")]
    cancel: Option<PathBuf>,
    /// In a Slurm job: after SIGUSR2 or SIGTERM the job requeues itself, up to so many times
    #[arg(long, value_name = "N", default_value_t = 0)]
    requeues: usize,
}

/// Carries the tasks out. A mistake in the arguments is told apart from a task that fails.
pub fn run(args: &TaskArgs, common: &Args) -> u8 {
    match prepare(args, common) {
        Ok(ready) => ready.carry(args),
        Err(reason) => {
            terminal::tell_line(&format!("xdlreg-worker: {reason}"));
            EXIT_USAGE
        }
    }
}

/// Tasks that can begin.
struct Ready {
    /// A file that asks for an end.
    cancel: PathBuf,
    store: Store,
    tasks: Vec<(usize, Job)>,
    compute: Compute,
    memory: Memory,
    events: Events,
}

/// Where what happens is written to.
struct Events(Option<Mutex<Appender>>);

impl Events {
    fn send(&self, task: usize, reply: &Reply) {
        let Some(events) = &self.0 else { return };
        let Ok(mut line) = serde_json::to_vec(&TaskReply { task, reply: reply.clone() }) else { return };
        line.push(b'\n');
        // The result is in the store or not, whatever becomes of the file that tells of it.
        let written = events.lock().map(|mut events| events.append(&line));
        if let Ok(Err(error)) = written {
            tracing::error!("cannot record an event: {error}");
        }
    }
}

fn prepare(args: &TaskArgs, common: &Args) -> Result<Ready, String> {
    interrupt::listen().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (folder, store) = places(args)?;
    let plan = FrozenPlan::read(&folder).map_err(|error| format!("cannot read {}: {error}", args.plan.display()))?.plan;
    let all = plan.tasks.len();
    let mut planned: Vec<Option<PlannedTask>> = plan.tasks.into_iter().map(Some).collect();
    let mut tasks = Vec::with_capacity(args.indices.len());
    for &index in &args.indices {
        if index >= all {
            return Err(format!("{} has tasks 0 to {}, not {index}", args.plan.display(), all.saturating_sub(1)));
        }
        // One that is named twice is done once.
        tasks.extend(planned[index].take().map(|task| (index, task.job)));
    }
    let store = Store::new(store);
    if let [(index, job)] = &tasks[..]
        && let Some(missing) = missing(&store, job).first()
    {
        return Err(needs(*index, job, missing));
    }
    let append = |path: &PathBuf| {
        disk::append(path).map(Mutex::new).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    let events = Events(args.events.as_ref().map(append).transpose()?);
    machine::stay_on(&common.cores).map_err(|error| format!("cannot stay on cores {:?}: {error}", common.cores))?;
    let device = tasks.iter().try_fold(Device::Cpu, |known, (_, job)| match device_of(job, common.device)? {
        Device::Cpu => Ok::<_, String>(known),
        device => Ok(device),
    });
    let (compute, note) = device
        .and_then(|device| {
            let host = machine::host();
            device::prepare(device).map_err(|reason| format!("the node {host} cannot compute on {device}: {reason}"))
        })
        .inspect_err(|reason| {
            tasks.iter().for_each(|(index, _)| events.send(*index, &Reply::Failed { reason: reason.clone() }));
        })?;
    start_threads(common.threads).map_err(|error| error.to_string())?;
    let libtorch = LIBTORCH_VERSION.to_owned();
    events.send(args.indices[0], &Reply::Ready { compute, devices: 1, libtorch, note });
    let cancel = args.cancel.clone().unwrap_or_else(|| folder.path_of(CANCEL));
    Ok(Ready { cancel, store, tasks, compute, memory: Memory::default(), events })
}

/// What a job reads that is not in the store.
fn missing(store: &Store, job: &Job) -> Vec<(StageName, Key)> {
    let upstream = job.upstream().into_iter().filter(|(stage, key)| !store.contains(*stage, key));
    upstream.map(|(stage, key)| (stage, key.clone())).collect()
}

fn needs(index: usize, job: &Job, (stage, key): &(StageName, Key)) -> String {
    format!("task {index} ({}) needs the result of {stage} {key}, which is not done yet", job.stage())
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

impl Ready {
    fn carry(mut self, args: &TaskArgs) -> u8 {
        let (mut failed, mut pause) = (Vec::new(), FIRST_PAUSE);
        let mut progress = Instant::now();
        let mut open = std::mem::take(&mut self.tasks);
        while !open.is_empty() {
            let before = open.len();
            let mut later = Vec::new();
            for (index, job) in open {
                if self.is_over() {
                    return self.stop(args);
                }
                let to_come = |key: &Key| later.iter().any(|(_, job): &(usize, Job)| job.key() == *key);
                let is_lost =
                    progress.elapsed() > LATE || missing(&self.store, &job).iter().any(|(_, key)| failed.contains(key));
                match self.attempt(index, &job, is_lost, to_come) {
                    Attempt::Later => later.push((index, job)),
                    Attempt::Ended(true) => {}
                    Attempt::Ended(false) => failed.push(job.key()),
                    Attempt::Stopped => return self.stop(args),
                }
            }
            open = later;
            if open.len() < before {
                (progress, pause) = (Instant::now(), FIRST_PAUSE);
            } else {
                std::thread::sleep(pause);
                pause = (pause * 2).min(BUSY_PAUSE);
            }
        }
        if failed.is_empty() { EXIT_OK } else { EXIT_FAILED }
    }

    /// Whether to end before everything is done.
    fn is_over(&self) -> bool {
        interrupt::wanted() || self.cancel.exists()
    }

    /// Ends early: the job goes back to the queue unless the experiment was cancelled.
    fn stop(&self, args: &TaskArgs) -> u8 {
        if self.cancel.exists() {
            terminal::tell_line("the experiment was cancelled");
        } else if args.requeues > 0 {
            terminal::tell_line(&requeue(args.requeues));
        } else {
            terminal::tell_line("stopped by a signal; the same task goes on from what is stored");
        }
        EXIT_INTERRUPTED
    }

    /// Tries a task. `to_come` says of which keys the results are still to be made here.
    fn attempt(&self, index: usize, job: &Job, is_lost: bool, to_come: impl Fn(&Key) -> bool) -> Attempt {
        let missing = missing(&self.store, job);
        if let Some(first) = missing.first() {
            if !is_lost || missing.iter().any(|(_, key)| to_come(key)) {
                return Attempt::Later;
            }
            terminal::tell_line(&needs(index, job, first));
            return Attempt::Ended(false);
        }
        let send = |reply: &Reply| self.events.send(index, reply);
        let progress = Throttled::new(&send);
        let begin = || send(&Reply::Started);
        let carried = carry_out(job, device::of(self.compute), &self.store, &progress, &self.memory, begin);
        if matches!(carried, Ok(Carried::Busy)) {
            return Attempt::Later;
        }
        report(job, &carried);
        let attempt = match &carried {
            Ok(_) => Attempt::Ended(true),
            Err(StageError::Stopped(_)) => Attempt::Stopped,
            Err(_) => Attempt::Ended(false),
        };
        send(&last_reply(carried));
        attempt
    }
}

/// What came of trying a task.
enum Attempt {
    /// Another process is doing it, or what it needs.
    Later,
    /// Whether there is a result now.
    Ended(bool),
    Stopped,
}

fn report(job: &Job, carried: &Result<Carried, StageError>) {
    let (stage, key) = (job.stage(), job.key());
    terminal::tell_line(&match carried {
        Ok(Carried::Done(seconds)) => format!("{stage} {key}: done in {seconds:.1} s"),
        Ok(Carried::Found | Carried::Busy) => format!("{stage} {key}: the result is in the store already"),
        Err(error) => format!("{stage} {key}: {error}"),
    });
}
