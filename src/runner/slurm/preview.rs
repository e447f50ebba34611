//! What would be submitted.

use std::fmt::Write;

use super::ledger::SLURM;
use super::script::{Submitted, script};
use super::submit::{Places, arrays};
use crate::error::Result;
use crate::plan::FrozenPlan;
use crate::runner::results::ResultsFolder;
use crate::spec::RunSettings;
use crate::store::Store;

/// The scripts for the tasks that are not done. Names and numbers are given when they are submitted.
pub fn preview(
    frozen: &FrozenPlan,
    done: &[bool],
    folder: &ResultsFolder,
    store: &Store,
    run: &RunSettings,
) -> Result<String> {
    let wanted: Vec<bool> = done.iter().map(|done| !done).collect();
    let own = folder.folder().folder(SLURM);
    let places = Places::of(folder, store, &own.folder("plans/DIGEST"))?;
    let path = std::path::absolute(own.path_of("NAME")).unwrap_or_default();
    let mut text = String::new();
    let mut after: &[u64] = &[];
    for (wave, arrays) in arrays(frozen, &wanted, store, run).into_iter().enumerate() {
        for jobs in arrays {
            let tasks: usize = jobs.iter().map(Vec::len).sum();
            let _ = writeln!(text, "\n# wave {}: an array of {} jobs with {tasks} tasks", wave + 1, jobs.len());
            let Places { plan, store, cancel, worker } = &places;
            let (name, jobs) = ("NAME", jobs.len());
            text +=
                &script(run, Submitted { name, jobs, folder: &path, plan, store, cancel, worker, after, grown: 0 })?;
        }
        // Stands for the numbers of the wave before.
        after = &[0];
    }
    Ok(text)
}
