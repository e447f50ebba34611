//! The tables of relevance by region, and of how groups of samples differ in it.

use indexmap::IndexMap;
use polars::prelude::*;

use super::column::column;
use super::frames::OfRun;
use super::inference::{Welch, false_discovery_rates, welch};
use super::records::RunDetails;
use crate::metric::{Origin, RegionRelevance, statistics};

/// The files of these tables, which are there where users' data have masks or an atlas.
pub const REGIONS: [&str; 2] = ["regions.parquet", "region_contrasts.parquet"];

/// A row for each region of each explained image.
pub(super) fn regions(runs: &[OfRun]) -> PolarsResult<DataFrame> {
    let mut rows: Vec<(&str, &RunDetails, Option<&str>, &RegionRelevance)> = Vec::new();
    for (run_id, run) in runs {
        // It is searched for once, not for every row.
        let unit = run.relevance_unit();
        rows.extend(run.regions.iter().map(|region| (run_id.as_str(), run, unit, region)));
    }
    let columns = vec![
        column("run_id", &rows, |(run_id, ..)| *run_id),
        column("sample", &rows, |(.., row)| row.sample as u32),
        column("origin", &rows, |(.., row)| row.origin.name()),
        column("region", &rows, |(.., row)| row.region.as_str()),
        column("pixels", &rows, |(.., row)| row.pixels as u32),
        column("relevance_sum", &rows, |(.., row)| row.sum),
        column("relevance_mean", &rows, |(.., row)| row.mean()),
        column("relevance_positive", &rows, |(.., row)| row.positive),
        column("relevance_absolute", &rows, |(.., row)| row.absolute),
        column("share", &rows, |(.., row)| row.share),
        column("share_positive", &rows, |(.., row)| row.positive_share),
        column("share_absolute", &rows, |(.., row)| row.absolute_share),
        column("relevance_unit", &rows, |(_, _, unit, _)| *unit),
        column("target", &rows, |(_, run, _, row)| run.samples.as_ref().map(|samples| samples.targets[row.sample])),
        column("group", &rows, |(_, run, _, row)| run.group(row.sample)),
    ];
    DataFrame::new(rows.len(), columns)
}

/// How two groups differ in the mean relevance of a region.
#[derive(Debug, Clone, PartialEq)]
struct Contrast {
    origin: Origin,
    region: String,
    groups: [String; 2],
    counts: [usize; 2],
    means: [f64; 2],
    /// The first less the second.
    difference: f64,
    welch: Option<Welch>,
    /// The false-discovery rate at which it is found, over all contrasts of the run.
    q: Option<f64>,
}

/// A row for each region and pair of groups.
pub(super) fn contrasts(runs: &[OfRun]) -> PolarsResult<DataFrame> {
    let all: Vec<(&str, &RunDetails, Vec<Contrast>)> =
        runs.iter().map(|(run_id, run)| (run_id.as_str(), run, contrasts_of(run))).collect();
    let rows: Vec<(&str, &RunDetails, &Contrast)> =
        all.iter().flat_map(|(run_id, run, contrasts)| contrasts.iter().map(move |row| (*run_id, *run, row))).collect();
    let columns = vec![
        column("run_id", &rows, |(run_id, ..)| *run_id),
        column("origin", &rows, |(.., row)| row.origin.name()),
        column("region", &rows, |(.., row)| row.region.as_str()),
        column("group_by", &rows, |(_, run, _)| run.grouping().map(|grouping| grouping.name.as_str())),
        column("group_a", &rows, |(.., row)| row.groups[0].as_str()),
        column("group_b", &rows, |(.., row)| row.groups[1].as_str()),
        column("n_a", &rows, |(.., row)| row.counts[0] as u32),
        column("n_b", &rows, |(.., row)| row.counts[1] as u32),
        column("mean_a", &rows, |(.., row)| row.means[0]),
        column("mean_b", &rows, |(.., row)| row.means[1]),
        column("difference", &rows, |(.., row)| row.difference),
        column("hedges_g", &rows, |(.., row)| row.welch.map(|welch| welch.hedges_g)),
        column("t", &rows, |(.., row)| row.welch.map(|welch| welch.t)),
        column("degrees_of_freedom", &rows, |(.., row)| row.welch.map(|welch| welch.degrees)),
        column("p", &rows, |(.., row)| row.welch.map(|welch| welch.p)),
        column("q", &rows, |(.., row)| row.q),
        column("relevance_unit", &rows, |(_, run, _)| run.relevance_unit()),
    ];
    DataFrame::new(rows.len(), columns)
}

fn contrasts_of(run: &RunDetails) -> Vec<Contrast> {
    if run.grouping().is_none() {
        return Vec::new();
    }
    // Mean relevance by region, then by group.
    let mut values: IndexMap<(Origin, &str), IndexMap<&str, Vec<f64>>> = IndexMap::new();
    for row in &run.regions {
        let of_region = values.entry((row.origin, &row.region)).or_default();
        of_region.entry(run.group(row.sample).unwrap_or_default()).or_default().push(row.mean());
    }
    let mut all = Vec::new();
    for ((origin, region), of_region) in &values {
        let mut groups: Vec<&str> = of_region.keys().copied().collect();
        groups.sort_unstable();
        for (index, a) in groups.iter().enumerate() {
            for b in &groups[index + 1..] {
                let (of_a, of_b) = (&of_region[a], &of_region[b]);
                let means = [of_a, of_b].map(|values| statistics::mean(values.iter().copied()));
                all.push(Contrast {
                    origin: *origin,
                    region: (*region).to_owned(),
                    groups: [(*a).to_owned(), (*b).to_owned()],
                    counts: [of_a.len(), of_b.len()],
                    means,
                    difference: means[0] - means[1],
                    welch: welch(of_a, of_b),
                    q: None,
                });
            }
        }
    }
    let tested: Vec<usize> = (0..all.len()).filter(|&index| all[index].welch.is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|&index| all[index].welch.map(|welch| welch.p)).collect();
    for (index, q) in tested.into_iter().zip(false_discovery_rates(&p)) {
        all[index].q = Some(q);
    }
    all
}
