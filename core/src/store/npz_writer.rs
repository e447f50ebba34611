//! Archives of arrays that NumPy opens as they are. The same arrays give the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::npy::{DType, Element, Header, Kind, write_array};
use crate::disk;

/// An archive of arrays while it is written.
pub(super) struct NpzWriter {
    zip: ZipWriter<BufWriter<File>>,
}

impl NpzWriter {
    /// Begins a file; one that is there is replaced.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { zip: ZipWriter::new(BufWriter::new(disk::create(path)?)) })
    }

    /// Ends the archive.
    pub fn finish(self) -> io::Result<()> {
        self.zip.finish()?.flush()
    }

    /// Starts the file of an array: stored as it is, since noise does not compress and stored arrays load at once.
    pub fn start(&mut self, name: &str) -> io::Result<&mut ZipWriter<BufWriter<File>>> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        self.zip.start_file(format!("{name}.npy"), options)?;
        Ok(&mut self.zip)
    }

    pub fn array<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> io::Result<()> {
        write_array(shape, values, self.start(name)?)
    }

    /// One value an item.
    pub fn column<I, T: Element>(&mut self, name: &str, items: &[I], value: impl Fn(&I) -> T) -> io::Result<()> {
        self.array(name, &[items.len()], &items.iter().map(value).collect::<Vec<_>>())
    }

    /// Text of a fixed width, a code point in four bytes, as numpy keeps it.
    pub fn texts(&mut self, name: &str, shape: &[usize], texts: &[&str]) -> io::Result<()> {
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        let writer = self.start(name)?;
        let dtype = DType { kind: Kind::Text, size: 4 * width, is_big_endian: false };
        Header::new(dtype, shape).write(writer)?;
        for text in texts {
            let padded = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
            writer.write_all(&padded.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
        }
        Ok(())
    }
}
