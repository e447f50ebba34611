//! Which tasks a job does together.
//!
//! A unit is a training with all that is made of its network, or, where several explanations share a training, the training
//! alone and then each explanation with its scores and pictures. In the latter case there are two waves, of which the second
//! waits for the first. A data set that is missing is a task of every unit that reads it: the first one to get there makes it.

use std::collections::BTreeMap;

use crate::plan::Plan;
use crate::spec::TasksPerJob;
use crate::stage_name::StageName;

/// The tasks of a unit or of a job, in the plan's order.
pub type Group = Vec<usize>;

/// A job shall last so many seconds,
const TARGET: f64 = 600.0;
/// and a unit is taken to last so many as long as nothing is known.
const UNKNOWN: f64 = 60.0;

/// How units are put together into jobs.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    pub tasks_per_job: TasksPerJob,
    /// How many jobs run at once, where that is known.
    pub slots: Option<usize>,
    /// How many workers a job has.
    pub workers: usize,
}

/// Units of tasks that are to be done, in one wave or two.
pub fn waves(plan: &Plan, wanted: &[bool]) -> Vec<Vec<Group>> {
    let of = |task: usize, stage: StageName| match plan.tasks[task].stage() {
        own if own == stage => Some(task),
        _ => plan.tasks[task].upstream.iter().copied().find(|&up| plan.tasks[up].stage() == stage),
    };
    let open = |task: usize, stage| of(task, stage).filter(|&task| wanted[task]);
    let tasks = || (0..plan.tasks.len()).filter(|&task| wanted[task]);
    let mut explanations: BTreeMap<usize, usize> = BTreeMap::new();
    for task in tasks().filter(|&task| plan.tasks[task].stage() == StageName::Explain) {
        open(task, StageName::Train).into_iter().for_each(|train| *explanations.entry(train).or_default() += 1);
    }
    let is_shared = explanations.values().any(|&count| count > 1);

    let mut units: [BTreeMap<usize, Group>; 2] = Default::default();
    let mut alone: Vec<usize> = Vec::new();
    for task in tasks() {
        if plan.tasks[task].stage() == StageName::Simulate {
            alone.push(task);
            continue;
        }
        let train = open(task, StageName::Train);
        let (wave, root) = match train {
            Some(train) if !is_shared || train == task => (0, train),
            _ => (usize::from(is_shared), of(task, StageName::Explain).unwrap_or(task)),
        };
        units[wave].entry(root).or_default().push(task);
    }
    for dataset in alone {
        let mut is_read = false;
        for wave in &mut units {
            let readers =
                wave.values_mut().filter(|unit| unit.iter().any(|&task| plan.tasks[task].upstream.contains(&dataset)));
            let readers: Vec<&mut Group> = readers.collect();
            if !is_read && !readers.is_empty() {
                is_read = true;
                readers.into_iter().for_each(|unit| unit.insert(0, dataset));
            }
        }
        if !is_read {
            units[0].insert(dataset, vec![dataset]);
        }
    }
    let waves = units.into_iter().map(|wave| wave.into_values().collect::<Vec<Group>>());
    waves.filter(|wave| !wave.is_empty()).collect()
}

