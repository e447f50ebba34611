//! The `.npy` format (numpy.lib.format, versions 1 to 3): a header in Python's notation, then plain values.
//!
//! Files come from anywhere, so nothing that a header claims is believed before it is checked.

use std::io::{self, Read, Write};

use bytemuck::Pod;
use thiserror::Error;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header that is read; those of plain arrays have about 100 bytes.
const MAX_HEADER: usize = 1 << 16;

/// Bytes that are converted at a time.
const CHUNK: usize = 1 << 16;

/// Why an array cannot be read.
#[derive(Debug, Error)]
pub enum NpyError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a .npy file")]
    NotNpy,
    #[error("the .npy header cannot be understood: {0}")]
    Header(&'static str),
    #[error("holds values of type {found}, not {expected}")]
    DType { found: String, expected: &'static str },
    #[error("has the shape {found:?}, not {expected}")]
    Shape { found: Vec<usize>, expected: &'static str },
    #[error("is in Fortran order; save numpy.ascontiguousarray(array) instead")]
    FortranOrder,
    #[error("is cut off: {found} of {expected} values are there")]
    Truncated { found: usize, expected: usize },
    #[error("its {values} values do not fit into memory")]
    Memory { values: usize },
    #[error("item {item} holds a value that is not finite; remove NaN and infinite values")]
    NotFinite { item: usize },
}

/// Type and shape of an array in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// As numpy writes it, such as "<f4".
    pub dtype: String,
    pub shape: Vec<usize>,
}

impl Header {
    pub fn new(dtype: impl Into<String>, shape: &[usize]) -> Self {
        Self { dtype: dtype.into(), shape: shape.to_vec() }
    }

    /// Number of values.
    pub fn values(&self) -> Result<usize, NpyError> {
        let product = self.shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
        product.ok_or(NpyError::Header("the shape is too large"))
    }

    /// Bytes of a float; of other values they do not matter, since those are not read.
    pub fn value_size(&self) -> usize {
        if self.dtype == f64::DTYPE { f64::SIZE } else { f32::SIZE }
    }

    pub fn read(reader: &mut impl Read) -> Result<Self, NpyError> {
        let mut start = [0; 8];
        fill(reader, &mut start)?;
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(NpyError::NotNpy);
        }
        let mut length = [0; 4];
        match version[0] {
            1 => fill(reader, &mut length[..2])?,
            2 | 3 => fill(reader, &mut length)?,
            _ => return Err(NpyError::Header("its version is unknown")),
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err(NpyError::Header("it is too long"));
        }
        let mut text = vec![0; length];
        fill(reader, &mut text)?;
        Self::parse(std::str::from_utf8(&text).map_err(|_| NpyError::Header("it is not text"))?)
    }

    /// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 98, 98), }", whatever the order of the entries.
    fn parse(text: &str) -> Result<Self, NpyError> {
        let value = |key: &str| {
            let (_, after) = text.split_once(key)?;
            after.trim_start().strip_prefix(':').map(str::trim_start)
        };
        let dtype = value("'descr'").and_then(|text| text.strip_prefix('\'')?.split_once('\''));
        let (dtype, _) = dtype.ok_or(NpyError::Header("it names no plain type"))?;
        let order = value("'fortran_order'").ok_or(NpyError::Header("it names no order"))?;
        let shape = value("'shape'").and_then(|text| text.strip_prefix('(')?.split_once(')'));
        let (lengths, _) = shape.ok_or(NpyError::Header("it names no shape"))?;
        let shape = lengths.split(',').map(str::trim).filter(|length| !length.is_empty());
        let shape = shape.map(str::parse).collect::<Result<Vec<usize>, _>>();
        let header = Self::new(dtype, &shape.map_err(|_| NpyError::Header("its shape is not made of numbers"))?);
        // The order of values only matters where there are several dimensions.
        if order.starts_with("True") && header.shape.len() > 1 {
            return Err(NpyError::FortranOrder);
        }
        Ok(header)
    }

    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let lengths: String = self.shape.iter().map(|length| format!("{length}, ")).collect();
        let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({lengths}), }}", self.dtype);
        // Values start at a multiple of 64 bytes.
        let start = MAGIC.len() + 4 + text.len() + 1;
        text.extend(std::iter::repeat_n(' ', start.next_multiple_of(64) - start));
        text.push('\n');
        writer.write_all(MAGIC)?;
        writer.write_all(&[1, 0])?;
        writer.write_all(&(text.len() as u16).to_le_bytes())?;
        writer.write_all(text.as_bytes())
    }
}

