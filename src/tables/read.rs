//! A published table read back: plain columns of numbers and texts.
//!
//! Tables lie where anybody can change them, and polars panics on some damaged files. All reading of tables goes through
//! [`Table::read`], which checks the file's checksum first and lets no panic out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use thiserror::Error;

use super::checksum::{self, Checksum};
use super::guard::guarded;
use crate::{disk, machine};

/// A table that cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {reason}", path.display())]
pub struct UnreadableTable {
    path: PathBuf,
    reason: String,
}

/// The cells of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Whole numbers.
    Integers(Vec<Option<i64>>),
    /// Other numbers; NaN where there is none.
    Numbers(Vec<f64>),
    /// Texts, each kept once.
    Texts(Texts),
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Self::Integers(integers) => integers.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.rows.len(),
        }
    }
}

/// A column of texts, most of which repeat.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Texts {
    /// Every text that occurs.
    pub distinct: Vec<String>,
    /// For each row an index into `distinct`; none where there is no text.
    pub rows: Vec<Option<u32>>,
}

impl Texts {
    pub fn get(&self, row: usize) -> Option<&str> {
        self.rows.get(row).copied().flatten().map(|index| self.distinct[index as usize].as_str())
    }
}

/// Columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub rows: usize,
    pub columns: Vec<(String, Cells)>,
}

impl Table {
    /// Reads a Parquet file: all columns, or those of `wanted` that it has. Columns of lists are passed over.
    ///
    /// # Errors
    /// [`UnreadableTable`] where the file is missing, damaged or no table. A single damaged byte of its cells is noticed in a table
    /// that carries a checksum; those of earlier versions carry none.
    pub fn read(path: &Path, wanted: Option<&[&str]>) -> Result<Self, UnreadableTable> {
        let unreadable = |reason| UnreadableTable { path: path.to_owned(), reason };
        let file = disk::read(path).map_err(|error| unreadable(error.to_string()))?;
        if checksum::check(&file) == Checksum::Wrong {
            return Err(unreadable("the file is damaged: its checksum does not match its contents".to_owned()));
        }
        let damaged =
            |reason: &dyn std::fmt::Display| unreadable(format!("the file is damaged or no table ({reason})"));
        match guarded(|| Self::parse(&file, wanted)) {
            Ok(table) => table.map_err(|error| damaged(&error)),
            Err(panic) => Err(damaged(&panic)),
        }
    }

    fn parse(file: &[u8], wanted: Option<&[&str]>) -> PolarsResult<Self> {
        // On this thread alone, so that the guard sees every panic.
        let mut reader = ParquetReader::new(Cursor::new(file)).read_parallel(ParallelStrategy::None);
        let schema = reader.schema()?;
        let mut width = schema.len();
        if let Some(wanted) = wanted {
            let known = wanted.iter().filter(|name| schema.contains(name)).map(|name| (*name).to_owned());
            let known: Vec<String> = known.collect();
            width = known.len();
            reader = reader.with_columns(Some(known));
        }
        // A footer may claim any number of rows. A cell takes 8 bytes or more.
        let size = reader.num_rows()?.saturating_mul(8).saturating_mul(width);
        if machine::available_memory().is_some_and(|available| size as u64 > available) {
            polars_bail!(ComputeError: "its {} rows do not fit into memory", reader.num_rows()?);
        }
        let frame = reader.finish()?;
        let mut columns = Vec::new();
        for column in frame.columns() {
            if let Some(cells) = cells(column)? {
                // Polars does not hold the parts of a damaged file against each other.
                if cells.len() != frame.height() {
                    polars_bail!(ComputeError: "column {} has {} of {} rows", column.name(), cells.len(), frame.height());
                }
                columns.push((column.name().to_string(), cells));
            }
        }
        Ok(Self { rows: frame.height(), columns })
    }

    /// The numbers of a column, whole or not; NaN where there is none.
    pub fn numbers(&self, name: &str) -> Option<Cow<'_, [f64]>> {
        match self.cells(name)? {
            Cells::Integers(integers) => Some(integers.iter().map(|&integer| as_number(integer)).collect()),
            Cells::Numbers(numbers) => Some(Cow::Borrowed(numbers)),
            Cells::Texts(_) => None,
        }
    }

    /// The number in a row of a column, whole or not; NaN where there is none.
    pub fn number(&self, name: &str, row: usize) -> Option<f64> {
        match self.cells(name)? {
            Cells::Integers(integers) => Some(as_number(*integers.get(row)?)),
            Cells::Numbers(numbers) => numbers.get(row).copied(),
            Cells::Texts(_) => None,
        }
    }

    pub fn texts(&self, name: &str) -> Option<&Texts> {
        match self.cells(name)? {
            Cells::Texts(texts) => Some(texts),
            Cells::Integers(_) | Cells::Numbers(_) => None,
        }
    }

    fn cells(&self, name: &str) -> Option<&Cells> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, cells)| cells)
    }
}

