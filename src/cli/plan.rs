//! `xdlreg-run plan SPEC`: what would run, what is cached, what is shared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::{OverArgs, PlanArgs};
use crate::clock::duration;
use crate::error::{EXIT_OK, Result};
use crate::format::FORMAT;
use crate::plan::{FrozenPlan, Plan, PlannedRun};
use crate::runner::{ResultsFolder, device_of, make_plan, places, slurm};
use crate::spec::{ExecutorChoice, ExperimentSpec, ResolvedSpec};
use crate::stage::Compute;
use crate::stage_name::StageName;
use crate::store::Store;
use crate::terminal::print;

/// So many runs are listed one by one.
const SHOWN: usize = 40;

pub fn run(args: &PlanArgs) -> Result<u8> {
    show(&args.spec, &args.over, None)
}

/// Prints the plan of a spec; nothing is written.
pub fn show(spec: &Path, over: &OverArgs, jobs: Option<usize>) -> Result<u8> {
    let resolved = ResolvedSpec::read(spec, &over.settings(), over.output.as_deref())?;
    let device = device_of(&resolved.spec.run)?;
    let plan = make_plan(&resolved.cells, device.compute);
    let store = Store::new(Path::new(&resolved.spec.experiment.output).join(".store"));
    let (places, crowded) = places(&device.devices, &resolved.spec.run, jobs);
    let mut text = String::new();
    for note in [device.note, crowded].into_iter().flatten() {
        let _ = writeln!(text, "note: {note}");
    }
    text += &describe(&plan, &store, places.len());
    if resolved.spec.run.executor == ExecutorChoice::Slurm {
        text += &scripts(&resolved.spec, plan, device.compute, &store)?;
    }
    print(&text);
    Ok(EXIT_OK)
}

/// The scripts that would be submitted to Slurm.
fn scripts(spec: &ExperimentSpec, plan: Plan, compute: Compute, store: &Store) -> Result<String> {
    let done: Vec<bool> = plan.tasks.iter().map(|task| store.contains(task.stage(), &task.key)).collect();
    let name = spec.experiment.name.clone();
    let folder = ResultsFolder::new(Path::new(&spec.experiment.output), &name);
    let frozen = FrozenPlan { format: FORMAT, name, frozen_at: String::new(), compute, plan };
    slurm::preview(&frozen, &done, &folder, store, &spec.run)
}

/// "24 runs: 1 simulate, 4 train, ...; 7 cached; about 3 min 10 s", then what is shared, then run by run.
fn describe(plan: &Plan, store: &Store, workers: usize) -> String {
    let cached: Vec<bool> = plan.tasks.iter().map(|task| store.contains(task.stage(), &task.key)).collect();
    let counts = StageName::ALL.map(|stage| format!("{} {stage}", plan.count(stage))).join(", ");
    let hits = cached.iter().filter(|cached| **cached).count();
    let time = time(plan, store, &cached, workers.min(plan.runs.len()));
    let mut text = format!("{}: {counts}; {hits} cached; {time}\n", number(plan.runs.len(), "run"));
    if plan.runs.len() > 1 {
        text += &shared(plan);
    }
    for run in plan.runs.iter().take(SHOWN) {
        text += &line(run, &cached);
    }
    if plan.runs.len() > SHOWN {
        let _ = writeln!(text, "  ... and {} more", number(plan.runs.len() - SHOWN, "run"));
    }
    text
}

/// How long what is not cached will take, from what such stages took before.
fn time(plan: &Plan, store: &Store, cached: &[bool], workers: usize) -> String {
    let mut open: BTreeMap<StageName, usize> = BTreeMap::new();
    for (task, _) in plan.tasks.iter().zip(cached).filter(|(_, cached)| !**cached) {
        *open.entry(task.stage()).or_default() += 1;
    }
    let history = store.typical_seconds(open.keys().copied());
    let known: Option<f64> = open.iter().map(|(stage, &count)| Some(history.get(stage)? * count as f64)).sum();
    match known {
        _ if open.is_empty() => "nothing to do".to_owned(),
        Some(seconds) => format!("about {} with {}", duration(seconds / workers as f64), number(workers, "worker")),
        None => "no earlier runs to estimate the time from".to_owned(),
    }
}

/// "each train serves 6 runs" for the stages that runs share.
fn shared(plan: &Plan) -> String {
    let mut text = String::new();
    for stage in StageName::ALL {
        let sharers = || plan.tasks.iter().filter(|task| task.stage() == stage).map(|task| task.runs.len());
        let (Some(least), Some(most)) = (sharers().min(), sharers().max()) else { continue };
        if most > 1 {
            let range = if least == most { most.to_string() } else { format!("{least} to {most}") };
            let _ = writeln!(text, "  each {stage} serves {range} runs");
        }
    }
    text
}

/// "  1a2b3c4d5e  to do: explain evaluate render  data.target_bias = 30, model.seed = 1".
fn line(run: &PlannedRun, cached: &[bool]) -> String {
    let open: Vec<&str> = run.tasks.iter().filter(|(_, task)| !cached[**task]).map(|(stage, _)| stage.name()).collect();
    let state = if open.is_empty() { "cached".to_owned() } else { format!("to do: {}", open.join(" ")) };
    let label = run.label();
    let gap = if label.is_empty() { "" } else { "  " };
    format!("  {}  {label}{gap}{state}\n", run.run_id)
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
