//! The `.npy` format (numpy.lib.format, versions 1 to 3): a header in Python's notation, then plain values.
//!
//! Files come from anywhere, so nothing that a header claims is believed before it is checked: the shape must fit the
//! length of the file before memory is taken for it. Crates for this format read whole arrays of one type; here images are
//! read some at a time, from archives too, whatever their type and order.

mod dtype;
mod header;
mod write;

use std::io::{self, Read, Seek};

use thiserror::Error;

pub(super) use self::dtype::{DType, Kind, Number};
pub(super) use self::header::Header;
pub(super) use self::write::{Element, write_array, write_values};
use crate::machine;

/// Bytes that are read and converted at a time.
const CHUNK: usize = 1 << 16;

/// Arrays below this size are read without a look at the memory that is left.
const SMALL: u64 = 1 << 26;

/// Why an array cannot be read.
#[derive(Debug, Error)]
pub enum NpyError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("is not an .npy file")]
    NotNpy,
    #[error("has a header that cannot be understood: {0}")]
    Header(&'static str),
    #[error("holds values of type {found:?}, not {expected}; convert them with array.astype(\"float32\")")]
    DType { found: String, expected: &'static str },
    #[error("holds pickled Python objects, which are not read; save an array of numbers: array.astype(\"float32\")")]
    Objects,
    #[error("holds records with several fields; save one field as an array of numbers: array[\"field\"]")]
    Records,
    #[error("holds {value}, which is not the {expected} that it should be")]
    Value { value: String, expected: &'static str },
    #[error("has the shape {found:?}, not {expected}")]
    Shape { found: Vec<usize>, expected: &'static str },
    #[error("is cut off: {found} of {expected} values are there")]
    Truncated { found: u64, expected: u64 },
    #[error("goes on after its last value, for {bytes} bytes; save a single array in the file")]
    TrailingBytes { bytes: u64 },
    #[error("needs {:.1} GB of memory, but {:.1} GB are available", *.needed as f64 / 1e9, *.available as f64 / 1e9)]
    Memory { needed: u64, available: u64 },
    #[error("item {item} holds a value that is not finite; remove NaN and infinite values")]
    NotFinite { item: usize },
}

/// An array that is being read: its header, and a reader that stands in its values.
#[derive(Debug)]
pub(super) struct Array<R> {
    pub header: Header,
    reader: R,
    /// Values that were not read yet.
    left: usize,
}

impl<R: Read> Array<R> {
    /// Reads the header of a file, or of an archive's member, of `length` bytes. Its values must take the rest, so that a
    /// shape that is not there costs no memory.
    pub fn open(mut reader: R, length: u64) -> Result<Self, NpyError> {
        let (header, start) = Header::read(&mut reader)?;
        let (left, size) = (header.values()?, header.dtype.size as u64);
        let (found, expected) = (u128::from(length.saturating_sub(start)), left as u128 * u128::from(size));
        if found < expected {
            return Err(NpyError::Truncated { found: length.saturating_sub(start) / size, expected: left as u64 });
        }
        if found > expected {
            return Err(NpyError::TrailingBytes { bytes: (found - expected) as u64 });
        }
        Ok(Self { header, reader, left })
    }

    /// Whether all values were read.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// The next `count` values, in the order of the file; fewer where the array ends.
    pub fn next<T: Number>(&mut self, count: usize) -> Result<Vec<T>, NpyError> {
        let dtype = self.header.dtype;
        if !dtype.is_number() {
            return Err(NpyError::DType { found: dtype.to_string(), expected: "numbers" });
        }
        self.decode(dtype, count)
    }

    fn decode<T: Number>(&mut self, dtype: DType, count: usize) -> Result<Vec<T>, NpyError> {
        let count = count.min(self.left);
        check_memory(count as u64 * size_of::<T>() as u64)?;
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| NpyError::Header("its values do not fit into memory"))?;
        let mut buffer = [0; CHUNK];
        while values.len() < count {
            let start = values.len();
            let wanted = (count - start).min(CHUNK / dtype.size);
            let found = if dtype.is_that_of::<T>() {
                // Zeros that are written over while they are in the cache cost next to nothing.
                values.resize(start + wanted, T::zeroed());
                read_up_to(&mut self.reader, bytemuck::cast_slice_mut(&mut values[start..]))? / dtype.size
            } else {
                let bytes = read_up_to(&mut self.reader, &mut buffer[..wanted * dtype.size])?;
                let expected = std::any::type_name::<T>();
                let decoded = dtype.decode(&buffer[..bytes], &mut values);
                decoded.map_err(|value| NpyError::Value { value, expected })?;
                bytes / dtype.size
            };
            if found < wanted {
                let expected = self.header.values()?;
                let found = expected - self.left + start + found;
                return Err(NpyError::Truncated { found: found as u64, expected: expected as u64 });
            }
        }
        self.left -= count;
        Ok(values)
    }

    /// All values in row-major order, whatever the order of the file.
    pub fn all<T: Number>(&mut self) -> Result<Vec<T>, NpyError> {
        let values = self.next(self.left)?;
        if !self.header.is_column_major {
            return Ok(values);
        }
        check_memory(size_of_val(&values[..]) as u64)?;
        Ok(row_major(&values, &self.header.shape))
    }

    /// All texts of an array of text.
    pub fn texts(&mut self) -> Result<Vec<String>, NpyError> {
        let dtype = self.header.dtype;
        if dtype.kind != Kind::Text {
            return Err(NpyError::DType { found: dtype.to_string(), expected: "text" });
        }
        let (width, count) = (dtype.size / 4, self.left);
        // Texts are as wide as the longest of them, in code points.
        self.left = count.checked_mul(width).ok_or(NpyError::Header("its texts do not fit into memory"))?;
        let points: Vec<u32> = self.decode(DType { kind: Kind::Unsigned, size: 4, ..dtype }, self.left)?;
        let text = |points: &[u32]| -> Option<String> {
            points.iter().take_while(|&&point| point != 0).map(|&point| char::from_u32(point)).collect()
        };
        let texts: Option<Vec<String>> = points.chunks_exact(width).map(text).collect();
        texts.ok_or(NpyError::Value { value: "a code point that is none".to_owned(), expected: "text" })
    }

    /// Passes over the next `count` values.
    pub fn skip(&mut self, count: usize) -> Result<(), NpyError> {
        let count = count.min(self.left);
        let bytes = count as u64 * self.header.dtype.size as u64;
        let skipped = io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink())?;
        if skipped < bytes {
            let expected = self.header.values()? as u64;
            let found = expected - self.left as u64 + skipped / self.header.dtype.size as u64;
            return Err(NpyError::Truncated { found, expected });
        }
        self.left -= count;
        Ok(())
    }

    /// Makes sure that the file ends after the last value. Archives verify their checksums here.
    pub fn finish(&mut self) -> Result<(), NpyError> {
        self.skip(self.left)?;
        match read_up_to(&mut self.reader, &mut [0])? {
            0 => Ok(()),
            more => Err(NpyError::TrailingBytes { bytes: more as u64 }),
        }
    }
}

impl<R: Read + Seek> Array<R> {
    /// As [`Array::skip`], without reading.
    pub fn seek(&mut self, count: usize) -> Result<(), NpyError> {
        let count = count.min(self.left);
        self.reader.seek_relative(count as i64 * self.header.dtype.size as i64)?;
        self.left -= count;
        Ok(())
    }
}

/// Refuses what would not fit into memory, in bytes, before it is taken.
pub(super) fn check_memory(needed: u64) -> Result<(), NpyError> {
    if needed <= SMALL {
        return Ok(());
    }
    match machine::available_memory() {
        Some(available) if needed > available => Err(NpyError::Memory { needed, available }),
        _ => Ok(()),
    }
}

/// Values whose first axis varies fastest, in the order in which the last one does.
fn row_major<T: Number>(values: &[T], shape: &[usize]) -> Vec<T> {
    let strides: Vec<usize> =
        shape.iter().scan(1, |stride, &length| Some(std::mem::replace(stride, *stride * length))).collect();
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    while ordered.len() < values.len() {
        ordered.push(values[index.iter().zip(&strides).map(|(at, stride)| at * stride).sum::<usize>()]);
        // To the next index: the last axis that can go on does, and those after it begin again.
        for (at, &length) in index.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < length {
                break;
            }
            *at = 0;
        }
    }
    ordered
}

/// Reads until `buffer` is full or the file ends; the number of bytes read.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut found = 0;
    while found < buffer.len() {
        match reader.read(&mut buffer[found..]) {
            Ok(0) => break,
            Ok(read) => found += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "../npy_tests.rs"]
mod tests;
