//! Submitting: from tasks to arrays of jobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::calls::{largest_array, sbatch, slots};
use super::groups::{Group, Packing, pack, waves};
use super::ledger::{Intent, Ledger, MOST_JOBS, SCRIPT, TASKS};
use super::script::{Submitted, script, workers};
use crate::clock;
use crate::disk::Folder;
use crate::error::{Error, Result};
use crate::format::FORMAT;
use crate::plan::{FrozenPlan, PLAN};
use crate::runner::results::ResultsFolder;
use crate::runner::worker::find_worker;
use crate::spec::RunSettings;
use crate::store::Store;

/// How often a task was lost before, and how often for want of memory.
pub type Tries = (usize, usize);

/// The places that jobs are told, as absolute paths: they hold on every node.
#[derive(Debug)]
pub struct Places {
    pub plan: PathBuf,
    pub store: PathBuf,
    pub cancel: PathBuf,
    pub worker: PathBuf,
}

impl Places {
    pub fn of(folder: &ResultsFolder, store: &Store, plan: &Folder) -> Result<Self> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| Error::io("find", path, &error));
        Ok(Self {
            plan: absolute(&plan.path_of(PLAN))?,
            store: absolute(store.root())?,
            cancel: absolute(&folder.cancel())?,
            worker: absolute(&find_worker()?)?,
        })
    }
}

/// The jobs of arrays that do some tasks, wave by wave; the arrays of a wave are split where they grow too large.
pub fn arrays(plan: &FrozenPlan, wanted: &[bool], store: &Store, run: &RunSettings) -> Vec<Vec<Vec<Group>>> {
    let stages = plan.plan.tasks.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(task, _)| task.stage());
    let typical = store.typical_seconds(stages.collect::<std::collections::BTreeSet<_>>());
    let limit = run.slurm.max_parallel;
    let slots = if limit > 0 { Some(limit) } else { slots(&run.slurm) };
    let packing = Packing { tasks_per_job: run.slurm.tasks_per_job, slots, workers: workers(run) };
    let seconds = |unit: &Group| unit.iter().map(|&task| typical.get(&plan.plan.tasks[task].stage()).copied()).sum();
    let most = largest_array().clamp(1, MOST_JOBS);
    let waves = waves(&plan.plan, wanted).into_iter();
    waves.map(|units| pack(&units, packing, seconds).chunks(most).map(<[Group]>::to_vec).collect()).collect()
}

/// Submits jobs for some tasks. Returns a line for each array, for the user.
///
/// # Errors
/// Where sbatch refuses. What was submitted before stays submitted.
pub fn submit(
    (plan, folder, store): (&FrozenPlan, &ResultsFolder, &Store),
    ledger: &mut Ledger,
    run: &RunSettings,
    tasks: &BTreeMap<usize, Tries>,
    mut submitted: impl FnMut(&Ledger),
) -> Result<Vec<String>> {
    let frozen = freeze(plan, ledger)?;
    let places = Places::of(folder, store, &frozen)?;
    let mut told = Vec::new();
    let mut tries: Vec<Tries> = tasks.values().copied().collect();
    tries.sort_unstable();
    tries.dedup();
    for (attempt, grown) in tries {
        let wanted = |task| tasks.get(&task) == Some(&(attempt, grown));
        let wanted: Vec<bool> = (0..plan.plan.tasks.len()).map(wanted).collect();
        let mut before: Vec<u64> = Vec::new();
        for wave in arrays(plan, &wanted, store, run) {
            let mut numbers = Vec::new();
            for jobs in wave {
                let (name, own) = ledger.begin()?;
                let (count, after) = (jobs.len(), &before[..]);
                let path = std::path::absolute(own.path()).map_err(|error| Error::io("find", &own.path(), &error))?;
                let Places { plan: plan_path, store, cancel, worker } = &places;
                let text = script(
                    run,
                    Submitted {
                        name: &name,
                        jobs: count,
                        folder: &path,
                        plan: plan_path,
                        store,
                        cancel,
                        worker,
                        after,
                        grown,
                    },
                )?;
                let lines = |job: &Group| job.iter().map(usize::to_string).collect::<Vec<_>>().join(" ") + "\n";
                let lines: String = jobs.iter().map(lines).collect();
                for (file, text) in [(TASKS, &lines), (SCRIPT, &text)] {
                    let written = own.replace(file, text.as_bytes());
                    written.map_err(|error| Error::io("write", &own.path_of(file), &error))?;
                }
                let with_key = |&task: &usize| (task, plan.plan.tasks[task].key.clone());
                let jobs = jobs.iter().map(|job| job.iter().map(with_key).collect()).collect();
                let submitted_at = clock::now();
                let intent = Intent { format: FORMAT, name: name.clone(), submitted_at, jobs, attempt, grown };
                let submission = ledger.note(own, intent)?;
                match sbatch(&submission.folder.path_of(SCRIPT).to_string_lossy()) {
                    Ok(number) => {
                        submission.note_number(Some(number))?;
                        numbers.push(number);
                        let plural = if count == 1 { "" } else { "s" };
                        told.push(format!("submitted job {number} ({name}): an array of {count} job{plural}"));
                        submitted(ledger);
                    }
                    Err(refused) => {
                        submission.note_number(None)?;
                        let before = if told.is_empty() { "nothing was submitted".into() } else { told.join("; ") };
                        return Err(Error::failed(
                            format!("Slurm takes no jobs: {refused} ({before})"),
                            "change [run.slurm] or wait, and give the same command again: it submits what is missing",
                        ));
                    }
                }
            }
            before = numbers;
        }
    }
    Ok(told)
}

/// Writes the plan where jobs find it as it is now, whatever the spec becomes.
fn freeze(plan: &FrozenPlan, ledger: &Ledger) -> Result<Folder> {
    let keys: Vec<&str> = plan.plan.tasks.iter().map(|task| task.key.as_str()).collect();
    let digest = blake3::hash(keys.join(" ").as_bytes()).to_hex();
    let folder = ledger.plan_folder(&digest[..16]);
    folder
        .make()
        .and_then(|()| plan.write(&folder))
        .map_err(|error| Error::io("write the plan in", &folder.path(), &error))?;
    Ok(folder)
}
