//! What a user should know of an experiment before it begins, each thing once however many runs it is about.

use std::collections::BTreeMap;

use crate::metric::NETWORK_METRICS;
use crate::net::without_kernels;
use crate::spec::Cell;
use crate::stage::Compute;

/// What is to be told of these cells, which are computed there.
pub fn of_cells(cells: &[Cell], compute: Compute) -> Vec<String> {
    skipped_scores(cells).into_iter().chain(slower_engine(cells, compute)).collect()
}

/// Scores that need what images do not offer.
fn skipped_scores(cells: &[Cell]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for Cell { spec, .. } in cells.iter().filter(|cell| cell.spec.data.to_source().pumpkins().is_none()) {
        for metric in
            NETWORK_METRICS.iter().filter(|metric| spec.evaluate.scores.iter().any(|name| name == metric.name))
        {
            let Some(reason) = metric.needs.missing_in(None) else { continue };
            let note = format!("the score `{}` is skipped: {reason}", metric.name);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}

/// Runs that could be computed much faster if their networks were those that there are kernels for.
fn slower_engine(cells: &[Cell], compute: Compute) -> Option<String> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for Cell { spec, .. } in cells.iter().filter(|cell| compute == Compute::Cpu && cell.spec.run.engine.is_auto()) {
        let network = spec.model.network(spec.data.shape()).ok();
        if let Some(reason) = network.and_then(|network| without_kernels(&network)) {
            *reasons.entry(reason).or_insert(0) += 1;
        }
    }
    let (reason, _) = reasons.iter().max_by_key(|(_, count)| **count)?;
    let count: usize = reasons.values().sum();
    let runs = if count == 1 { "1 run uses".to_owned() } else { format!("{count} runs use") };
    Some(format!("{runs} libtorch, which is slower than the kernels for PumpkinNet: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::EngineChoice;
    use crate::spec::{CellSettings, ExperimentSpec};

    fn cells(change: impl Fn(usize, &mut ExperimentSpec)) -> Vec<Cell> {
        let cell = |index| {
            let mut spec = ExperimentSpec::default();
            change(index, &mut spec);
            Cell { settings: CellSettings::default(), spec }
        };
        (0..4).map(cell).collect()
    }

    #[test]
    fn a_slower_engine_is_told_once() {
        assert_eq!(of_cells(&cells(|_, _| {}), Compute::Cpu), [""; 0]);
        let normed = cells(|index, spec| spec.model.batch_norm = index > 0);
        let notes = of_cells(&normed, Compute::Cpu);
        let expected =
            "3 runs use libtorch, which is slower than the kernels for PumpkinNet: it has batch normalisation";
        assert_eq!(notes, [expected]);
        assert_eq!(of_cells(&normed, Compute::Cuda(0)), [""; 0], "there are no kernels for a GPU to miss");
        let asked = cells(|_, spec| {
            spec.model.batch_norm = true;
            spec.run.engine = EngineChoice::Libtorch;
        });
        assert_eq!(of_cells(&asked, Compute::Cpu), [""; 0], "who asked for it knows");
    }
}
