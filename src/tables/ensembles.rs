//! The tables of ensembles.

use indexmap::IndexSet;
use polars::prelude::*;

use super::TableError;
use super::column::{column, setting_column};
use super::file::TableFile;
use super::records::{EnsembleImage, EnsembleRecord};
use crate::disk::{Folder, Replacement};
use crate::metric::statistics::mean_of_defined;

/// The files of the tables of ensembles, and of their images.
pub const ENSEMBLES: [&str; 2] = ["ensembles.parquet", "ensemble_samples.parquet"];

/// So many rows of images are written at once.
const ROWS: usize = 1 << 16;

/// Writes the tables of ensembles: a row an ensemble with the means of its scores, and a row an image.
pub fn write_ensembles(folder: &Folder, ensembles: &[EnsembleRecord]) -> Result<(), TableError> {
    let names = ensemble_metrics(ensembles);
    let mut of_ensembles = TableFile::begin(folder, ENSEMBLES[0], ensembles_frame(ensembles, &names)?)?;
    of_ensembles.append(ensembles_frame(ensembles, &names)?)?;
    let mut of_images = TableFile::begin(folder, ENSEMBLES[1], images_frame(&[], &names)?)?;
    let mut rest = ensembles;
    while !rest.is_empty() {
        let mut rows = 0;
        let full = |ensemble: &EnsembleRecord| {
            rows += ensemble.images.len();
            rows >= ROWS
        };
        let (part, others) = rest.split_at(rest.iter().position(full).map_or(rest.len(), |last| last + 1));
        of_images.append(images_frame(part, &names)?)?;
        rest = others;
    }
    let files = [of_ensembles.finish()?, of_images.finish()?];
    Ok(files.into_iter().try_for_each(Replacement::commit)?)
}

/// The names of all scores of ensembles, in the order in which they first appear.
fn ensemble_metrics(ensembles: &[EnsembleRecord]) -> IndexSet<&'static str> {
    ensembles.iter().flat_map(|ensemble| &ensemble.metrics).copied().collect()
}

/// The score of an image of an ensemble, where it is defined.
fn ensemble_score(ensemble: &EnsembleRecord, image: &EnsembleImage, name: &str) -> Option<f64> {
    let place = ensemble.metrics.iter().position(|known| *known == name)?;
    image.scores.get(place).copied().filter(|value| value.is_finite())
}

fn ensembles_frame(ensembles: &[EnsembleRecord], names: &IndexSet<&'static str>) -> PolarsResult<DataFrame> {
    let mut columns = vec![column("ensemble_id", ensembles, |ensemble| ensemble.ensemble_id.clone())];
    let varied = ensembles.first().map_or(&[][..], |ensemble| &ensemble.settings);
    for (index, (key, _)) in varied.iter().enumerate() {
        let values: Vec<_> = ensembles.iter().map(|ensemble| &ensemble.settings[index].1).collect();
        columns.push(setting_column(key, &values));
    }
    columns.push(column("members", ensembles, |ensemble| ensemble.run_ids.len() as u32));
    columns.push(column("images", ensembles, |ensemble| ensemble.images.len() as u32));
    columns.push(column("note", ensembles, |ensemble| ensemble.note.clone()));
    for name in names {
        columns.push(column(name, ensembles, |ensemble| {
            let scores = ensemble.images.iter().filter_map(|image| ensemble_score(ensemble, image, name));
            Some(mean_of_defined(scores)).filter(|mean| mean.is_finite())
        }));
    }
    let run_ids = ensembles.iter().map(|ensemble| Series::new(PlSmallStr::EMPTY, &ensemble.run_ids));
    columns.push(run_ids.collect::<ListChunked>().with_name("run_ids".into()).into_series().into());
    columns.push(column("simulate_key", ensembles, |ensemble| ensemble.simulate_key.clone()));
    columns.push(column("ensemble_key", ensembles, |ensemble| ensemble.ensemble_key.clone()));
    DataFrame::new(ensembles.len(), columns)
}

fn images_frame(ensembles: &[EnsembleRecord], names: &IndexSet<&'static str>) -> PolarsResult<DataFrame> {
    let mut rows: Vec<(&EnsembleRecord, usize, &EnsembleImage)> = Vec::new();
    for ensemble in ensembles {
        rows.extend(ensemble.images.iter().enumerate().map(|(index, image)| (ensemble, index, image)));
    }
    let mut columns = vec![
        column("ensemble_id", &rows, |row| row.0.ensemble_id.as_str()),
        column("map", &rows, |row| row.1 as u32),
        column("sample", &rows, |row| row.2.sample as u32),
        column("target_name", &rows, |row| row.0.target.name.as_str()),
        column("target", &rows, |row| row.2.target),
        column("mean_prediction", &rows, |row| row.2.prediction),
    ];
    for name in names {
        columns.push(column(name, &rows, |row| ensemble_score(row.0, row.2, name)));
    }
    DataFrame::new(rows.len(), columns)
}
