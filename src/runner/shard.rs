//! A part of an experiment, carried out anywhere that reaches the store, next to others that carry out the other parts.
//!
//! Parts leave results in the store and nothing else: the tables are written by the same command without a part, which finds
//! everything done. What two parts need is made by the one that comes first.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::device;
use super::experiment::{RunOptions, log_to, open_folder, work_on};
use super::journal::{Journal, Recorder};
use super::local::{LocalExecutor, Workshop};
use super::places::places;
use super::planner::make_plan;
use super::results::ResultsFolder;
use super::scheduler::{Observer, Schedule, TaskEnd, execute};
use crate::clock;
use crate::error::{Error, Result};
use crate::event::{Event, EventSink, RunStatus};
use crate::format::FORMAT;
use crate::plan::{FrozenPlan, Plan};
use crate::spec::ResolvedSpec;
use crate::stage_name::StageName;
use crate::store::{Check, Lookup, STORE, Store};

/// The `index`-th of `count` parts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            Some((index, count)) => Err(format!("there is no part {index} of {count}: parts are counted from 1")),
            None => Err("write a part as I/N, such as 1/4 for the first of four".into()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.index, self.count)
    }
}

impl Shard {
    /// The runs of this part. Runs that share a training stay together, unless there are fewer trainings than parts.
    pub fn runs(self, plan: &Plan) -> Vec<usize> {
        let mut trainings: BTreeMap<usize, usize> = BTreeMap::new();
        for run in &plan.runs {
            let next = trainings.len();
            trainings.entry(run.tasks[StageName::Train]).or_insert(next);
        }
        let whole = trainings.len() >= self.count;
        let place = |run: usize| if whole { trainings[&plan.runs[run].tasks[StageName::Train]] } else { run };
        (0..plan.runs.len()).filter(|&run| place(run) % self.count == self.index - 1).collect()
    }
}

/// How a part of an experiment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOutcome {
    pub shard: Shard,
    /// How many runs the part and the whole have.
    pub runs: (usize, usize),
    pub failed: Vec<(String, String)>,
}

/// Carries out a part of an experiment: whatever its runs need and nobody else has done or is doing.
///
/// # Errors
/// As [`super::run_experiment`].
pub fn run_shard(
    resolved: &ResolvedSpec,
    shard: Shard,
    options: &RunOptions,
    sink: &mut dyn EventSink,
    interrupted: &AtomicBool,
) -> Result<ShardOutcome> {
    let (start, spec) = (Instant::now(), &resolved.spec);
    let device = device::resolve(spec.run.device)?;
    let plan = make_plan(&resolved.cells, device.compute);
    let output = Path::new(&spec.experiment.output);
    let (folder, store) = (ResultsFolder::new(output, &spec.experiment.name), Store::new(output.join(STORE)));
    open_folder(&folder)?;
    let own = folder.logs().folder(&format!("shard-{}-of-{}", shard.index, shard.count));
    let _log = log_to(&own)?;
    let _in_use = work_on(&store, sink, interrupted)?;
    let name = spec.experiment.name.clone();
    let frozen = FrozenPlan { format: FORMAT, name, frozen_at: clock::now(), compute: device.compute, plan };
    freeze(&folder, &frozen)?;

    let plan = &frozen.plan;
    let runs = shard.runs(plan);
    let journal = Journal::open(&own).map_err(|error| Error::io("write in", &own.path(), &error))?;
    let mut part = Part::new(plan, &runs, Recorder::new(journal, sink));
    let done = part.begin(&store, &frozen.name, &folder, options.check)?;
    let (places, crowded) = places(&device.devices, &spec.run, options.jobs);
    [device.note, crowded].into_iter().flatten().for_each(|message| part.event(Event::Note { message }));
    let (logs, cancel) = (own.path(), folder.cancel());
    let workshop =
        Workshop { plan, store: &store, places: &places, logs: &logs, log_prefix: "", timeout: spec.run.patience() };
    let stop = || interrupted.load(Ordering::Relaxed) || cancel.exists();
    let fail_fast = spec.run.fail_fast || options.fail_fast;
    let schedule = Schedule { plan, retries: spec.run.retries, fail_fast, stop: &stop };
    execute(schedule, &mut LocalExecutor::new(workshop), &done, &mut part)?;
    let count = |wanted| part.ends.values().filter(|(status, _)| *status == wanted).count();
    let (failed, invalid) = (count(RunStatus::Failed), count(RunStatus::Invalid));
    let done = runs.len() - failed - invalid;
    part.event(Event::ExperimentFinished { done, failed, invalid, seconds: start.elapsed().as_secs_f64() });
    let failed = part.ends.into_iter().map(|(run, (_, reason))| (plan.runs[run].run_id.clone(), reason)).collect();
    Ok(ShardOutcome { shard, runs: (runs.len(), plan.runs.len()), failed })
}

/// Writes the plan where there is none yet. All parts of an experiment have the same plan.
fn freeze(folder: &ResultsFolder, frozen: &FrozenPlan) -> Result<()> {
    let keys = |plan: &Plan| plan.tasks.iter().map(|task| task.key.clone()).collect::<Vec<_>>();
    let is_same = FrozenPlan::read(folder.folder()).is_ok_and(|known| keys(&known.plan) == keys(&frozen.plan));
    if is_same {
        return Ok(());
    }
    if folder.is_running().unwrap_or(true) {
        return Err(Error::usage(
            format!("another xdlreg-run is working on {} by another plan", folder.path().display()),
            "give all parts the same spec, the same options and the same device, or choose another experiment.name",
        ));
    }
    frozen.write(folder.folder()).map_err(|error| Error::io("write the plan in", folder.path(), &error))
}

