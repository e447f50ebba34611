//! The tables of an experiment: written, and read back.

mod checksum;
mod column;
mod ensembles;
mod file;
mod folds;
mod frames;
pub mod inference;
mod parts;
mod predictions;
mod read;
mod records;
mod regions;
mod write;

use polars::prelude::PolarsError;

pub use ensembles::{ENSEMBLES, write_ensembles};
pub use folds::{FOLDS, write_folds};
pub use parts::Parts;
pub use predictions::{PredictionFormat, PredictionTable};
pub use read::{Cells, Table, Texts, UnreadableTable, check_ends};
pub use records::{CrossValidation, DatasetRecord, EnsembleImage, EnsembleRecord, OutOfFold, RunDetails, RunRecord};
pub use regions::REGIONS;
pub use write::TablesDraft;

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error(transparent)]
    Polars(#[from] PolarsError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
