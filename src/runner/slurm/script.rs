//! The script of a submission.

use std::path::Path;

use super::ledger::{TASKS, events, log};
use crate::error::{Error, Result};
use crate::spec::RunSettings;

/// What a script depends on besides the settings.
#[derive(Debug, Clone, Copy)]
pub struct Submitted<'a> {
    pub name: &'a str,
    pub jobs: usize,
    /// The submission's folder.
    pub folder: &'a Path,
    pub plan: &'a Path,
    pub store: &'a Path,
    /// A file that asks all jobs to stop.
    pub cancel: &'a Path,
    pub worker: &'a Path,
    /// Jobs that must have ended before.
    pub after: &'a [u64],
    /// How often memory ran out before.
    pub grown: usize,
}

/// How many workers a job has.
pub fn workers(run: &RunSettings) -> usize {
    (run.slurm.cpus / run.threads_per_worker).max(1)
}

/// Memory of an attempt, as sbatch takes it.
pub fn memory(run: &RunSettings, grown: usize) -> Option<String> {
    let power = i32::try_from(grown).unwrap_or(i32::MAX);
    match run.slurm.megabytes() {
        Some(megabytes) if grown > 0 => {
            Some(format!("{:.0}M", (megabytes as f64 * run.slurm.mem_growth.powi(power)).ceil()))
        }
        _ => run.slurm.mem.clone(),
    }
}

/// Seconds before the time limit at which a job is told; no more than half of it.
fn warning(run: &RunSettings) -> usize {
    let half = run.slurm.seconds().map(|seconds| usize::try_from(seconds / 2).unwrap_or(usize::MAX));
    run.slurm.warning.min(half.unwrap_or(usize::MAX))
}

