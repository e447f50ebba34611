//! `xdlreg-run plan SPEC`: what would run, what is cached, what is shared.

use std::path::Path;

use super::{OverArgs, PlanArgs};
use crate::clock::duration;
use crate::error::{EXIT_OK, Result};
use crate::runner::{Plan, resolve_device};
use crate::spec::ResolvedSpec;
use crate::stage::StageName;
use crate::store::Store;

pub fn run(args: &PlanArgs) -> Result<u8> {
    show(&args.spec, &args.over)
}

/// Prints the plan of a spec; nothing is written.
pub fn show(spec: &Path, over: &OverArgs) -> Result<u8> {
    let resolved = ResolvedSpec::read(spec, &over.sets, over.output.as_deref())?;
    let (compute, note) = resolve_device(resolved.spec.run.device)?;
    let plan = Plan::new([resolved.spec.clone()], compute);
    let store = Store::new(Path::new(&resolved.spec.experiment.output).join(".store"));
    if let Some(note) = note {
        println!("note: {note}");
    }
    print!("{}", describe(&plan, &store));
    Ok(EXIT_OK)
}

/// "1 run: 1 simulate, 1 train, ...; 3 cached; about 3 min 10 s", and then stage by stage.
fn describe(plan: &Plan, store: &Store) -> String {
    let counts = StageName::ALL.map(|stage| format!("{} {stage}", plan.count(stage))).join(", ");
    let cached: Vec<bool> = plan.tasks.iter().map(|task| store.contains(task.stage(), &task.key)).collect();
    let history = store.typical_seconds();
    let open = || plan.tasks.iter().zip(&cached).filter(|(_, cached)| !**cached).map(|(task, _)| task.stage());
    let estimate: Option<f64> = open().map(|stage| history.get(&stage).copied()).sum();
    let time = match estimate {
        _ if open().next().is_none() => "nothing to do".to_owned(),
        Some(seconds) => format!("about {} of work", duration(seconds)),
        None => "no history to tell how long it takes".to_owned(),
    };
    let runs = if plan.runs.len() == 1 { "run" } else { "runs" };
    let hits = cached.iter().filter(|cached| **cached).count();
    let mut text = format!("{} {runs}: {counts}; {hits} cached; {time}\n", plan.runs.len());
    for (task, cached) in plan.tasks.iter().zip(&cached) {
        let state = if *cached { "cached" } else { "to do" };
        let ids = plan.run_ids(task);
        let sharers = if ids.len() == 1 { ids[0].clone() } else { format!("{} runs", ids.len()) };
        text += &format!("  {:<8} {}  {state:<6}  for {sharers}\n", task.stage().name(), task.key.short(10));
    }
    text
}
