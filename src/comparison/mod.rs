//! Settings compared over seeds: means with intervals, and paired differences to a baseline.
//!
//! Runs that differ by seeds alone are replicates of one setting. Two settings are compared within replicates of the same seeds, so
//! that what a seed does to both of them falls out.

mod gather;
mod output;

use crate::tables::inference::{Mean, Paired, false_discovery_rates, mean_of, paired};

pub use gather::{ComparisonError, Request, gather};
pub use output::{OutputFormat, panels, to_csv, to_json, to_text};

/// A score of all settings, where all else is equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The score, and the sign or mask that it is of.
    pub metric: String,
    pub sign: Option<String>,
    /// What all of these runs have in common of the other settings that vary: "model.batch_norm = true"; empty if nothing else varies.
    pub within: String,
    pub rows: Vec<Row>,
}

/// One value of the compared setting, or a map that explains nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub name: String,
    /// A baseline that is no explanation, such as the image itself.
    pub trivial: bool,
    /// The score of each replicate, with its seeds.
    pub values: Vec<(String, f64)>,
    pub mean: Option<Mean>,
    /// The difference to the baseline, over replicates of the same seeds.
    pub paired: Option<Paired>,
    /// p adjusted for all comparisons that were asked for (Benjamini and Hochberg 1995).
    pub q: Option<f64>,
}

impl Row {
    fn new(name: String, trivial: bool, values: Vec<(String, f64)>) -> Self {
        let mean = mean_of(values.iter().map(|value| value.1));
        Self { name, trivial, values, mean, paired: None, q: None }
    }

    /// Differences to the replicates of `baseline` with the same seeds.
    fn compare_with(&mut self, baseline: &[(String, f64)]) {
        let partner = |seeds: &String| baseline.iter().find(|(known, _)| known == seeds).map(|(_, value)| *value);
        let differences = self.values.iter().filter_map(|(seeds, value)| Some(value - partner(seeds)?));
        self.paired = paired(differences);
    }
}

/// Compares all rows but the baseline's with it, and adjusts p over all of these comparisons.
///
/// The baseline is the row of this name in each comparison, or else its first row.
fn test(comparisons: &mut [Comparison], baseline: Option<&str>) {
    for comparison in comparisons.iter_mut() {
        let wanted = baseline.and_then(|name| comparison.rows.iter().position(|row| row.name == name));
        let baseline = wanted.unwrap_or(0);
        let Some(values) = comparison.rows.get(baseline).map(|row| row.values.clone()) else { continue };
        let others = comparison.rows.iter_mut().enumerate().filter(|(place, row)| *place != baseline && !row.trivial);
        others.for_each(|(_, row)| row.compare_with(&values));
    }
    let mut tested: Vec<&mut Row> = comparisons.iter_mut().flat_map(|comparison| &mut comparison.rows).collect();
    tested.retain(|row| row.paired.is_some_and(|paired| paired.test.is_some()));
    let p: Vec<f64> = tested.iter().filter_map(|row| row.paired?.test).map(|test| test.p).collect();
    for (row, q) in tested.into_iter().zip(false_discovery_rates(&p)) {
        row.q = Some(q);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, values: &[(&str, f64)]) -> Row {
        Row::new(name.into(), false, values.iter().map(|(seeds, value)| ((*seeds).to_owned(), *value)).collect())
    }

    #[test]
    fn settings_are_paired_by_seeds_whatever_their_order() {
        let first = row("z", &[("0", 10.0), ("1", 20.0), ("2", 33.0)]);
        let other = row("epsilon", &[("2", 35.0), ("0", 11.0), ("9", 1e9), ("1", 21.5)]);
        let mut all = [Comparison { metric: "m".into(), sign: None, within: String::new(), rows: vec![first, other] }];
        test(&mut all, None);
        let paired = all[0].rows[1].paired.unwrap();
        assert_eq!((paired.difference.count, paired.difference.mean), (3, 1.5));
        assert!(all[0].rows[0].paired.is_none() && all[0].rows[1].q == paired.test.map(|test| test.p));
        test(&mut all, Some("epsilon"));
        assert_eq!(all[0].rows[0].paired.unwrap().difference.mean, -1.5);
    }
}
