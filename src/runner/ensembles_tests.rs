//! Which runs make an ensemble.

use super::super::planner::make_plan;
use super::*;
use crate::explain::Analyzer;
use crate::spec::{Cell, CellSettings, ExperimentSpec};
use crate::stage::Compute;

/// A plan of specs that differ in what `change` does to each, all runs done.
fn planned(count: usize, change: impl Fn(usize, &mut ExperimentSpec)) -> (Plan, Vec<RunRecord>) {
    let cell = |index| {
        let mut spec = ExperimentSpec::default();
        change(index, &mut spec);
        Cell { settings: CellSettings::default(), spec }
    };
    let plan = make_plan(&(0..count).map(cell).collect::<Vec<_>>(), Compute::Cpu);
    let done = |run| RunRecord { status: RunStatus::Done, ..RunRecord::pending(&plan, run) };
    let records = plan.runs.iter().map(done).collect();
    (plan, records)
}

fn members(plan: &Plan, records: &[RunRecord]) -> Vec<Vec<usize>> {
    find(plan, records).into_iter().map(|ensemble| ensemble.runs).collect()
}

#[test]
fn networks_that_differ_by_their_seeds_alone_are_an_ensemble() {
    let (plan, records) = planned(6, |index, spec| {
        spec.model.seed = index as u64 % 3;
        spec.train.learning_rate = if index < 3 { 1e-3 } else { 1e-2 };
    });
    assert_eq!(members(&plan, &records), [[0, 1, 2], [3, 4, 5]]);
    // Another number of epochs, other data, another network: no ensemble at all.
    type Change = fn(usize, &mut ExperimentSpec);
    let changes: [Change; 5] = [
        |index, spec| spec.train.epochs = index + 1,
        |index, spec| spec.data.seed = index as u64,
        |index, spec| spec.model.dense_units = index + 1,
        |index, spec| {
            let epsilon = Some(index as f64);
            spec.explain.analyzer = Analyzer::LrpEpsilon { epsilon, bias: None, reference: None };
        },
        // The same network is one member, however often it is explained.
        |index, spec| {
            let seed = Some(index as u64);
            spec.explain.analyzer = Analyzer::SmoothGrad { samples: None, sigma: None, sigma_unit: None, seed };
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (plan, records) = planned(3, change);
        assert_eq!((plan.runs.len(), members(&plan, &records).len()), (3, 0), "change {number}");
    }
}

#[test]
fn only_runs_that_are_done_are_members() {
    let (plan, mut records) = planned(4, |index, spec| spec.model.seed = index as u64);
    let keys = |records: &[RunRecord]| find(&plan, records).into_iter().map(|e| (e.id, e.key)).collect::<Vec<_>>();
    let all = keys(&records);
    for status in [RunStatus::Failed, RunStatus::Invalid, RunStatus::Pending] {
        records[1].status = status;
        assert_eq!(members(&plan, &records), [[0, 2, 3]], "{status:?}");
        let fewer = keys(&records);
        assert!(
            fewer[0].0 == all[0].0 && fewer[0].1 != all[0].1,
            "its name stays, and what its maps are made of does not"
        );
    }
    records[2].status = RunStatus::Failed;
    records[3].status = RunStatus::Failed;
    assert!(members(&plan, &records).is_empty(), "one network is no ensemble");
}