/// What becomes of the runs of a part.
struct Part<'a> {
    plan: &'a Plan,
    runs: &'a [usize],
    recorder: Recorder<'a>,
    /// Whether a task is needed by these runs.
    wanted: Vec<bool>,
    /// How many tasks each run still waits for.
    missing: BTreeMap<usize, usize>,
    /// How a run ends that will not be done, and why.
    ends: BTreeMap<usize, (RunStatus, String)>,
}

impl<'a> Part<'a> {
    fn new(plan: &'a Plan, runs: &'a [usize], recorder: Recorder<'a>) -> Self {
        let mut wanted = vec![false; plan.tasks.len()];
        runs.iter().flat_map(|&run| plan.runs[run].tasks.iter()).for_each(|(_, &task)| wanted[task] = true);
        let missing = runs.iter().map(|&run| (run, StageName::ALL.len())).collect();
        Self { plan, runs, recorder, wanted, missing, ends: BTreeMap::new() }
    }

    /// Of every task of the plan, whether there is nothing to do: it is done, or other parts need it.
    fn begin(&mut self, store: &Store, name: &str, folder: &ResultsFolder, check: Check) -> Result<Vec<bool>> {
        let mut done = vec![true; self.plan.tasks.len()];
        let mut work = BTreeMap::new();
        let wanted: Vec<usize> = (0..self.wanted.len()).filter(|&task| self.wanted[task]).collect();
        for &task in &wanted {
            let (stage, key) = (self.plan.tasks[task].stage(), &self.plan.tasks[task].key);
            done[task] = match store.lookup(stage, key, check) {
                Lookup::Hit(_) => true,
                Lookup::Miss => false,
                Lookup::Newer(newer) => {
                    return Err(Error::usage(
                        format!("the {stage} result {key} in {}: {newer}", store.root().display()),
                        "choose another folder with experiment.output or --output",
                    ));
                }
                // Whoever makes it puts it in the place of what is damaged.
                Lookup::Corrupt(_) => false,
            };
            *work.entry(stage).or_insert(0) += usize::from(!done[task]);
        }
        work.retain(|_, count| *count > 0);
        let cached: Vec<usize> = wanted.iter().copied().filter(|&task| done[task]).collect();
        self.event(Event::ExperimentStarted {
            format: FORMAT,
            name: name.to_owned(),
            folder: folder.path().display().to_string(),
            runs: self.runs.len(),
            stages: wanted.len(),
            cached: cached.len(),
            typical_seconds: store.typical_seconds(work.keys().copied()),
            work,
            workers: 1,
        });
        cached.into_iter().for_each(|task| self.task_ended(task, &TaskEnd::Done));
        Ok(done)
    }
}

impl Observer for Part<'_> {
    fn event(&mut self, event: Event) {
        if let Err(error) = self.recorder.record(&event) {
            tracing::error!("cannot record an event: {error}");
        }
    }

    fn task_ended(&mut self, task: usize, end: &TaskEnd) {
        let end = match end {
            TaskEnd::Done => None,
            TaskEnd::Failed(reason) => Some((RunStatus::Failed, reason)),
            TaskEnd::Invalid(reason) => Some((RunStatus::Invalid, reason)),
        };
        let plan = self.plan;
        for &run in &plan.tasks[task].runs {
            let Some(missing) = self.missing.get_mut(&run) else { continue };
            *missing -= 1;
            let ended = *missing == 0;
            if let Some((status, reason)) = end {
                self.ends.entry(run).or_insert_with(|| (status, reason.clone()));
            }
            if ended {
                let end = self.ends.get(&run);
                let status = end.map_or(RunStatus::Done, |(status, _)| *status);
                let reason = end.map(|(_, reason)| reason.clone());
                self.event(Event::RunFinished { run_id: plan.runs[run].run_id.clone(), status, reason, note: None });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::{Cell, CellSettings, ExperimentSpec};
    use crate::stage::Compute;

    /// A plan of so many trainings, each with so many explanations.
    fn plan(trainings: u64, explanations: u64) -> Plan {
        let cell = |(training, explanation): (u64, u64)| {
            let mut spec = ExperimentSpec::default();
            spec.model.seed = training;
            spec.heatmaps.count = 1 + explanation as usize;
            Cell { settings: CellSettings::default(), spec }
        };
        let pairs = (0..trainings).flat_map(|one| (0..explanations).map(move |other| (one, other)));
        make_plan(&pairs.map(cell).collect::<Vec<_>>(), Compute::Cpu)
    }

    #[test]
    fn parts_are_written_as_fractions() {
        let shard = |text: &str| text.parse::<Shard>();
        assert_eq!(shard("2/5"), Ok(Shard { index: 2, count: 5 }));
        for (text, part) in [("0/5", "counted from 1"), ("6/5", "no part 6 of 5"), ("1/0", "no part 1"), ("", "I/N")] {
            assert!(shard(text).expect_err("it is no part").contains(part), "{text}");
        }
        assert!(["1", "1/", "-1/2", "1/2/3", "a/b"].iter().all(|text| shard(text).is_err()));
    }

    #[test]
    fn every_run_is_in_exactly_one_part_and_trainings_stay_whole() {
        let plan = plan(7, 1);
        for count in 1..=9 {
            let parts = (1..=count).map(|index| Shard { index, count }.runs(&plan));
            let parts: Vec<Vec<usize>> = parts.collect();
            let mut all = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..plan.runs.len()).collect::<Vec<_>>(), "{count}");
            let sizes: BTreeSet<usize> = parts.iter().map(Vec::len).collect();
            assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1, "{count}: {sizes:?}");
        }
    }
}
