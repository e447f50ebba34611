//! A published table read back: plain columns of numbers and texts.
//!
//! All reading of tables goes through [`Parts`], which says how far files are trusted.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use thiserror::Error;

use super::checksum::ends_as_table;
use super::parts::Parts;
use crate::disk::Folder;

/// A table that cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {reason}", path.display())]
pub struct UnreadableTable {
    pub(super) path: PathBuf,
    pub(super) reason: String,
}

/// Looks at the ends of tables, of which some may be missing, before they are read or hashed as a whole.
///
/// # Errors
/// [`UnreadableTable`] for a file that is not a table or cannot be opened.
pub fn check_ends(folder: &Folder, names: &[&str]) -> Result<(), UnreadableTable> {
    for name in names {
        let reason = match folder.open(name).and_then(|mut file| ends_as_table(&mut file)) {
            Ok(true) => continue,
            Ok(false) => "the file is damaged or is not a table".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => error.to_string(),
        };
        return Err(UnreadableTable { path: folder.path_of(name), reason });
    }
    Ok(())
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
    /// Reads a Parquet file whole, as [`Parts`]: all columns, or those of `wanted` that it has. Columns of lists are passed over.
    ///
    /// # Errors
    /// [`UnreadableTable`] as in [`Parts::open`].
    pub fn read(path: &Path, wanted: Option<&[&str]>) -> Result<Self, UnreadableTable> {
        Parts::open(path, wanted)?.rest()
    }

    /// The columns of a frame.
    pub(super) fn of(frame: &DataFrame) -> PolarsResult<Self> {
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