fn as_number(integer: Option<i64>) -> f64 {
    integer.map_or(f64::NAN, |integer| integer as f64)
}

fn cells(column: &Column) -> PolarsResult<Option<Cells>> {
    let dtype = column.dtype();
    if dtype.is_integer() {
        // Tables of earlier versions have unsigned columns. What no signed number holds is kept as text.
        return Ok(Some(match column.strict_cast(&DataType::Int64) {
            Ok(integers) => Cells::Integers(integers.i64()?.iter().collect()),
            Err(_) => Cells::Texts(intern(column.cast(&DataType::String)?.str()?.iter())),
        }));
    }
    if dtype.is_primitive_numeric() {
        let numbers = column.cast(&DataType::Float64)?;
        return Ok(Some(Cells::Numbers(numbers.f64()?.iter().map(|cell| cell.unwrap_or(f64::NAN)).collect())));
    }
    Ok(match dtype {
        DataType::String => Some(Cells::Texts(intern(column.str()?.iter()))),
        DataType::Boolean => {
            let flags = column.bool()?;
            Some(Cells::Texts(intern(flags.iter().map(|flag| flag.map(|flag| if flag { "true" } else { "false" })))))
        }
        DataType::Null => Some(Cells::Texts(Texts { distinct: Vec::new(), rows: vec![None; column.len()] })),
        _ => None,
    })
}

fn intern<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Texts {
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut distinct = Vec::new();
    let rows = texts.map(|text| {
        text.map(|text| {
            *known.entry(text).or_insert_with(|| {
                distinct.push(text.to_owned());
                distinct.len() as u32 - 1
            })
        })
    });
    let rows = rows.collect();
    Texts { distinct, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_back_as_numbers_and_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let mut frame = df!(
            "age" => [Some(20_u32), None, Some(80)],
            "seed" => [Some(i64::MAX), Some(i64::MIN), None],
            "loss" => [0.5_f64, 1.5, f64::NAN],
            "split" => [Some("test"), None, Some("test")],
            "good" => [true, false, true],
        )
        .unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        let table = Table::read(&path, None).unwrap();
        assert_eq!((table.rows, table.columns.len()), (3, 5));
        assert_eq!(table.columns[1].1, Cells::Integers(vec![Some(i64::MAX), Some(i64::MIN), None]));
        let ages = table.numbers("age").unwrap();
        assert!(ages[0] == 20.0 && ages[1].is_nan() && ages[2] == 80.0);
        assert_eq!([0, 2, 3].map(|row| table.number("age", row)), [Some(20.0), Some(80.0), None]);
        assert!(table.number("age", 1).unwrap().is_nan() && table.number("split", 0).is_none());
        let splits = table.texts("split").unwrap();
        assert_eq!([0, 1, 2, 9].map(|row| splits.get(row)), [Some("test"), None, Some("test"), None]);
        assert_eq!(splits.distinct, ["test"]);
        assert_eq!(table.texts("good").unwrap().get(1), Some("false"));
        let some = Table::read(&path, Some(&["loss", "nothing"])).unwrap();
        assert_eq!((some.columns.len(), some.numbers("loss").unwrap()[1]), (1, 1.5));
    }

    #[test]
    fn whole_numbers_that_floats_do_not_have_are_kept_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let mut frame = df!(
            "seed" => [Some(9_007_199_254_740_993_i64), None, Some(i64::MAX)],
            "unsigned" => [1_u64, u64::MAX, 2],
        )
        .unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        let table = Table::read(&path, None).unwrap();
        assert_eq!(table.columns[0].1, Cells::Integers(vec![Some(9_007_199_254_740_993), None, Some(i64::MAX)]));
        assert_eq!(table.texts("unsigned").unwrap().get(1), Some("18446744073709551615"));
    }

    #[test]
    fn what_is_no_table_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.parquet");
        assert!(Table::read(&path, None).unwrap_err().to_string().contains("runs.parquet"));
        std::fs::write(&path, "no table").unwrap();
        assert!(Table::read(&path, None).unwrap_err().to_string().contains("runs.parquet"));
    }
}
