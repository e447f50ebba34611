//! One experiment: from a resolved spec to a results folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::collector::{Collector, Helper};
use super::device::{self, Resolved as ResolvedDevice};
use super::journal::{Journal, Recorder};
use super::local::{LocalExecutor, Workshop};
use super::notes;
use super::outcome::Outcome;
use super::places::places;
use super::planner::make_plan;
use super::provenance;
use super::results::ResultsFolder;
use super::scheduler::{Observer, Schedule, execute};
use super::slurm::SlurmExecutor;
use crate::clock;
use crate::disk::Folder;
use crate::error::{Error, Result};
use crate::event::{Event, EventSink};
use crate::format::FORMAT;
use crate::plan::FrozenPlan;
use crate::spec::{ExecutorChoice, ResolvedSpec, RunSettings};
use crate::store::{Check, Hold, InUse, STORE, Store};

/// How often a runner that joined asks whether the first one has ended.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the runner logs, in the folder of logs.
const LOG: &str = "xdlreg-run.log";

/// How often the lock is tried before it counts as taken.
const LOCK_TRIES: usize = 5;

/// What the command line adds to a spec.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The spec file, for the record.
    pub spec_path: Option<PathBuf>,
    /// Worker processes at once, instead of `run.workers`.
    pub jobs: Option<usize>,
    /// Helps another runner that is at the same experiment, instead of refusing to start.
    pub join: bool,
    /// Follows jobs on a cluster until they are done, instead of returning when they are submitted.
    pub wait: bool,
    /// Stops at the first failure, whatever `run.fail_fast` says.
    pub fail_fast: bool,
    /// How far stored results are trusted.
    pub check: Check,
}

/// Carries an experiment out, or goes on with it: what is finished is not done again.
///
/// # Errors
/// [`Error::Usage`] before anything is written; [`Error::Interrupted`] when `interrupted` was set, with all that was
/// finished kept; [`Error::Failed`] when results cannot be written. Runs that fail are counted in the outcome.
pub fn run_experiment(
    resolved: &ResolvedSpec,
    options: &RunOptions,
    sink: &mut dyn EventSink,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    let start = Instant::now();
    let spec = &resolved.spec;
    let device = device_of(&spec.run)?;
    let plan = make_plan(&resolved.cells, device.compute);
    let output = Path::new(&spec.experiment.output);
    let folder = ResultsFolder::new(output, &spec.experiment.name);
    let store = Store::new(output.join(STORE));
    let settings = RunSettings { fail_fast: spec.run.fail_fast || options.fail_fast, ..spec.run.clone() };
    if let Err(error) = store.exists()
        && error.kind() == io::ErrorKind::InvalidData
    {
        let help = "a store is not reached through a link: set experiment.output to where the results really are";
        return Err(Error::usage(format!("cannot use the store: {error}"), help));
    }
    open_folder(&folder)?;
    let _log = log_to(&folder.logs())?;
    let _in_use = work_on(&store, sink, interrupted)?;
    let _lock = match lock(&folder)? {
        Some(lock) => lock,
        None if options.join => {
            help_out(&folder, &store, &settings, (device.clone(), options.jobs), sink, interrupted)?;
            wait_for_lock(&folder, interrupted)?
        }
        None => {
            return Err(Error::usage(
                format!("another xdlreg-run is working on {}", folder.path().display()),
                "wait for it, help it with --join, or choose another experiment.name",
            ));
        }
    };

    let (places, crowded) = places(&device.devices, &settings, options.jobs);
    store.remove_abandoned();
    folder.remove_leftovers();
    folder.forget_cancel()?;
    let about = provenance::describe(resolved, options.spec_path.as_deref(), device.compute, places.len());
    write(folder.folder(), "spec.toml", resolved.to_toml().as_bytes())?;
    write(folder.folder(), "provenance.json", format!("{about:#}\n").as_bytes())?;
    let name = spec.experiment.name.clone();
    let frozen = FrozenPlan { format: FORMAT, name, frozen_at: clock::now(), compute: device.compute, plan };
    frozen.write(folder.folder()).map_err(|error| Error::io("write the plan in", folder.path(), &error))?;
    let plan = &frozen.plan;
    folder.remove_other_runs(plan).map_err(|error| Error::io("remove other runs from", folder.path(), &error))?;

    let mut notes: Vec<String> = [device.note, crowded].into_iter().flatten().collect();
    notes.extend(notes::of_cells(&resolved.cells, device.compute));
    let recorder = open_recorder(&folder, sink)?;
    let places = &places[..places.len().min(plan.runs.len()).max(1)];
    let (path, logs, cancel) = (folder.path().to_owned(), folder.logs().path(), folder.cancel());
    let mut collector = Collector::new(plan, &store, folder, recorder);
    let done = collector.begin(&frozen.name, notes, places.len(), options.check)?;
    if settings.executor == ExecutorChoice::Slurm {
        let place = (&frozen, &ResultsFolder::at(&path), &store);
        return on_slurm(place, (&settings, options.wait), &done, collector, interrupted, start);
    }
    let workshop = Workshop { plan, store: &store, places, logs: &logs, log_prefix: "", timeout: settings.patience() };
    let stop = || interrupted.load(Ordering::Relaxed) || cancel.exists();
    let schedule = Schedule { plan, retries: settings.retries, fail_fast: settings.fail_fast, stop: &stop };
    let executed = execute(schedule, &mut LocalExecutor::new(workshop), &done, &mut collector);
    if matches!(executed, Err(Error::Interrupted)) {
        collector.event(Event::Interrupted);
    }
    collector.write_tables()?;
    executed?;
    store.remove_abandoned();
    collector.write_ensembles();
    collector.report();
    collector.end(start)
}

