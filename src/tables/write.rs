//! The tables of an experiment, written as Parquet files run by run.
//!
//! Rows stand in the order of the plan, and row groups hold whole runs, as many as the rows of these runs decide. So two
//! executions of one spec give the same bytes, except in columns that record time, memory, host or place: their names end
//! in `_seconds`, `_bytes`, `_at` or `_host`.
//!
//! Whole numbers are Int64 in every table, so that differences between columns cannot wrap around and columns of different
//! tables can be joined. A float is null where it is not defined, never NaN or infinite.

use std::borrow::Borrow;

use indexmap::IndexMap;
use polars::prelude::*;

use super::TableError;
use super::column::{column, setting_column};
use super::file::TableFile;
use super::frames::{self, OfRun};
use super::records::{DatasetRecord, RunDetails, RunRecord};
use super::regions::{self, REGIONS};
use crate::disk::{Folder, Replacement};
use crate::stage_name::StageName;

/// A row group ends with the run whose rows in all tables together reach this number, or with the data set whose samples do.
const ROWS: usize = 1 << 17;

/// All tables while they are being written. Readers see the earlier ones until [`TablesDraft::commit`]; a draft that is dropped
/// leaves nothing.
pub struct TablesDraft {
    folder: Folder,
    epochs: TableFile,
    predictions: TableFile,
    measurements: TableFile,
    signs: TableFile,
    /// Relevance by region and its contrasts, where users' data have regions.
    regions: Option<[TableFile; 2]>,
    samples: TableFile,
    /// Whether there are columns for the records of pumpkins.
    pumpkins: bool,
    /// What was added and is not written yet.
    runs: Vec<OfRun>,
    datasets: Vec<DatasetRecord>,
    rows: usize,
    dataset_rows: usize,
}

impl TablesDraft {
    /// Begins all tables; with columns for the records of pumpkins, and tables of regions, where there may be some.
    pub fn begin(folder: &Folder, pumpkins: bool, regions: bool) -> Result<Self, TableError> {
        let begin = |name, like: PolarsResult<DataFrame>| TableFile::begin(folder, name, like?);
        let [of_images, of_groups] = REGIONS;
        let regions = match regions {
            true => Some([begin(of_images, regions::regions(&[]))?, begin(of_groups, regions::contrasts(&[]))?]),
            false => None,
        };
        Ok(Self {
            folder: folder.clone(),
            regions,
            epochs: begin("epochs.parquet", frames::epochs(&[]))?,
            predictions: begin("predictions.parquet", frames::predictions(&[]))?,
            measurements: begin("measurements.parquet", frames::measurements(&[]))?,
            signs: begin("signs.parquet", frames::signs(&[]))?,
            samples: begin("samples.parquet", frames::samples(&[], pumpkins))?,
            pumpkins,
            runs: Vec::new(),
            datasets: Vec::new(),
            rows: 0,
            dataset_rows: 0,
        })
    }

    /// Adds the next run, in the order of the plan.
    pub fn add_run(&mut self, run_id: &str, details: RunDetails) -> Result<(), TableError> {
        self.rows += details.rows();
        self.runs.push((run_id.to_owned(), details));
        if self.rows >= ROWS { self.write_runs() } else { Ok(()) }
    }

    /// Adds the next data set, in the order of the plan.
    pub fn add_dataset(&mut self, dataset: DatasetRecord) -> Result<(), TableError> {
        self.dataset_rows += dataset.samples.targets.len();
        self.datasets.push(dataset);
        if self.dataset_rows >= ROWS { self.write_datasets() } else { Ok(()) }
    }

    /// Puts all tables into place, the table of these runs among them.
    pub fn commit(mut self, runs: &[impl Borrow<RunRecord>]) -> Result<(), TableError> {
        self.write_runs()?;
        self.write_datasets()?;
        let table = runs_frame(runs)?;
        let mut of_runs = TableFile::begin(&self.folder, "runs.parquet", table.clone())?;
        of_runs.append(table)?;
        let tables = [of_runs, self.epochs, self.predictions, self.measurements, self.signs, self.samples];
        if self.regions.is_none() {
            // Of an earlier start with regions.
            REGIONS.iter().try_for_each(|name| self.folder.remove_all(name))?;
        }
        let tables = tables.into_iter().chain(self.regions.into_iter().flatten());
        let files: Result<Vec<Replacement>, TableError> = tables.map(TableFile::finish).collect();
        Ok(files?.into_iter().try_for_each(Replacement::commit)?)
    }

    fn write_runs(&mut self) -> Result<(), TableError> {
        self.epochs.append(frames::epochs(&self.runs)?)?;
        self.predictions.append(frames::predictions(&self.runs)?)?;
        self.measurements.append(frames::measurements(&self.runs)?)?;
        self.signs.append(frames::signs(&self.runs)?)?;
        if let Some([of_images, of_groups]) = &mut self.regions {
            of_images.append(regions::regions(&self.runs)?)?;
            of_groups.append(regions::contrasts(&self.runs)?)?;
        }
        self.runs.clear();
        self.rows = 0;
        Ok(())
    }

    fn write_datasets(&mut self) -> Result<(), TableError> {
        self.samples.append(frames::samples(&self.datasets, self.pumpkins)?)?;
        self.datasets.clear();
        self.dataset_rows = 0;
        Ok(())
    }
}

fn runs_frame(runs: &[impl Borrow<RunRecord>]) -> PolarsResult<DataFrame> {
    let runs: Vec<&RunRecord> = runs.iter().map(Borrow::borrow).collect();
    let mut columns = vec![
        column("run_id", &runs, |run| run.run_id.as_str()),
        column("status", &runs, |run| run.status.name()),
        column("reason", &runs, |run| run.reason.as_deref()),
        column("note", &runs, |run| run.note.as_deref()),
    ];
    let varied = runs.first().map_or(&[][..], |run| &run.settings);
    for (index, (key, _)) in varied.iter().enumerate() {
        let values: Vec<_> = runs.iter().map(|run| &run.settings[index].1).collect();
        columns.push(setting_column(key, &values));
    }
    if runs.iter().any(|run| run.replicate.is_some()) {
        columns.push(column("replicate", &runs, |run| run.replicate));
    }
    columns.extend(score_columns(&runs));
    for stage in StageName::ALL {
        columns.push(column(&format!("{stage}_key"), &runs, |run| run.keys[stage].as_str()));
    }
    columns.push(column("train_seconds", &runs, |run| run.train_seconds));
    columns.push(column("total_seconds", &runs, |run| run.total_seconds));
    columns.push(column("peak_memory_bytes", &runs, |run| run.peak_memory_bytes));
    DataFrame::new(runs.len(), columns)
}

/// A column for each score of whole runs, in the order in which they first appear.
fn score_columns(runs: &[&RunRecord]) -> Vec<Column> {
    let mut columns: IndexMap<&str, Vec<Option<f64>>> = IndexMap::new();
    for (row, run) in runs.iter().enumerate() {
        for (name, value) in &run.scores {
            columns.entry(name).or_insert_with(|| vec![None; runs.len()])[row] = *value;
        }
    }
    columns.into_iter().map(|(name, values)| Series::new(name.into(), values).into()).collect()
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