/// A number that arrays are made of.
pub(super) trait Element: Pod {
    const DTYPE: &'static str;
    const SIZE: usize = size_of::<Self>();
    /// From the order of bytes in files to that of this machine, or back: mostly they are the same.
    fn little_endian(self) -> Self;
}

macro_rules! element {
    ($($number:ty, $dtype:literal, $bits:ty;)*) => {$(
        impl Element for $number {
            const DTYPE: &'static str = $dtype;

            fn little_endian(self) -> Self {
                bytemuck::cast(bytemuck::cast::<Self, $bits>(self).to_le())
            }
        }
    )*};
}

element! {
    f32, "<f4", u32;
    f64, "<f8", u64;
    i32, "<i4", u32;
    u32, "<u4", u32;
    u64, "<u8", u64;
}

/// Reads `count` values, whatever they are called in the header.
pub(super) fn read_values<T: Element>(reader: &mut impl Read, count: usize) -> Result<Vec<T>, NpyError> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| NpyError::Memory { values: count })?;
    while values.len() < count {
        let start = values.len();
        // Zeros that are written over while they are in the cache cost next to nothing.
        values.resize(count.min(start + CHUNK / T::SIZE), T::zeroed());
        let wanted: &mut [u8] = bytemuck::cast_slice_mut(&mut values[start..]);
        let (wanted, found) = (wanted.len(), read_up_to(reader, wanted)?);
        if found < wanted {
            return Err(NpyError::Truncated { found: start + found / T::SIZE, expected: count });
        }
        if cfg!(target_endian = "big") {
            values[start..].iter_mut().for_each(|value| *value = value.little_endian());
        }
    }
    Ok(values)
}

/// Reads a float32 or float64 array after its header.
pub(super) fn read_floats(header: &Header, reader: &mut impl Read) -> Result<Vec<f32>, NpyError> {
    read_some_floats(header, reader, header.values()?)
}

/// Reads the next `count` values of a float32 or float64 array.
pub(super) fn read_some_floats(header: &Header, reader: &mut impl Read, count: usize) -> Result<Vec<f32>, NpyError> {
    match header.dtype.as_str() {
        f32::DTYPE => read_values(reader, count),
        f64::DTYPE => {
            let values: Vec<f64> = read_values(reader, count)?;
            Ok(values.into_iter().map(|value| value as f32).collect())
        }
        other => Err(NpyError::DType { found: other.to_owned(), expected: "little-endian float32 or float64" }),
    }
}

/// Writes a header and its values.
///
/// # Panics
/// Panics when the shape does not fit the number of values.
pub(super) fn write_array<T: Element>(shape: &[usize], values: &[T], writer: &mut impl Write) -> io::Result<()> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "an array of shape {shape:?}");
    Header::new(T::DTYPE, shape).write(writer)?;
    write_values(values, writer)
}

/// Writes values after a header.
pub(super) fn write_values<T: Element>(values: &[T], writer: &mut impl Write) -> io::Result<()> {
    if cfg!(target_endian = "little") {
        return writer.write_all(bytemuck::cast_slice(values));
    }
    for chunk in values.chunks(CHUNK / T::SIZE) {
        let swapped: Vec<T> = chunk.iter().map(|value| value.little_endian()).collect();
        writer.write_all(bytemuck::cast_slice(&swapped))?;
    }
    Ok(())
}

