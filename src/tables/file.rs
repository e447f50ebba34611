//! A table on its way to the disk: row groups that are written one after the other, then the footer.
//!
//! Of a table no more than a row group is in memory, however long it becomes.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;

use super::TableError;
use super::checksum::{self, Sealing};
use crate::disk::{Folder, Replacement};

/// A table that takes the place of the one of its name once it is complete.
pub(super) struct TableFile {
    writer: BatchedWriter<Shared>,
    file: Shared,
}

/// The file is written by polars and finished here.
#[derive(Clone)]
struct Shared(Rc<RefCell<Option<Sealing<Replacement>>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().as_mut().expect("the footer is written last").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TableFile {
    /// Begins a table with the columns of `like`, which may be empty.
    pub fn begin(folder: &Folder, name: &str, like: DataFrame) -> Result<Self, TableError> {
        let file = Shared(Rc::new(RefCell::new(Some(Sealing::new(folder.begin(name)?)))));
        let writer = ParquetWriter::new(file.clone())
            .with_compression(ParquetCompression::Zstd(None))
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![checksum::placeholder()])))
            .batched(as_promised(like)?.schema())?;
        Ok(Self { writer, file })
    }

    /// Writes rows as a row group.
    pub fn append(&mut self, rows: DataFrame) -> Result<(), TableError> {
        Ok(self.writer.write_batch(&as_promised(rows)?)?)
    }

    /// Writes the footer. The file still has to be put in its place.
    pub fn finish(self) -> Result<Replacement, TableError> {
        self.writer.finish()?;
        let file = self.file.0.borrow_mut().take().expect("it is finished once");
        Ok(file.finish()?)
    }
}

/// The rows in the types that tables promise: Int64 for whole numbers, null for a float that is NaN or infinite.
pub(super) fn as_promised(rows: DataFrame) -> PolarsResult<DataFrame> {
    let columns = rows.columns().iter().map(column_as_promised).collect::<PolarsResult<_>>()?;
    DataFrame::new(rows.height(), columns)
}

fn column_as_promised(column: &Column) -> PolarsResult<Column> {
    let name = column.name().clone();
    Ok(match column.dtype() {
        DataType::Float64 => {
            let cells = column.f64()?.iter().map(|cell| cell.filter(|value| value.is_finite()));
            cells.collect::<Float64Chunked>().with_name(name).into_column()
        }
        DataType::Float32 => {
            let cells = column.f32()?.iter().map(|cell| cell.filter(|value| value.is_finite()));
            cells.collect::<Float32Chunked>().with_name(name).into_column()
        }
        DataType::List(inner) if inner.is_integer() => column.cast(&DataType::List(Box::new(DataType::Int64)))?,
        dtype if dtype.is_integer() => column.strict_cast(&DataType::Int64)?,
        _ => column.clone(),
    })
}
