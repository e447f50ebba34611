//! Slurm's programs, and what they answer.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::spec::SlurmSettings;

/// A program that did not do what it was asked to, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program}: {said}")]
pub struct Refused {
    pub program: &'static str,
    pub said: String,
}

/// What Slurm says of a job of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// As `squeue` writes it, such as "OUT_OF_MEMORY".
    pub state: String,
    /// Why it waits, where it does.
    pub reason: String,
}

impl State {
    /// Whether the job may still do something.
    pub fn is_outstanding(&self) -> bool {
        const OVER: [&str; 11] = [
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "REVOKED",
            "SPECIAL_EXIT",
            "TIMEOUT",
        ];
        let word = self.state.split_whitespace().next().unwrap_or_default().trim_end_matches('+');
        !OVER.contains(&word) && !self.never_starts()
    }

    /// Whether it waits for something that cannot happen any more.
    pub fn never_starts(&self) -> bool {
        self.reason.contains("DependencyNeverSatisfied")
    }
}

/// States by the name of the submission and the index in its array.
pub type States = HashMap<(String, usize), State>;

/// Calls a program of Slurm; returns what it writes to standard output.
fn call(program: &'static str, arguments: &[String]) -> Result<String, Refused> {
    let refused = |said: String| Refused { program, said };
    let output = Command::new(program).args(arguments).output().map_err(|error| refused(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    Err(refused(if said.is_empty() { output.status.to_string() } else { said }))
}

/// Refuses a machine from which nothing can be submitted.
pub fn is_here() -> Result<()> {
    call("sbatch", &["--version".into()]).map(drop).map_err(|refused| {
        Error::usage(
            format!("run.executor = \"slurm\", but this machine cannot submit jobs ({refused})"),
            "start it on a login node of the cluster, after `module load slurm` where that is needed, or use --executor local",
        )
    })
}

/// How many jobs an array may have.
pub fn largest_array() -> usize {
    let config = call("scontrol", &["show".into(), "config".into()]).unwrap_or_default();
    let line = config.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"));
    line.and_then(|line| line.trim_start_matches([' ', '=']).trim().parse().ok()).unwrap_or(1001)
}

/// How many jobs of this size the partition can run at once, as far as Slurm tells.
pub fn slots(settings: &SlurmSettings) -> Option<usize> {
    let mut arguments = vec!["--noheader".to_owned(), "--format=%C".to_owned()];
    arguments.extend(settings.partition.as_ref().map(|partition| format!("--partition={partition}")));
    let told = call("sinfo", &arguments).ok()?;
    // Allocated, idle, other, total.
    let cores = |line: &str| {
        let mut parts = line.trim().split('/').map(|part| part.parse::<usize>().ok());
        Some(parts.next()?? + parts.next()??)
    };
    let cores: usize = told.lines().filter_map(cores).sum();
    (cores >= settings.cpus).then(|| cores / settings.cpus)
}

/// Submits a script; returns the number of the job.
pub fn sbatch(script: &str) -> Result<u64, Refused> {
    let told = call("sbatch", &["--parsable".into(), script.into()])?;
    let number = told.lines().last().unwrap_or_default().split(';').next().unwrap_or_default().trim().parse();
    number.map_err(|_| Refused { program: "sbatch", said: format!("it answered {told:?} instead of a number") })
}

/// So many submissions are named in one question.
const NAMED: usize = 100;

/// Asks after the jobs of submissions, with one call for many of them; also after those that ended a short while ago.
/// Returns their states, and the numbers of their jobs by name.
pub fn squeue(names: &[String]) -> Result<(States, HashMap<String, u64>), Refused> {
    let (mut states, mut jobs) = (States::new(), HashMap::new());
    for names in names.chunks(NAMED) {
        let told = call(
            "squeue",
            &[
                "--noheader".into(),
                "--array".into(),
                "--states=all".into(),
                format!("--name={}", names.join(",")),
                "--format=%j|%F|%K|%T|%r".into(),
            ],
        )?;
        read_queue(&told, &mut states, &mut jobs);
    }
    Ok((states, jobs))
}

fn read_queue(told: &str, states: &mut States, jobs: &mut HashMap<String, u64>) {
    for line in told.lines() {
        let mut parts = line.splitn(5, '|').map(str::trim);
        let (Some(name), Some(job), Some(index), Some(state)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let Ok(job) = job.parse::<u64>() else { continue };
        let Ok(index) = index.parse::<usize>() else { continue };
        jobs.insert(name.to_owned(), job);
        let state = State { state: state.to_owned(), reason: parts.next().unwrap_or_default().to_owned() };
        states.insert((name.to_owned(), index), state);
    }
}

/// Asks the accounting, where there is one, how jobs ended that the queue has forgotten.
pub fn sacct(jobs: &HashMap<String, u64>) -> States {
    let mut states = States::new();
    if jobs.is_empty() {
        return states;
    }
    let numbers = jobs.values().map(u64::to_string).collect::<Vec<_>>().join(",");
    let arguments = ["--allocations", "--noheader", "--parsable2", "--format=JobID,State", "--jobs", &numbers];
    let Ok(told) = call("sacct", &arguments.map(str::to_owned)) else { return states };
    for line in told.lines() {
        let Some((id, state)) = line.split_once('|') else { continue };
        let Some((job, index)) = id.split_once('_') else { continue };
        let (Ok(job), Ok(index)) = (job.parse::<u64>(), index.parse::<usize>()) else { continue };
        let named = jobs.iter().filter(|(_, number)| **number == job);
        let state = State { state: state.to_owned(), reason: String::new() };
        states.extend(named.map(|(name, _)| ((name.clone(), index), state.clone())));
    }
    states
}

/// Cancels jobs by the names of their submissions.
pub fn scancel(names: &[String]) -> Result<(), Refused> {
    names.iter().try_for_each(|name| call("scancel", &[format!("--name={name}")]).map(drop))
}

/// A pause that grows up to a limit, a little different every time, so that many do not ask at once.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Pause {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next pause.
    pub fn grow(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next.mul_f64(1.5)).min(self.most);
        pause.mul_f64(0.8 + 0.4 * f64::from(random() % 1000) / 1000.0)
    }
}

/// A number that differs from process to process and from call to call.
pub fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    (hasher.finish() >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_read_job_by_job() {
        let (mut states, mut jobs) = (States::new(), HashMap::new());
        let told = "xdlreg-a|12|0|RUNNING|None\nxdlreg-a|12|1|PENDING|Resources\nxdlreg-b|13|7|PENDING|DependencyNeverSatisfied\n\
                    xdlreg-c|14|2|TIMEOUT|TimeLimit\nnonsense\nother|x|1|RUNNING|None\nxdlreg-d|15|N/A|RUNNING|None\n";
        read_queue(told, &mut states, &mut jobs);
        let outstanding = |name: &str, index| states[&(name.to_owned(), index)].is_outstanding();
        assert_eq!((states.len(), jobs.len(), jobs["xdlreg-b"]), (4, 3, 13));
        assert!(outstanding("xdlreg-a", 0) && outstanding("xdlreg-a", 1));
        assert!(!outstanding("xdlreg-b", 7) && !outstanding("xdlreg-c", 2));
    }

    #[test]
    fn only_what_slurm_calls_an_end_is_one() {
        let state = |state: &str| State { state: state.into(), reason: String::new() };
        for over in ["CANCELLED by 1000", "OUT_OF_MEMORY", "COMPLETED", "NODE_FAIL", "PREEMPTED"] {
            assert!(!state(over).is_outstanding(), "{over}");
        }
        for under_way in ["PENDING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED", "CONFIGURING", "UNKNOWN"] {
            assert!(state(under_way).is_outstanding(), "{under_way}");
        }
    }

    #[test]
    fn pauses_grow_and_never_beyond_their_limit() {
        let mut pause = Pause::new(Duration::from_secs(1), Duration::from_secs(30));
        let pauses: Vec<f64> = (0..20).map(|_| pause.grow().as_secs_f64()).collect();
        assert!(pauses[0] <= 1.2 && pauses[19] >= 24.0 && pauses.iter().all(|pause| *pause <= 36.0), "{pauses:?}");
        pause.reset();
        assert!(pause.grow() < Duration::from_secs(2));
    }
}
