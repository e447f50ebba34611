//! A Slurm job that puts itself back into the queue, when it was asked to end before its work was done.

use std::env;
use std::process::Command;

use xdlreg_tensor::stage::interrupt;

/// Jobs in these states are being ended, or were, by whoever cancelled them or by Slurm itself, which requeues what it wants back.
const ENDING: [&str; 3] = ["COMPLETING", "CANCELLED", "COMPLETED"];

/// Requeues the job that this process belongs to, unless that was done `limit` times already. Returns what came of it, for
/// the log.
pub fn requeue(limit: usize) -> String {
    let Some(job) = own_job() else { return "this is no Slurm job: it is not requeued".into() };
    let restarts = env::var("SLURM_RESTART_COUNT").ok().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    if restarts >= limit {
        return format!("job {job} was requeued {restarts} times already, and is not requeued again");
    }
    // SIGTERM may also be the beginning of scancel, which nothing may undo. The warning before the time limit is SIGUSR2.
    match slurm("squeue", &["--noheader", "--states=all", "--jobs", &job, "--format=%T"]) {
        Ok(state) if ENDING.contains(&state.trim()) => return format!("job {job} is being ended: it is not requeued"),
        Err(reason) if !interrupt::warned() => {
            return format!("job {job} is not requeued, since squeue fails: {reason}");
        }
        Ok(_) | Err(_) => {}
    }
    match slurm("scontrol", &["requeue", &job]) {
        Ok(_) => format!("job {job} is requeued, for the {}. time", restarts + 1),
        Err(reason) => format!("job {job} could not be requeued: {reason}"),
    }
}

/// This job as `scontrol` names it. The raw number of the first task of an array would stand for the whole array.
fn own_job() -> Option<String> {
    let array = || Some(format!("{}_{}", env::var("SLURM_ARRAY_JOB_ID").ok()?, env::var("SLURM_ARRAY_TASK_ID").ok()?));
    array().or_else(|| env::var("SLURM_JOB_ID").ok())
}

fn slurm(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
