//! Why a job ended without its results, and what to do about it.

use super::calls::State;
use super::script::memory;
use crate::spec::RunSettings;

/// A sentence on a job that is over, or that nobody knows any more.
pub fn advice(state: Option<&State>, run: &RunSettings, grown: usize, last_words: &str) -> String {
    let time = run.slurm.time.as_deref().unwrap_or("the partition's default");
    let mem = memory(run, grown).unwrap_or_else(|| "the cluster's default".to_owned());
    let told = match state {
        None => "the job is gone, and Slurm no longer knows why".to_owned(),
        Some(state) if state.never_starts() => {
            "the job waits for another one that will never end (DependencyNeverSatisfied): cancel it, and give the same command \
             again"
                .to_owned()
        }
        Some(State { state, .. }) => match state.split_whitespace().next().unwrap_or_default().trim_end_matches('+') {
            "OUT_OF_MEMORY" => {
                format!("the job ran out of memory (it had asked for {mem}): set run.slurm.mem to more than that")
            }
            "TIMEOUT" | "DEADLINE" => format!(
                "the job reached its time limit ({time}): raise run.slurm.time, lower run.slurm.tasks_per_job, or allow more \
                 run.slurm.requeues"
            ),
            "NODE_FAIL" | "BOOT_FAIL" => "the node of the job failed".to_owned(),
            "PREEMPTED" => {
                "the job was preempted: choose a partition without preemption, or allow more run.slurm.requeues".to_owned()
            }
            "CANCELLED" => "the job was cancelled".to_owned(),
            "COMPLETED" => "the job ended without the result".to_owned(),
            state => format!("the job ended as {state}"),
        },
    };
    if last_words.is_empty() { told } else { format!("{told}; its last words: {last_words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_says_what_was_asked_for_and_what_to_change() {
        let mut run = RunSettings::default();
        run.slurm.mem = Some("2G".into());
        run.slurm.time = Some("10:00".into());
        let told = |state: &str, reason: &str| {
            let state = State { state: state.into(), reason: reason.into() };
            advice(Some(&state), &run, 1, "")
        };
        assert!(told("OUT_OF_MEMORY", "").contains("asked for 3072M): set run.slurm.mem"));
        assert!(told("TIMEOUT", "TimeLimit").contains("(10:00): raise run.slurm.time"));
        assert!(told("CANCELLED by 0", "").contains("was cancelled"));
        assert!(told("PENDING", "DependencyNeverSatisfied").contains("will never end"));
        assert!(told("PREEMPTED", "").contains("preempted") && told("NODE_FAIL", "").contains("node"));
        let gone = advice(None, &run, 0, "killed");
        assert_eq!(gone, "the job is gone, and Slurm no longer knows why; its last words: killed");
    }
}
