//! A published table read back: plain columns of numbers and texts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use thiserror::Error;

use crate::disk;

/// A table that cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {reason}", path.display())]
pub struct UnreadableTable {
    path: PathBuf,
    reason: PolarsError,
}

/// The cells of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Numbers; NaN where there is none.
    Numbers(Vec<f64>),
    /// Texts, each kept once. Columns of whole numbers beyond 2^53 are texts, too: floats would change them.
    Texts(Texts),
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
    pub fn read(path: &Path, wanted: Option<&[&str]>) -> Result<Self, UnreadableTable> {
        let unreadable = |reason| UnreadableTable { path: path.to_owned(), reason };
        let file = disk::open(path).map_err(|error| unreadable(error.into()))?;
        let mut reader = ParquetReader::new(file);
        if let Some(wanted) = wanted {
            let schema = reader.schema().map_err(unreadable)?;
            let known = wanted.iter().filter(|name| schema.contains(name)).map(|name| (*name).to_owned());
            reader = reader.with_columns(Some(known.collect()));
        }
        let frame = reader.finish().map_err(unreadable)?;
        let mut columns = Vec::new();
        for column in frame.columns() {
            if let Some(cells) = cells(column).map_err(unreadable)? {
                columns.push((column.name().to_string(), cells));
            }
        }
        Ok(Self { rows: frame.height(), columns })
    }

    /// The numbers of a column; NaN where there is none.
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        match self.cells(name)? {
            Cells::Numbers(numbers) => Some(numbers),
            Cells::Texts(_) => None,
        }
    }

    pub fn texts(&self, name: &str) -> Option<&Texts> {
        match self.cells(name)? {
            Cells::Texts(texts) => Some(texts),
            Cells::Numbers(_) => None,
        }
    }

    fn cells(&self, name: &str) -> Option<&Cells> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, cells)| cells)
    }
}

fn cells(column: &Column) -> PolarsResult<Option<Cells>> {
    let dtype = column.dtype();
    if dtype.is_integer() && has_large(column)? {
        let texts = column.cast(&DataType::String)?;
        return Ok(Some(Cells::Texts(intern(texts.str()?.iter()))));
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

/// Whether a column of whole numbers has some that floats do not tell apart, such as seeds of 64 bits. They are kept as
/// texts.
fn has_large(column: &Column) -> PolarsResult<bool> {
    const EXACT: i128 = 1 << 53;
    let wide = column.cast(&DataType::Int64)?;
    // What is no signed number of 64 bits is large.
    let lost = wide.null_count() > column.null_count();
    Ok(lost || wide.i64()?.iter().flatten().any(|cell| i128::from(cell).abs() > EXACT))
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
            "loss" => [0.5_f64, 1.5, f64::NAN],
            "split" => [Some("test"), None, Some("test")],
            "good" => [true, false, true],
        )
        .unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        let table = Table::read(&path, None).unwrap();
        assert_eq!((table.rows, table.columns.len()), (3, 4));
        let ages = table.numbers("age").unwrap();
        assert!(ages[0] == 20.0 && ages[1].is_nan() && ages[2] == 80.0);
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
            "small" => [1_i64, -3, 1 << 53],
        )
        .unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        let table = Table::read(&path, None).unwrap();
        let seeds = table.texts("seed").expect("texts");
        assert_eq!([0, 1, 2].map(|row| seeds.get(row)), [Some("9007199254740993"), None, Some("9223372036854775807")]);
        assert_eq!(table.texts("unsigned").unwrap().get(1), Some("18446744073709551615"));
        assert_eq!(table.numbers("small"), Some(&[1.0, -3.0, 9_007_199_254_740_992.0][..]));
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
