//! A published table read back some rows at a time.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::MmapMut;
use polars::io::parquet::metadata::FileMetadata;
use polars::prelude::*;

use super::checksum::{self, Checksum};
use super::read::{Table, UnreadableTable};
use crate::guard::guarded;
use crate::{disk, machine};

/// The row groups of a Parquet file, one after the other: of a table of any length no more than one is in memory.
///
/// Tables lie where anybody can change them, and polars panics on some damaged files. The file's checksum is verified first, and
/// no panic gets out.
pub struct Parts {
    path: PathBuf,
    file: File,
    /// With the row groups that were not read yet.
    metadata: FileMetadata,
    /// The columns that are read, in the order in which they were asked for; all where it is not said.
    columns: Option<Vec<String>>,
}

impl Parts {
    /// Opens a Parquet file, for all columns or for those of `wanted` that it has.
    ///
    /// # Errors
    /// [`UnreadableTable`] where the file is missing, damaged or no table. A single damaged byte of its cells is noticed in a table
    /// that carries a checksum; those of earlier versions carry none.
    pub fn open(path: &Path, wanted: Option<&[&str]>) -> Result<Self, UnreadableTable> {
        let unreadable = |reason| UnreadableTable { path: path.to_owned(), reason };
        let mut file = disk::open(path).map_err(|error| unreadable(error.to_string()))?;
        let metadata = guarded(|| read_metadata(&file)).map_err(|panic| damaged(path, &panic))?;
        let metadata = metadata.map_err(|error| damaged(path, &error))?;
        match checksum::check(&mut file) {
            Ok(Checksum::Right | Checksum::None) => {}
            Ok(Checksum::Wrong) => {
                return Err(unreadable("the file is damaged: its checksum does not match its contents".to_owned()));
            }
            Err(error) => return Err(unreadable(error.to_string())),
        }
        let columns = wanted.map(|wanted| {
            let has = |name: &&&str| metadata.schema_descr.fields().iter().any(|field| field.name() == **name);
            wanted.iter().filter(has).map(|name| (*name).to_owned()).collect()
        });
        Ok(Self { path: path.to_owned(), file, metadata, columns })
    }

    /// All rows that were not read yet.
    pub(super) fn rest(mut self) -> Result<Table, UnreadableTable> {
        self.read(usize::MAX)
    }

    /// The next row groups, `most` of them at most.
    fn read(&mut self, most: usize) -> Result<Table, UnreadableTable> {
        let (path, file, columns) = (&self.path, &self.file, self.columns.clone());
        let metadata = &mut self.metadata;
        let groups = metadata.row_groups.len();
        let part = FileMetadata {
            version: metadata.version,
            num_rows: 0,
            max_row_group_height: metadata.max_row_group_height,
            created_by: metadata.created_by.clone(),
            row_groups: metadata.row_groups.drain(..most.min(groups)).collect(),
            key_value_metadata: metadata.key_value_metadata.clone(),
            schema_descr: metadata.schema_descr.clone(),
            column_orders: metadata.column_orders.clone(),
            footer_buf: metadata.footer_buf.clone(),
        };
        match guarded(|| parse(file, part, columns)) {
            Ok(table) => table.map_err(|error| damaged(path, &error)),
            Err(panic) => Err(damaged(path, &panic)),
        }
    }
}

impl Iterator for Parts {
    type Item = Result<Table, UnreadableTable>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.metadata.row_groups.is_empty()).then(|| self.read(1))
    }
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> UnreadableTable {
    UnreadableTable { path: path.to_owned(), reason: format!("the file is damaged or is not a table ({reason})") }
}

fn read_metadata(file: &File) -> PolarsResult<FileMetadata> {
    let mut reader = ParquetReader::new(BufReader::new(file));
    let metadata = Arc::clone(reader.get_metadata()?);
    drop(reader);
    Arc::into_inner(metadata).ok_or_else(|| polars_err!(ComputeError: "its footer is in use"))
}

/// Reads the row groups of `part`, which has all else in common with the file.
fn parse(mut file: &File, mut part: FileMetadata, columns: Option<Vec<String>>) -> PolarsResult<Table> {
    let length = file.metadata()?.len();
    part.num_rows = part.row_groups.iter().map(|group| group.num_rows()).sum();
    // A footer may claim any number of rows. A cell takes 8 bytes or more.
    let width = columns.as_ref().map_or_else(|| part.schema_descr.fields().len(), Vec::len);
    let size = part.num_rows.saturating_mul(8).saturating_mul(width);
    if machine::available_memory().is_some_and(|available| size as u64 > available) {
        polars_bail!(ComputeError: "its {} rows do not fit into memory", part.num_rows);
    }
    // As long as the file, so that everything is in its place; only what is read of it takes memory.
    let mut bytes = MmapMut::map_anon(usize::try_from(length).unwrap_or(usize::MAX).max(1))?;
    for group in &part.row_groups {
        let range = group.full_byte_range();
        if range.start > range.end || range.end > length {
            polars_bail!(ComputeError: "rows lie beyond its end");
        }
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut bytes[range.start as usize..range.end as usize])?;
    }
    // On this thread alone, so that the guard sees every panic.
    let mut reader = ParquetReader::new(Cursor::new(&bytes[..])).read_parallel(ParallelStrategy::None);
    reader.set_metadata(Arc::new(part));
    Table::of(&reader.with_columns(columns).finish()?)
}
