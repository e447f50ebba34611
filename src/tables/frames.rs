//! The tables that have many rows for each run or data set, as frames.

use polars::prelude::*;

use super::column::column;
use super::records::{DatasetRecord, RunDetails};
use crate::event::Epoch;
use crate::metric::{Gap, LeftOutSign, LeftOutSigns, Measurement};
use crate::sim::Pumpkin;

/// A run's identifier, and what is told of it.
pub(super) type OfRun = (String, RunDetails);

pub(super) fn epochs(runs: &[OfRun]) -> PolarsResult<DataFrame> {
    let rows: Vec<(&str, &Epoch)> =
        runs.iter().flat_map(|(run_id, run)| run.epochs.iter().map(|epoch| (run_id.as_str(), epoch))).collect();
    let columns = vec![
        column("run_id", &rows, |(run_id, _)| *run_id),
        column("epoch", &rows, |(_, epoch)| epoch.epoch as u32),
        column("train_loss", &rows, |(_, epoch)| epoch.train_loss),
        column("train_mae", &rows, |(_, epoch)| epoch.train_mae),
        column("val_loss", &rows, |(_, epoch)| epoch.val_loss),
        column("val_mae", &rows, |(_, epoch)| epoch.val_mae),
        column("epoch_seconds", &rows, |(_, epoch)| epoch.epoch_seconds),
    ];
    DataFrame::new(rows.len(), columns)
}

pub(super) fn predictions(runs: &[OfRun]) -> PolarsResult<DataFrame> {
    let mut rows = Vec::new();
    for (run_id, run) in runs {
        let Some(samples) = &run.samples else { continue };
        let gaps = run.gaps();
        for (sample, (target, prediction)) in run.predicted().enumerate() {
            let (split, gap) = (samples.partition.of(sample).name(), gaps.get(sample).copied());
            rows.push((run_id.as_str(), split, sample as u32, samples.target.name.as_str(), target, prediction, gap));
        }
    }
    let mut columns = vec![
        column("run_id", &rows, |row| row.0),
        column("split", &rows, |row| row.1),
        column("sample", &rows, |row| row.2),
        column("target_name", &rows, |row| row.3),
        column("target", &rows, |row| row.4),
        column("prediction", &rows, |row| row.5),
    ];
    columns.extend(gap_columns(&rows, |row| row.6));
    DataFrame::new(rows.len(), columns)
}

/// The columns of gaps, in the precision of predictions.
pub(super) fn gap_columns<T>(rows: &[T], gap: impl Fn(&T) -> Option<Gap>) -> Vec<Column> {
    let of = |name: &str, value: fn(Gap) -> f64| column(name, rows, |row| gap(row).map(|gap| value(gap) as f32));
    vec![
        of("gap", |gap| gap.raw),
        of("gap_cole", |gap| gap.cole),
        of("gap_beheshti", |gap| gap.beheshti),
        of("gap_de_lange", |gap| gap.de_lange),
    ]
}

pub(super) fn measurements(runs: &[OfRun]) -> PolarsResult<DataFrame> {
    let rows: Vec<(&str, &Measurement)> =
        runs.iter().flat_map(|(run_id, run)| run.measurements.iter().map(|row| (run_id.as_str(), row))).collect();
    let columns = vec![
        column("run_id", &rows, |(run_id, _)| *run_id),
        column("sample", &rows, |(_, row)| row.sample.map(|sample| sample as u32)),
        column("metric", &rows, |(_, row)| row.metric.as_str()),
        column("sign", &rows, |(_, row)| row.sign.as_deref()),
        column("value", &rows, |(_, row)| row.value),
        column("unit", &rows, |(_, row)| row.unit.as_str()),
        column("note", &rows, |(_, row)| row.note.as_deref()),
    ];
    DataFrame::new(rows.len(), columns)
}

