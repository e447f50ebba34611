//! Whether what a spec asks for fits into memory. The estimate of each setting stands beside its definition.

use super::{Cell, ExperimentSpec};
use crate::settings::Invalid;
use crate::settings::{Need, SCORES};

/// What a run, or what is kept of all runs, needs beyond `available` bytes. The largest need is refused, because less of
/// it helps most.
pub fn refuse(needs: &[Need], available: u64) -> Option<Invalid> {
    let total = needs.iter().fold(0_u128, |sum, need| sum.saturating_add(need.bytes));
    let largest = needs.iter().max_by_key(|need| need.bytes)?;
    if total <= u128::from(available) {
        return None;
    }
    let (own, all, available) = (in_words(largest.bytes), in_words(total), in_words(available.into()));
    let message = match own == all {
        true => format!("{} need {own} of memory, but only {available} are available", largest.what),
        false => {
            format!("{} need {own} of memory and the whole run {all}, but only {available} are available", largest.what)
        }
    };
    Some(Invalid::new(largest.key, message, "ask for less, or use a machine with more memory"))
}

/// What one run needs.
pub fn of_run(spec: &ExperimentSpec) -> Vec<Need> {
    let mut needs = vec![spec.data.memory()];
    let (shape, explained) = (spec.data.shape(), spec.data.count_of(spec.explain.subset));
    needs.extend(spec.model.memory(shape));
    let network = spec.model.network(shape);
    needs.extend(network.iter().flat_map(|network| spec.train.memory(network, spec.data.count())));
    needs.extend(spec.explain.memory(explained, shape));
    needs.extend(spec.evaluate.memory(shape));
    needs.extend(spec.heatmaps.memory(explained));
    needs
}

/// What this process keeps of all runs until their tables are written.
pub fn of_tables(cells: &[Cell]) -> Need {
    /// An age and a prediction, as rows and as columns.
    const PREDICTION: u128 = 40;
    /// A row of `epochs.parquet`.
    const EPOCH: u128 = 100;
    let of_cell = |Cell { spec, .. }: &Cell| {
        let (samples, epochs) = (spec.data.count(), spec.train.epochs as u128);
        let maps = spec.data.count_of(spec.explain.subset) as u128;
        PREDICTION * samples as u128 + EPOCH * epochs + SCORES * maps
    };
    let bytes = cells.iter().map(of_cell).fold(0_u128, u128::saturating_add);
    Need::new("sweep", bytes, format!("the tables of {} runs", cells.len()))
}

/// "464 PB", "1.5 GB".
pub fn in_words(bytes: u128) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB", "TB", "PB"] {
        if value < 999.5 {
            return if value < 10.0 && unit != "bytes" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.0} EB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_like_words() {
        let words =
            [0, 999, 1000, 1536, 38_416_000_000, 999_600_000_000, 384_160_000_000_000_000, u128::MAX].map(in_words);
        assert_eq!(words[..6], ["0 bytes", "999 bytes", "1.0 kB", "1.5 kB", "38 GB", "1.0 TB"]);
        assert_eq!(words[6], "384 PB");
        assert!(words[7].ends_with(" EB"));
    }

    #[test]
    fn the_largest_need_is_refused_with_both_amounts() {
        let needs = |sizes: [u128; 2]| {
            let [one, other] = sizes;
            [
                Need::new("data.n_samples", one, "the images".into()),
                Need::new("train.epochs", other, "the epochs".into()),
            ]
        };
        assert_eq!(refuse(&needs([500, 500]), 1000), None);
        let refused = refuse(&needs([600, 500]), 1000).unwrap();
        assert_eq!(refused.key, "data.n_samples");
        assert_eq!(
            refused.message,
            "the images need 600 bytes of memory and the whole run 1.1 kB, but only 1.0 kB are available"
        );
        assert_eq!(refuse(&needs([1, u128::MAX]), u64::MAX).unwrap().key, "train.epochs");
    }

    #[test]
    fn an_ordinary_run_fits_into_half_a_gigabyte_and_every_large_request_is_found_at_its_key() {
        let ordinary = ExperimentSpec::default();
        assert_eq!(refuse(&of_run(&ordinary), 500 << 20), None);
        let with = |change: fn(&mut ExperimentSpec)| {
            let mut spec = ExperimentSpec::default();
            change(&mut spec);
            refuse(&of_run(&spec), 8 << 30).map(|invalid| invalid.key).unwrap_or_default()
        };
        assert_eq!(with(|spec| spec.data.n_samples = 10_000_000_000_000.into()), "data.n_samples");
        assert_eq!(with(|spec| spec.data.n_samples = usize::MAX.into()), "data.n_samples");
        assert_eq!(with(|spec| spec.train.batch_size = 1_000_000_000_000), "train.batch_size");
        assert_eq!(with(|spec| spec.train.batch_size = usize::MAX), "train.batch_size");
        assert_eq!(with(|spec| spec.train.epochs = 1_000_000_000_000), "train.epochs");
        assert_eq!(with(|spec| spec.train.epochs = usize::MAX), "train.epochs");
        assert_eq!(with(|spec| spec.evaluate.steps = 1_000_000), "evaluate.steps");
        assert_eq!(with(|spec| spec.model.conv_filters = [4096; 5]), "model.conv_filters");
        assert_eq!(with(|spec| spec.model.dense_units = 4096), "");
        // More than there is means all of it.
        assert_eq!(with(|spec| spec.heatmaps.count = usize::MAX), "");
        assert_eq!(with(|spec| spec.train.batch_size = 1_000_000), "");
    }
}
