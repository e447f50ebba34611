//! The cells of a table as text, from csv, tsv and Parquet files.

use std::path::Path;

use bytes::Bytes;
use csv_core::{ReadRecordResult, ReaderBuilder};
use parquet::column::page::Page;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::bad_data::{BadData, Place};
use crate::disk;
use crate::guard::guarded;

/// A row as it is written.
pub(super) struct Record {
    pub place: Place,
    pub cells: Vec<String>,
}

/// The names of the columns, and the rows.
pub(super) struct Cells {
    pub header: Vec<String>,
    pub records: Vec<Record>,
}

/// Reads the table in a file, whose ending says of which kind it is.
pub(super) fn read(path: &Path) -> Result<Cells, BadData> {
    let refused = |message: String, help: &str| BadData::whole(path.display(), message, help);
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
    let bytes = || disk::read_linked(path).map_err(|error| refused(error.to_string(), "give the path of a table"));
    let delimiter = match ending.as_deref() {
        Some("csv") => b',',
        Some("tsv" | "tab") => b'\t',
        Some("parquet" | "pq") => {
            return parquet_cells(bytes()?).map_err(|message| refused(message, "save it again, or as .csv"));
        }
        _ => {
            return Err(refused(
                "a table ends with .csv, .tsv or .parquet".into(),
                "save it as one of these, with a header",
            ));
        }
    };
    let text = String::from_utf8(bytes()?).map_err(|error| refused(error.to_string(), "save it as text in UTF-8"))?;
    let mut records = records(text.trim_start_matches('\u{feff}').as_bytes(), delimiter);
    let header = if records.is_empty() { Vec::new() } else { records.remove(0).cells };
    Ok(Cells { header, records })
}

/// The cells of a Parquet file. Values that are missing are empty cells, as in text.
fn parquet_cells(bytes: Vec<u8>) -> Result<Cells, String> {
    // The library's own checks are not complete: of some damaged files it panics.
    match guarded(|| read_parquet(bytes)) {
        Ok(read) => read.map_err(|error| format!("is not a Parquet table that can be read: {error}")),
        Err(_) => Err("is a damaged Parquet table".into()),
    }
}

/// A table of more rows than these for each byte of its file is damaged: a row has a bit or more.
const ROWS_PER_BYTE: usize = 64;

fn read_parquet(bytes: Vec<u8>) -> Result<Cells, ParquetError> {
    let size = bytes.len();
    let reader = SerializedFileReader::new(Bytes::from(bytes))?;
    let rows = reader.metadata().file_metadata().num_rows();
    if usize::try_from(rows).is_ok_and(|rows| rows > size.saturating_mul(ROWS_PER_BYTE)) {
        return Err(ParquetError::General(format!("it claims to have {rows} rows in {size} bytes")));
    }
    check_dictionaries(&reader)?;
    let schema = reader.metadata().file_metadata().schema();
    let header = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let mut records = Vec::new();
    for row in reader.get_row_iter(None)? {
        let cells = row?.get_column_iter().map(|(_, value)| text_of(value)).collect();
        records.push(Record { place: Place::Row(records.len() as u64 + 1), cells });
    }
    Ok(Cells { header, records })
}

/// Refuses dictionaries that claim more values than they have bytes: the library would make room for all of them.
fn check_dictionaries(reader: &impl FileReader) -> Result<(), ParquetError> {
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        for column in 0..group.num_columns() {
            for page in group.get_column_page_reader(column)? {
                if let Page::DictionaryPage { buf, num_values, .. } = page?
                    && num_values as usize > buf.len()
                {
                    let message = format!("a dictionary claims to have {num_values} values in {} bytes", buf.len());
                    return Err(ParquetError::General(message));
                }
            }
        }
    }
    Ok(())
}

/// A value as a cell of a text would have it.
fn text_of(value: &Field) -> String {
    match value {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        // All their digits, without an exponent.
        Field::Float(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// The rows of a text, of which empty ones are passed over. Quotes, and line breaks between them, are read as RFC 4180 has them.
fn records(mut text: &[u8], delimiter: u8) -> Vec<Record> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let breaks = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let (mut records, mut line, mut passed) = (Vec::new(), 1, 1);
    let (mut bytes, mut ends) = (vec![0; 1024], vec![0; 64]);
    let (mut written, mut ended) = (0, 0);
    loop {
        let (result, read, wrote, ended_now) = reader.read_record(text, &mut bytes[written..], &mut ends[ended..]);
        let (taken, rest) = text.split_at(read);
        (text, passed) = (rest, passed + breaks(taken));
        (written, ended) = (written + wrote, ended + ended_now);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => bytes.resize(2 * bytes.len(), 0),
            ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
            ReadRecordResult::Record => {
                let starts = [0].into_iter().chain(ends[..ended].iter().copied());
                let cell = |(start, &end): (usize, &usize)| String::from_utf8_lossy(&bytes[start..end]).into_owned();
                records
                    .push(Record { place: Place::Line(line), cells: starts.zip(&ends[..ended]).map(cell).collect() });
                (written, ended) = (0, 0);
                // Line breaks before the next record, so that it begins on its own line.
                let gap = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                let (taken, rest) = text.split_at(gap);
                (text, passed) = (rest, passed + breaks(taken));
                line = passed;
            }
            ReadRecordResult::End => return records,
        }
    }
}