/// The signs that were left out one at a time.
pub(super) fn signs(runs: &[OfRun]) -> PolarsResult<DataFrame> {
    let mut rows: Vec<(&str, &LeftOutSigns, &LeftOutSign)> = Vec::new();
    for (run_id, run) in runs {
        for of_kind in &run.signs {
            rows.extend(of_kind.signs.iter().map(|sign| (run_id.as_str(), of_kind, sign)));
        }
    }
    let relevance = |name, radius| column(name, &rows, |(_, of_kind, sign)| of_kind.relevance(sign, radius));
    let columns = vec![
        column("run_id", &rows, |(run_id, ..)| *run_id),
        column("sample", &rows, |(.., sign)| sign.sample as u32),
        column("kind", &rows, |(_, of_kind, _)| of_kind.kind.as_str()),
        column("index", &rows, |(.., sign)| sign.index as u32),
        column("row", &rows, |(.., sign)| sign.middle[0] as u32),
        column("col", &rows, |(.., sign)| sign.middle[1] as u32),
        column("years", &rows, |(.., sign)| sign.effect),
        relevance("relevance", 0),
        relevance("relevance_r1", 1),
        relevance("relevance_r2", 2),
        column("relevance_unit", &rows, |(_, of_kind, _)| of_kind.relevance_unit.as_str()),
    ];
    DataFrame::new(rows.len(), columns)
}

/// The samples of data sets, with what is recorded of pumpkins where `pumpkins` are among them.
pub(super) fn samples(datasets: &[DatasetRecord], pumpkins: bool) -> PolarsResult<DataFrame> {
    let mut rows: Vec<(&DatasetRecord, usize)> = Vec::new();
    for dataset in datasets {
        rows.extend((0..dataset.samples.targets.len()).map(|sample| (dataset, sample)));
    }
    let mut columns = vec![
        column("simulate_key", &rows, |(dataset, _)| dataset.key.as_str()),
        column("sample", &rows, |(_, sample)| *sample as u32),
        column("name", &rows, |(dataset, sample)| dataset.samples.names[*sample].as_str()),
        column("split", &rows, |(dataset, sample)| dataset.samples.partition.of(*sample).name()),
        column("target_name", &rows, |(dataset, _)| dataset.samples.target.name.as_str()),
        column("target", &rows, |(dataset, sample)| dataset.samples.targets[*sample]),
    ];
    if pumpkins {
        let of_rows = rows.iter().map(|&(dataset, sample)| dataset.pumpkins.as_ref()?.get(sample));
        columns.extend(pumpkin_columns(&of_rows.collect::<Vec<_>>()));
    }
    DataFrame::new(rows.len(), columns)
}

/// What is recorded of pumpkins; null for other samples.
fn pumpkin_columns(rows: &[Option<&Pumpkin>]) -> Vec<Column> {
    let list = |name: &str, values: fn(&Pumpkin) -> Vec<i32>| -> Column {
        // The same type whatever is in the lists.
        let mut lists =
            ListPrimitiveChunkedBuilder::<Int32Type>::new(name.into(), rows.len(), rows.len(), DataType::Int32);
        rows.iter().for_each(|pumpkin| lists.append_opt_slice(pumpkin.map(values).as_deref()));
        lists.finish().into_series().into()
    };
    let tumour = |name: &str, value: fn(&crate::sim::Tumour) -> i32| -> Column {
        column(name, rows, |pumpkin| pumpkin.as_ref()?.tumour.as_ref().map(value))
    };
    let whole = |name: &str, value: fn(&Pumpkin) -> u32| column(name, rows, |pumpkin| pumpkin.map(value));
    let size = |name: &str, value: fn(&Pumpkin) -> f32| column(name, rows, |pumpkin| pumpkin.map(value));
    vec![
        whole("age", |pumpkin| pumpkin.age),
        size("height", |pumpkin| pumpkin.height),
        size("width", |pumpkin| pumpkin.width),
        whole("n_lesions", |pumpkin| pumpkin.lesions.len() as u32),
        whole("n_atrophies", |pumpkin| pumpkin.atrophies.len() as u32),
        list("lesion_rows", |pumpkin| pumpkin.lesions.iter().map(|lesion| lesion.row.into()).collect()),
        list("lesion_cols", |pumpkin| pumpkin.lesions.iter().map(|lesion| lesion.col.into()).collect()),
        list("atrophy_rows", |pumpkin| pumpkin.atrophies.iter().map(|pixel| pixel.row.into()).collect()),
        list("atrophy_cols", |pumpkin| pumpkin.atrophies.iter().map(|pixel| pixel.col.into()).collect()),
        tumour("tumour_row0", |tumour| tumour.row0.into()),
        tumour("tumour_row1", |tumour| tumour.row1.into()),
        tumour("tumour_col0", |tumour| tumour.col0.into()),
        tumour("tumour_col1", |tumour| tumour.col1.into()),
    ]
}