/// Does what another runner has not begun yet, by that one's plan. The tables stay with the other.
fn help_out(
    folder: &ResultsFolder,
    store: &Store,
    settings: &RunSettings,
    (device, jobs): (ResolvedDevice, Option<usize>),
    sink: &mut dyn EventSink,
    interrupted: &AtomicBool,
) -> Result<()> {
    let FrozenPlan { plan, compute, .. } =
        FrozenPlan::read(folder.folder()).map_err(|error| Error::io("read the plan in", folder.path(), &error))?;
    let device = device.for_plan(compute)?;
    let (places, crowded) = places(&device.devices, settings, jobs);
    let done: Vec<bool> = plan.tasks.iter().map(|task| store.contains(task.stage(), &task.key)).collect();
    let mut helper = Helper(open_recorder(folder, sink)?);
    helper.event(Event::Note { message: format!("helping the runner of {}", folder.path().display()) });
    [device.note, crowded].into_iter().flatten().for_each(|message| helper.event(Event::Note { message }));
    let log_prefix = format!("joined-{}-", std::process::id());
    let (plan, logs, log_prefix, cancel) = (&plan, &folder.logs().path(), &log_prefix, folder.cancel());
    let workshop = Workshop { plan, store, places: &places, logs, log_prefix, timeout: settings.patience() };
    let stop = || interrupted.load(Ordering::Relaxed) || cancel.exists();
    let schedule = Schedule { plan, retries: settings.retries, fail_fast: settings.fail_fast, stop: &stop };
    execute(schedule, &mut LocalExecutor::new(workshop), &done, &mut helper)
}

/// Writes the tables of what is finished by now, from a results folder alone, unless a runner is at it.
pub fn collect(path: &Path, sink: &mut dyn EventSink) -> Result<()> {
    let folder = ResultsFolder::at(path);
    let (frozen, store) = (super::read_plan(path)?, folder.store());
    let Some(_lock) = lock(&folder)? else { return Ok(()) };
    let recorder = open_recorder(&folder, sink)?;
    let mut collector = Collector::new(&frozen.plan, &store, folder, recorder);
    collector.begin(&frozen.name, Vec::new(), 0, Check::Contents)?;
    collector.write_tables()?;
    collector.write_ensembles();
    Ok(())
}

/// Where the work will be done: on this machine, or where the spec says.
pub fn device_of(run: &RunSettings) -> Result<ResolvedDevice> {
    match run.executor {
        ExecutorChoice::Local => device::resolve(run.device),
        ExecutorChoice::Slurm => Ok(device::declared(run.device)),
    }
}

