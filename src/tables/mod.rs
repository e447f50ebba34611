//! The tables of an experiment: written, and read back.

mod checksum;
mod guard;
mod read;
mod write;

pub use read::{Cells, Table, Texts, UnreadableTable};
pub use write::{
    DatasetRecord, ENSEMBLES, EnsembleImage, EnsembleRecord, RunRecord, SampleRecords, TableError, write_all,
    write_ensembles,
};
