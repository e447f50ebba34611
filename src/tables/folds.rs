//! The tables of cross-validations.

use indexmap::IndexSet;
use polars::prelude::*;

use super::TableError;
use super::column::{column, setting_column};
use super::file::TableFile;
use super::frames::gap_columns;
use super::records::{CrossValidation, OutOfFold};
use crate::disk::{Folder, Replacement};

/// The files of the tables of cross-validations, and of the predictions of their rows.
pub const FOLDS: [&str; 2] = ["cross_validation.parquet", "out_of_fold.parquet"];

/// Writes the tables of cross-validations: a row for each, and a row for each prediction by a network that had not seen its image.
pub fn write_folds(folder: &Folder, all: &[CrossValidation]) -> Result<(), TableError> {
    let mut whole = TableFile::begin(folder, FOLDS[0], whole_frame(all)?)?;
    whole.append(whole_frame(all)?)?;
    let mut of_rows = TableFile::begin(folder, FOLDS[1], rows_frame(None)?)?;
    for one in all {
        of_rows.append(rows_frame(Some(one))?)?;
    }
    let files = [whole.finish()?, of_rows.finish()?];
    Ok(files.into_iter().try_for_each(Replacement::commit)?)
}

fn whole_frame(all: &[CrossValidation]) -> PolarsResult<DataFrame> {
    let mut columns = vec![column("cross_validation_id", all, |one| one.id.clone())];
    let varied = all.first().map_or(&[][..], |one| &one.settings);
    for (index, (key, _)) in varied.iter().enumerate() {
        let values: Vec<_> = all.iter().map(|one| &one.settings[index].1).collect();
        columns.push(setting_column(key, &values));
    }
    columns.push(column("folds", all, |one| one.folds as u32));
    columns.push(column("folds_done", all, |one| one.run_ids.len() as u32));
    columns.push(column("rows", all, |one| one.rows.len() as u32));
    columns.push(column("note", all, |one| one.note.clone()));
    let names: IndexSet<&String> = all.iter().flat_map(|one| &one.scores).map(|(name, _)| name).collect();
    for name in names {
        columns
            .push(column(name, all, |one| one.scores.iter().find(|(known, _)| known == name).map(|(_, value)| *value)));
    }
    let run_ids = all.iter().map(|one| Series::new(PlSmallStr::EMPTY, &one.run_ids));
    columns.push(run_ids.collect::<ListChunked>().with_name("run_ids".into()).into_series().into());
    DataFrame::new(all.len(), columns)
}

fn rows_frame(one: Option<&CrossValidation>) -> PolarsResult<DataFrame> {
    let rows: Vec<(&CrossValidation, &OutOfFold)> =
        one.into_iter().flat_map(|one| one.rows.iter().map(move |row| (one, row))).collect();
    let mut columns = vec![
        column("cross_validation_id", &rows, |(one, _)| one.id.as_str()),
        column("run_id", &rows, |(one, row)| one.run_ids[row.run].as_str()),
        column("fold", &rows, |(_, row)| row.fold as u32),
        column("sample", &rows, |(_, row)| row.sample as u32),
        column("name", &rows, |(_, row)| row.name.as_str()),
        column("target_name", &rows, |(one, _)| one.target.name.as_str()),
        column("target", &rows, |(_, row)| row.target),
        column("prediction", &rows, |(_, row)| row.prediction),
    ];
    columns.extend(gap_columns(&rows, |(_, row)| row.gap));
    DataFrame::new(rows.len(), columns)
}
