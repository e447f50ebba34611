//! One experiment: from a resolved spec to a results folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::device;
use super::journal::Journal;
use super::local::{Execution, Observer, TaskState, execute};
use super::plan::Plan;
use super::provenance;
use super::results::{ResultsFolder, dataset_records, record};
use crate::error::{Error, Result};
use crate::event::{Event, EventSink, RunStatus, StageRef};
use crate::machine;
use crate::spec::{ResolvedSpec, Workers};
use crate::store::tables::{self, RunRecord};
use crate::store::{Lookup, Store, write_atomically};

/// Tables are rewritten while runs finish, but not more often than this.
const TABLES_INTERVAL: Duration = Duration::from_secs(10);

/// What the command line adds to a spec.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The spec file, for the record.
    pub spec_path: Option<PathBuf>,
    /// Worker processes at once, instead of `run.workers`.
    pub jobs: Option<usize>,
}

/// How an experiment ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The results folder.
    pub folder: PathBuf,
    pub done: usize,
    pub failed: usize,
    pub runs: Vec<RunOutcome>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOutcome {
    pub run_id: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Its scores by name; those that are not defined are left out.
    pub scores: Vec<(String, f64)>,
}

impl RunOutcome {
    fn of(record: &RunRecord) -> Self {
        let of_run = record.measurements.iter().filter(|row| row.sample.is_none());
        Self {
            run_id: record.run_id.clone(),
            failure: record.reason.clone(),
            scores: of_run.filter_map(|row| Some((row.metric.clone(), row.value?))).collect(),
        }
    }

    /// A score by its name.
    pub fn score(&self, name: &str) -> Option<f64> {
        self.scores.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
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
    let (compute, note) = device::resolve(spec.run.device)?;
    let plan = Plan::new([spec.clone()], compute);
    let output = Path::new(&spec.experiment.output);
    let folder = ResultsFolder::new(output, &spec.experiment.name);
    open_folder(&folder)?;
    let _log = log_to(&folder.logs().join("xdlreg-run.log"))?;
    let mut lock = lock_file(&folder)?;
    let _guard = lock.try_write().map_err(|_| {
        Error::usage(
            format!("another xdlreg-run is working on {}", folder.path().display()),
            "wait for it, or choose another experiment.name",
        )
    })?;

    let store = Store::new(output.join(".store"));
    store.remove_abandoned_drafts();
    let cores = machine::cores();
    let workers = worker_count(options.jobs, spec.run.workers, cores / spec.run.threads_per_worker, plan.runs.len());
    let about = provenance::describe(resolved, options.spec_path.as_deref(), compute, workers);
    write(&folder.path().join("spec.toml"), resolved.to_toml().as_bytes())?;
    write(&folder.path().join("provenance.json"), format!("{about:#}\n").as_bytes())?;
    let journal_path = folder.path().join("events.jsonl");
    let journal = Journal::open(&journal_path).map_err(|error| Error::io("write", &journal_path, &error))?;

    let mut collector = Collector::new(&plan, &store, folder, journal, sink);
    let done = collector.begin(&spec.experiment.name, note)?;
    let execution = Execution {
        plan: &plan,
        store: &store,
        settings: &spec.run,
        device: spec.run.device,
        workers,
        threads: (cores / workers).max(spec.run.threads_per_worker),
        logs: &collector.folder.logs(),
        interrupted,
    };
    let executed = execute(execution, &done, &mut collector);
    if matches!(executed, Err(Error::Interrupted)) {
        collector.event(Event::Interrupted);
    }
    collector.write_tables()?;
    executed?;
    collector.end(start)
}

/// As many workers as the cores allow, unless told otherwise, and never more than there are runs to work on.
fn worker_count(jobs: Option<usize>, workers: Workers, allowed: usize, runs: usize) -> usize {
    let wanted = match (jobs, workers) {
        (Some(jobs), _) => jobs,
        (None, Workers::Count(count)) => count,
        (None, Workers::Auto) => allowed,
    };
    wanted.min(runs).max(1)
}

/// Makes the results folder; a folder that cannot be written is a mistake of the spec, and nothing is left behind.
fn open_folder(folder: &ResultsFolder) -> Result<()> {
    let path = folder.path();
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).map(Path::to_owned);
    let made = fs::create_dir_all(folder.logs()).and_then(|()| {
        let probe = path.join(".writable");
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe))
    });
    made.map_err(|error| {
        // What was made on the way is removed again: empty folders only, up to what existed before.
        for made in folder.logs().ancestors().take_while(|ancestor| Some(*ancestor) != existing.as_deref()) {
            let _ = fs::remove_dir(made);
        }
        let help = "choose a folder that you may write with experiment.output or --output";
        Error::usage(format!("cannot write the results folder {}: {error}", path.display()), help)
    })
}