/// Puts the units of a wave together into jobs. `seconds` says how long a unit takes, where that is known.
pub fn pack(units: &[Group], packing: Packing, seconds: impl Fn(&Group) -> Option<f64>) -> Vec<Group> {
    let per_job = match packing.tasks_per_job {
        TasksPerJob::Count(count) => count,
        TasksPerJob::Auto => {
            let known: Vec<f64> = units.iter().filter_map(seconds).collect();
            let typical = if known.is_empty() { UNKNOWN } else { known.iter().sum::<f64>() / known.len() as f64 };
            let fit = (TARGET * packing.workers as f64 / typical.max(0.01)) as usize;
            // No node shall stay idle so that others have longer jobs.
            let fair = units.len().div_ceil(packing.slots.unwrap_or(units.len()).max(1));
            fit.min(fair).max(packing.workers)
        }
    };
    let jobs = units.chunks(per_job.max(1)).map(|units| {
        let mut job: Group = units.concat();
        job.sort_unstable();
        job.dedup();
        job
    });
    jobs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Analyzer;
    use crate::runner::make_plan;
    use crate::spec::{Cell, CellSettings, ExperimentSpec};
    use crate::stage::Compute;

    /// So many trainings of one data set, each explained in so many ways.
    fn plan(trainings: u64, explanations: u64) -> Plan {
        let cell = |(seed, samples): (u64, u64)| {
            let mut spec = ExperimentSpec::default();
            spec.model.seed = seed;
            let epsilon = Some(0.1 + samples as f64);
            spec.explain.analyzer = Analyzer::LrpEpsilon { epsilon, bias: None, reference: None };
            Cell { settings: CellSettings::default(), spec }
        };
        let pairs = (0..trainings).flat_map(|one| (0..explanations).map(move |other| (one, other)));
        make_plan(&pairs.map(cell).collect::<Vec<_>>(), Compute::Cpu)
    }

    /// Every task is in a job, and behind all that it needs: earlier in the same job, or in an earlier wave.
    fn assert_complete(plan: &Plan, waves: &[Vec<Group>]) {
        let mut before: Vec<bool> = vec![false; plan.tasks.len()];
        for wave in waves {
            let mut after = before.clone();
            for group in wave {
                let mut here = before.clone();
                for &task in group {
                    assert!(plan.tasks[task].upstream.iter().all(|&up| here[up]), "task {task} of {group:?}");
                    (here[task], after[task]) = (true, true);
                }
            }
            before = after;
        }
        assert!(before.iter().all(|done| *done));
    }

    #[test]
    fn a_training_with_one_explanation_is_a_job_and_shared_ones_come_first() {
        let single = plan(5, 1);
        let all = |plan: &Plan| vec![true; plan.tasks.len()];
        let units = waves(&single, &all(&single));
        assert_eq!((units.len(), units[0].len(), units[0][3].len()), (1, 5, 5));
        assert_complete(&single, &units);
        let shared = plan(2, 3);
        let units = waves(&shared, &all(&shared));
        assert_eq!(units.iter().map(Vec::len).collect::<Vec<_>>(), [2, 6]);
        assert_complete(&shared, &units);
        // Once the trainings are there, explanations are all that is left, in one wave.
        let wanted: Vec<bool> = shared.tasks.iter().map(|task| task.stage() > StageName::Train).collect();
        assert_eq!(waves(&shared, &wanted).iter().map(Vec::len).collect::<Vec<_>>(), [6]);
        let data: Vec<bool> = shared.tasks.iter().map(|task| task.stage() == StageName::Simulate).collect();
        assert_eq!(waves(&shared, &data), [vec![vec![0]]]);
        assert!(waves(&shared, &vec![false; shared.tasks.len()]).is_empty());
    }

    #[test]
    fn jobs_last_minutes_unless_nodes_would_stay_idle() {
        let plan = plan(64, 1);
        let units = waves(&plan, &vec![true; plan.tasks.len()]).remove(0);
        let jobs = |slots, seconds, workers| {
            let packing = Packing { tasks_per_job: TasksPerJob::Auto, slots, workers };
            let jobs = pack(&units, packing, |_| Some(seconds));
            assert_complete(&plan, std::slice::from_ref(&jobs));
            jobs.len()
        };
        assert_eq!(jobs(Some(2), 2.0, 1), 2, "two nodes have half each");
        assert_eq!(jobs(Some(2), 100.0, 1), 11, "six trainings of 100 s in a job");
        assert_eq!(jobs(Some(1000), 2.0, 1), 64);
        assert_eq!(jobs(Some(1000), 2.0, 4), 16, "every worker has something to do");
        let packing = Packing { tasks_per_job: TasksPerJob::Count(10), slots: None, workers: 1 };
        assert_eq!(pack(&units, packing, |_| None).len(), 7);
    }
}