/// Submits what is missing to Slurm and collects what is finished; with `wait` until everything is.
fn on_slurm(
    (frozen, folder, store): (&FrozenPlan, &ResultsFolder, &Store),
    (settings, wait): (&RunSettings, bool),
    done: &[bool],
    mut collector: Collector,
    interrupted: &AtomicBool,
    start: Instant,
) -> Result<Outcome> {
    let mut executor = SlurmExecutor::new((frozen, folder, store), settings, wait, interrupted)?;
    let submitted = executor.submit_missing(done);
    executor.take_notes().into_iter().for_each(|message| collector.event(Event::Note { message }));
    submitted?;
    let (drained, cancel) = (executor.drained(), folder.cancel());
    let stop = || drained.get() || interrupted.load(Ordering::Relaxed) || cancel.exists();
    let schedule =
        Schedule { plan: &frozen.plan, retries: settings.retries, fail_fast: settings.fail_fast, stop: &stop };
    let executed = execute(schedule, &mut executor, done, &mut collector);
    executor.take_notes().into_iter().for_each(|message| collector.event(Event::Note { message }));
    let outstanding = executor.outstanding();
    let is_detached = matches!(executed, Err(Error::Interrupted)) && !cancel.exists();
    collector.write_tables()?;
    if !is_detached {
        executed?;
    }
    executor.close()?;
    if is_detached && outstanding > 0 {
        let plural = if outstanding == 1 { "job waits or runs" } else { "jobs wait or run" };
        let message = format!("{outstanding} {plural}; the same command collects what is finished, and --wait follows");
        collector.event(Event::Note { message });
        return Ok(collector.outcome());
    }
    collector.write_ensembles();
    collector.report();
    collector.end(start)
}

fn wait_for_lock(folder: &ResultsFolder, interrupted: &AtomicBool) -> Result<Hold> {
    loop {
        if let Some(lock) = lock(folder)? {
            return Ok(lock);
        }
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        std::thread::sleep(PATIENCE);
    }
}

/// Says that the store is being worked on, as long as the guard lives. Waits while results are being removed from it.
pub(super) fn work_on(store: &Store, sink: &mut dyn EventSink, interrupted: &AtomicBool) -> Result<InUse> {
    let mut told = false;
    loop {
        if let Some(in_use) = store.work().map_err(|error| Error::io("use the store", store.root(), &error))? {
            return Ok(in_use);
        }
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if !told {
            sink.emit(&Event::Note { message: "waiting until `xdlreg-run clean` has ended".into() });
            told = true;
        }
        std::thread::sleep(PATIENCE);
    }
}

fn open_recorder<'a>(folder: &ResultsFolder, sink: &'a mut dyn EventSink) -> Result<Recorder<'a>> {
    let journal = Journal::open(folder.folder()).map_err(|error| Error::io("write", &folder.events(), &error))?;
    Ok(Recorder::new(journal, sink))
}

/// Makes the results folder; a folder that cannot be written is a mistake of the spec, and nothing is left behind.
pub(super) fn open_folder(folder: &ResultsFolder) -> Result<()> {
    folder.folder().make_writable().map_err(|error| {
        let help = "choose a folder that you may write with experiment.output or --output";
        Error::usage(format!("cannot write the results folder {}: {error}", folder.path().display()), help)
    })?;
    folder.check()
}

/// Takes the lock of a results folder, which holds this process's number; `None` while another process has it. It is
/// free again when this process ends, however that happens.
fn lock(folder: &ResultsFolder) -> Result<Option<Hold>> {
    for _ in 0..LOCK_TRIES {
        if let Some(hold) = folder.hold()? {
            let (mut file, number) = (hold.file(), std::process::id().to_string());
            let written = file.set_len(0).and_then(|()| std::io::Write::write_all(&mut file, number.as_bytes()));
            return written.map(|()| Some(hold)).map_err(|error| Error::io("lock", folder.path(), &error));
        }
        // One that only asks how things stand holds it for an instant.
        std::thread::sleep(PATIENCE / 10);
    }
    Ok(None)
}

fn write(folder: &Folder, name: &str, contents: &[u8]) -> Result<()> {
    folder.replace(name, contents).map_err(|error| Error::io("write", &folder.path_of(name), &error))
}

/// Sends this thread's log to a file until the guard is dropped.
pub(super) fn log_to(logs: &Folder) -> Result<tracing::subscriber::DefaultGuard> {
    let file = logs.make().and_then(|()| logs.append(LOG));
    let file = file.map_err(|error| Error::io("write", &logs.path_of(LOG), &error))?.into_file();
    let filter = tracing_subscriber::EnvFilter::try_from_env("XDLREG_LOG").unwrap_or_else(|_| "info".into());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .with_env_filter(filter)
        // A full disk is told where results are written; the library would panic where standard error is closed too.
        .log_internal_errors(false)
        .finish();
    Ok(tracing::subscriber::set_default(subscriber))
}