fn lock_file(folder: &ResultsFolder) -> Result<fd_lock::RwLock<fs::File>> {
    let path = folder.path().join(".lock");
    let file = fs::File::options().create(true).append(true).open(&path);
    file.map(fd_lock::RwLock::new).map_err(|error| Error::io("write", &path, &error))
}

fn write(path: &Path, contents: &[u8]) -> Result<()> {
    write_atomically(path, contents).map_err(|error| Error::io("write", path, &error))
}

/// Sends this thread's log to a file until the guard is dropped.
fn log_to(path: &Path) -> Result<tracing::subscriber::DefaultGuard> {
    let file = fs::File::options().create(true).append(true).open(path);
    let file = file.map_err(|error| Error::io("write", path, &error))?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("XDLREG_LOG").unwrap_or_else(|_| "info".into());
    let subscriber =
        tracing_subscriber::fmt().with_writer(Mutex::new(file)).with_ansi(false).with_env_filter(filter).finish();
    Ok(tracing::subscriber::set_default(subscriber))
}

/// Gathers what happens: into the journal, to the reporter, and into the results folder.
struct Collector<'a> {
    plan: &'a Plan,
    store: &'a Store,
    folder: ResultsFolder,
    journal: Journal,
    sink: &'a mut dyn EventSink,
    done: Vec<bool>,
    /// How many tasks each run still waits for.
    missing: Vec<usize>,
    records: Vec<Option<RunRecord>>,
    failures: Vec<Option<String>>,
    tables_written: Instant,
    /// The first thing that could not be written.
    trouble: Option<Error>,
}

impl<'a> Collector<'a> {
    fn new(
        plan: &'a Plan,
        store: &'a Store,
        folder: ResultsFolder,
        journal: Journal,
        sink: &'a mut dyn EventSink,
    ) -> Self {
        let runs = plan.runs.len();
        Self {
            plan,
            store,
            folder,
            journal,
            sink,
            done: vec![false; plan.tasks.len()],
            missing: vec![plan.runs.first().map_or(0, |run| run.tasks.len()); runs],
            records: vec![None; runs],
            failures: vec![None; runs],
            tables_written: Instant::now(),
            trouble: None,
        }
    }

    /// Finds out what is done already. Returns that of every task.
    fn begin(&mut self, name: &str, note: Option<String>) -> Result<Vec<bool>> {
        let mut notes: Vec<String> = note.into_iter().collect();
        let mut cached = Vec::new();
        for (index, task) in self.plan.tasks.iter().enumerate() {
            match self.store.lookup(task.stage(), &task.key) {
                Lookup::Hit(_) => cached.push(index),
                Lookup::Miss => {}
                Lookup::Corrupt(reason) => {
                    notes.push(format!(
                        "the stored result of {} {} is damaged ({reason}): it is made again",
                        task.stage(),
                        task.key.short(10)
                    ));
                    self.store
                        .discard(task.stage(), &task.key)
                        .map_err(|error| Error::io("remove from", self.store.root(), &error))?;
                }
            }
        }
        self.event(Event::ExperimentStarted {
            name: name.to_owned(),
            folder: self.folder.path().display().to_string(),
            runs: self.plan.runs.len(),
            stages: self.plan.tasks.len(),
            cached: cached.len(),
        });
        notes.into_iter().for_each(|message| self.event(Event::Note { message }));
        for run in &self.plan.runs {
            self.event(Event::RunStarted { run_id: run.run_id.clone() });
        }
        for index in cached {
            let task = &self.plan.tasks[index];
            let stage = StageRef { stage: task.stage(), key: task.key.clone(), run_ids: self.plan.run_ids(task) };
            self.event(Event::StageCached(stage));
            self.task_ended(index, &TaskState::Done);
        }
        Ok(self.done.clone())
    }