/// Fills `buffer` from the head of a file, which is no `.npy` file where that ends too early.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), NpyError> {
    let found = read_up_to(reader, buffer)?;
    if found < buffer.len() { Err(NpyError::NotNpy) } else { Ok(()) }
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
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    fn array(header: &str, values: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
    }

    fn read(mut bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), NpyError> {
        let header = Header::read(&mut bytes)?;
        let values = read_floats(&header, &mut bytes)?;
        Ok((header.shape, values))
    }

    #[test]
    fn arrays_are_written_as_numpy_does() {
        let mut bytes = Vec::new();
        write_array(&[2, 1], &[1.0_f32, -2.5], &mut bytes).unwrap();
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, ), }   "));
        assert_eq!(bytes[127], b'\n');
        assert_eq!(&bytes[128..], [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        assert_eq!(read(&bytes).unwrap(), (vec![2, 1], vec![1.0, -2.5]));
    }

    #[test]
    fn more_values_than_a_chunk_survive() {
        let values: Vec<f32> = (0..2 * CHUNK as u32 + 7).map(|k| k as f32).collect();
        let mut bytes = Vec::new();
        write_array(&[values.len()], &values, &mut bytes).unwrap();
        assert_eq!(read(&bytes).unwrap().1, values);
    }

    #[test]
    fn headers_of_other_writers_are_understood() {
        let doubles = [0.5_f64, 3.0].map(f64::to_le_bytes).concat();
        let reordered = "{'shape':(2,),'descr':'<f8','fortran_order':True}";
        assert_eq!(read(&array(reordered, &doubles)).unwrap(), (vec![2], vec![0.5, 3.0]));
        let scalar = "{'descr': '<f8', 'fortran_order': False, 'shape': (), }";
        assert_eq!(read(&array(scalar, &doubles)).unwrap(), (vec![], vec![0.5]));
    }

    #[test]
    fn what_is_no_array_of_floats_is_named() {
        let header = |dtype, order, shape| {
            array(&format!("{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}"), &[0; 8])
        };
        assert!(matches!(read(b"PK\x03\x04 and so on"), Err(NpyError::NotNpy)));
        assert!(matches!(read(b""), Err(NpyError::NotNpy)));
        assert!(matches!(read(&header("'<i8'", "False", "(1,)")), Err(NpyError::DType { .. })));
        assert!(matches!(read(&header("'>f4'", "False", "(1,)")), Err(NpyError::DType { .. })));
        assert!(matches!(read(&header("[('a', '<f4')]", "False", "(1,)")), Err(NpyError::Header(_))));
        assert!(matches!(read(&header("'<f4'", "True", "(2, 1)")), Err(NpyError::FortranOrder)));
        assert!(matches!(read(&header("'<f4'", "False", "(-2,)")), Err(NpyError::Header(_))));
        assert!(matches!(read(&header("'<f4'", "False", "(4294967296, 4294967296)")), Err(NpyError::Header(_))));
        assert!(matches!(read(&header("'<f4'", "False", "(9223372036854775807,)")), Err(NpyError::Memory { .. })));
        assert!(matches!(read(&header("'<f4'", "False", "(3,)")), Err(NpyError::Truncated { found: 2, expected: 3 })));
    }

    #[test]
    fn damaged_files_never_panic() {
        let mut bytes = Vec::new();
        write_array(&[3, 2, 2], &[0.25_f32; 12], &mut bytes).unwrap();
        assert!((0..bytes.len()).all(|length| read(&bytes[..length]).is_err()));
        let mut rng = seed::stream(0, "damage", 0);
        for _ in 0..5000 {
            let mut damaged = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                damaged[rng.random_range(0..bytes.len())] = rng.random();
            }
            if let Ok((shape, values)) = read(&damaged) {
                assert_eq!(shape.iter().product::<usize>(), values.len());
            }
        }
    }
}