/// The script.
///
/// # Errors
/// For paths that a script cannot hold.
pub fn script(run: &RunSettings, submitted: Submitted) -> Result<String> {
    let Submitted { name, jobs, folder, plan, store, cancel, worker, after, grown } = submitted;
    let slurm = &run.slurm;
    let mut options = vec![format!("--job-name={name}")];
    let output = text(&folder.join(log("%a")))?.replace('%', "%%").replace("%%a.log", "%a.log");
    options.push(format!("--output=\"{output}\""));
    let limit = if slurm.max_parallel > 0 { format!("%{}", slurm.max_parallel) } else { String::new() };
    options.push(format!("--array=0-{}{limit}", jobs.saturating_sub(1)));
    options.extend(["--ntasks=1".to_owned(), format!("--cpus-per-task={}", slurm.cpus)]);
    options.extend(["--requeue".to_owned(), "--open-mode=append".to_owned()]);
    options.push(format!("--signal=B:USR2@{}", warning(run)));
    for (option, value) in [
        ("partition", &slurm.partition),
        ("account", &slurm.account),
        ("time", &slurm.time),
        ("mem", &memory(run, grown)),
        ("gres", &slurm.gres),
        ("constraint", &slurm.constraint),
    ] {
        options.extend(value.as_ref().map(|value| format!("--{option}={value}")));
    }
    if !after.is_empty() {
        // Also after jobs that failed: what the others made is used, and what is missing is told.
        let after = after.iter().map(u64::to_string).collect::<Vec<_>>().join(":");
        options.push(format!("--dependency=afterany:{after}"));
    }
    options.extend(slurm.extra.iter().cloned());
    let options: String = options.iter().map(|option| format!("#SBATCH {option}\n")).collect();
    let setup: String = slurm.setup.iter().map(|line| format!("{line}\n")).collect();
    let [tasks, plan, store, cancel, worker] =
        [&folder.join(TASKS), plan, store, cancel, worker].map(|path| text(path).map(|path| quoted(&path)));
    let events = format!("{}/\"{}\"", quoted(&text(folder)?), events("$SLURM_ARRAY_TASK_ID"));
    let command = format!(
        "{} --threads {} task {} --store {} --events {events} --cancel {} --requeues {} $tasks",
        worker?, run.threads_per_worker, plan?, store?, cancel?, slurm.requeues
    );
    let work = match workers(run) {
        // In place of the shell, so that signals reach it.
        1 => format!("exec {command}\n"),
        workers => format!(
            "workers=()\n\
             for _ in $(seq {workers}); do\n    {command} &\n    workers+=($!)\ndone\n\
             trap 'kill -USR2 \"${{workers[@]}}\" 2>/dev/null' USR2\n\
             trap 'kill -TERM \"${{workers[@]}}\" 2>/dev/null' TERM\n\
             code=0\n\
             for worker in \"${{workers[@]}}\"; do\n    \
             while wait \"$worker\"; ended=$?; kill -0 \"$worker\" 2>/dev/null; do :; done\n    \
             [ \"$ended\" -eq 0 ] || code=$ended\ndone\n\
             exit \"$code\"\n"
        ),
    };
    Ok(format!("#!/bin/bash\n{options}\n{setup}tasks=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" {})\n{work}", tasks?))
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r', '"', '\\']));
    text.map(str::to_owned).ok_or_else(|| {
        Error::usage(
            format!("a script for Slurm cannot hold the path {}", crate::shown::shown(&path.to_string_lossy())),
            "choose a folder without line breaks, quotes and backslashes in its name with --output",
        )
    })
}

/// A word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn here() -> Submitted<'static> {
        Submitted {
            name: "xdlreg-1",
            jobs: 12,
            folder: Path::new("/data/it's 5% here/slurm/xdlreg-1"),
            plan: Path::new("/data/plan.json"),
            store: Path::new("/data/.store"),
            cancel: Path::new("/data/.cancel"),
            worker: Path::new("/bin/xdlreg-worker"),
            after: &[],
            grown: 0,
        }
    }

    #[test]
    fn settings_are_options_of_sbatch() {
        let mut run = RunSettings::default();
        run.slurm.partition = Some("short".into());
        run.slurm.time = Some("4".into());
        run.slurm.mem = Some("1G".into());
        run.slurm.setup = vec!["module load gcc".into()];
        run.slurm.extra = vec!["--qos=low".into()];
        run.slurm.max_parallel = 3;
        let text = script(&run, Submitted { after: &[7, 8], grown: 2, ..here() }).unwrap();
        for line in [
            "#SBATCH --job-name=xdlreg-1\n",
            "#SBATCH --output=\"/data/it's 5%% here/slurm/xdlreg-1/%a.log\"\n",
            "#SBATCH --array=0-11%3\n",
            "#SBATCH --partition=short\n",
            "#SBATCH --requeue\n",
            "#SBATCH --open-mode=append\n",
            "#SBATCH --signal=B:USR2@120\n",
            "#SBATCH --mem=2304M\n",
            "#SBATCH --dependency=afterany:7:8\n",
            "#SBATCH --qos=low\n",
            "\nmodule load gcc\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("--account"));
        assert!(script(&run, Submitted { plan: Path::new("/a\nb/plan.json"), ..here() }).is_err());
    }

    #[test]
    fn scripts_are_shell_with_one_worker_and_with_several() {
        for cpus in [1, 4] {
            let mut run = RunSettings::default();
            run.slurm.cpus = cpus;
            let text = script(&run, here()).unwrap();
            assert_eq!(text.contains("exec '/bin/xdlreg-worker'"), cpus == 1);
            let checked = Command::new("bash").args(["-n", "-c", &text]).status().expect("bash is there");
            assert!(checked.success(), "{text}");
            let told = text.replace("exec ", "echo ").replace("'/bin/xdlreg-worker'", "echo");
            let told = Command::new("bash").args(["-c", &told]).env("SLURM_ARRAY_TASK_ID", "5").output().unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            assert_eq!(told.matches("--events /data/it's 5% here/slurm/xdlreg-1/5.jsonl").count(), cpus, "{told}");
        }
    }
}