    fn finish_run(&mut self, run: usize, status: RunStatus, reason: Option<String>) {
        let planned = &self.plan.runs[run];
        let published = match status {
            RunStatus::Done => self.folder.publish(planned, self.plan, self.store),
            _ => Ok(()),
        };
        let recorded = published
            .and_then(|()| record(self.plan, planned, self.store, status, reason.clone(), &self.done))
            .map(|record| self.records[run] = Some(record));
        self.note_trouble(recorded);
        self.event(Event::RunFinished { run_id: planned.run_id.clone(), status, reason });
        if self.tables_written.elapsed() >= TABLES_INTERVAL {
            let written = self.write_tables();
            self.note_trouble(written);
        }
    }

    fn note_trouble(&mut self, result: Result<()>) {
        if let Err(error) = result {
            tracing::error!("{error}");
            self.trouble.get_or_insert(error);
        }
    }

    /// Writes all tables with what is known now; runs that have not ended are in them as pending.
    fn write_tables(&mut self) -> Result<()> {
        let mut records = Vec::with_capacity(self.records.len());
        for (run, known) in self.plan.runs.iter().zip(&self.records) {
            records.push(match known {
                Some(record) => record.clone(),
                None => record(self.plan, run, self.store, RunStatus::Pending, None, &self.done)?,
            });
        }
        let datasets = dataset_records(self.plan, self.store, &self.done)?;
        tables::write_all(self.folder.path(), &records, &datasets).map_err(|error| Error::Failed {
            message: format!("cannot write the tables in {}: {error}", self.folder.path().display()),
            help: None,
        })?;
        self.tables_written = Instant::now();
        Ok(())
    }

    fn end(mut self, start: Instant) -> Result<Outcome> {
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        let count = |status| self.records.iter().flatten().filter(|record| record.status == status).count();
        let (done, failed) = (count(RunStatus::Done), count(RunStatus::Failed));
        self.event(Event::ExperimentFinished { done, failed, seconds: start.elapsed().as_secs_f64() });
        let runs = self.records.iter().flatten().map(RunOutcome::of).collect();
        Ok(Outcome { folder: self.folder.path().to_owned(), done, failed, runs })
    }
}

impl Observer for Collector<'_> {
    fn event(&mut self, event: Event) {
        let recorded = self.journal.record(&event);
        let path = self.folder.path().join("events.jsonl");
        self.note_trouble(recorded.map_err(|error| Error::io("write", &path, &error)));
        if !matches!(event, Event::StageProgress { .. }) {
            tracing::info!("{}", serde_json::to_string(&event).unwrap_or_default());
        }
        self.sink.emit(&event);
    }

    fn task_ended(&mut self, task: usize, state: &TaskState) {
        let stage = self.plan.tasks[task].stage();
        for &run in &self.plan.tasks[task].runs {
            self.missing[run] -= 1;
            match state {
                TaskState::Failed(reason) => {
                    self.failures[run].get_or_insert(format!("{stage}: {reason}"));
                }
                TaskState::Skipped(reason) => {
                    self.failures[run].get_or_insert(reason.clone());
                }
                _ => self.done[task] = true,
            }
        }
        for &run in &self.plan.tasks[task].runs {
            if self.missing[run] == 0 {
                match self.failures[run].clone() {
                    Some(reason) => self.finish_run(run, RunStatus::Failed, Some(reason)),
                    None => self.finish_run(run, RunStatus::Done, None),
                }
            }
        }
    }
}
