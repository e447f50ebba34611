//! `.npz` archives: arrays as members of a zip file, stored or deflated.

use std::fs::File;
use std::io::{self, BufReader, Read};

use thiserror::Error;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::npy::{Array, Header, NpyError};

/// Deflate makes 258 bytes of two bits at best, so no honest member grows further.
const MOST_GROWTH: u64 = 1032;

/// Larger arrays must not grow by more than [`MOST_IMAGES_GROW`]: what does is made to fill memory and disks.
const LARGE: u64 = 1 << 28;

/// Images that hold anything at all do not compress so well.
const MOST_IMAGES_GROW: u64 = 200;

/// How arrays are called inside the archive.
const EXTENSION: &str = ".npy";

/// Why an array of an archive cannot be read.
#[derive(Debug, Error)]
pub enum NpzError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("is not a readable .npz file: {0}")]
    Zip(#[from] ZipError),
    #[error("has two arrays of the same name")]
    Twice,
    #[error("has no arrays")]
    Empty,
    #[error("has no array {name:?}; there are: {present:?}")]
    Missing { name: String, present: Vec<String> },
    #[error(
        "has several arrays, and none is called {wanted}: {}; save the one that is meant alone, with \
         numpy.save(\"{wanted}.npy\", archive[\"NAME\"])", present.join(", ")
    )]
    Several { wanted: &'static str, present: Vec<String> },
    #[error("array {name:?} {problem}")]
    Array {
        name: String,
        #[source]
        problem: NpyError,
    },
    #[error("array {name:?} is damaged: {reason}")]
    Damaged {
        name: String,
        #[source]
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("array {name:?} is encrypted; save it without a password")]
    Encrypted { name: String },
    #[error(
        "array {name:?} would grow from {packed} to {length} bytes, which only files made to fill memory do; save it \
         uncompressed with numpy.savez if it is meant so"
    )]
    Bomb { name: String, packed: u64, length: u64 },
}

/// An archive whose arrays can be read one at a time.
#[derive(Debug)]
pub(super) struct Npz {
    archive: ZipArchive<BufReader<File>>,
    length: u64,
}

impl Npz {
    pub fn open(file: File) -> Result<Self, NpzError> {
        let length = file.metadata()?.len();
        let archive = ZipArchive::new(BufReader::new(file))?;
        if archive.has_duplicate_names() {
            return Err(NpzError::Twice);
        }
        Ok(Self { archive, length })
    }

    /// The names of all arrays; other members are passed over.
    pub fn names(&self) -> Vec<String> {
        let names = self.archive.file_names().filter_map(Result::ok);
        names.filter_map(|name| name.strip_suffix(EXTENSION).map(str::to_owned)).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(&format!("{name}{EXTENSION}")).is_some()
    }

    pub fn header(&mut self, name: &str) -> Result<Header, NpzError> {
        self.read(name, |array| Ok(array.header.clone()))
    }

    /// Passes an array to `read`. Where that reads it to its end, the checksum is verified.
    pub fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Array<&mut dyn Read>) -> Result<T, NpyError>,
    ) -> Result<T, NpzError> {
        let index = self.archive.index_for_name(&format!("{name}{EXTENSION}"));
        let index = index.ok_or_else(|| NpzError::Missing { name: name.to_owned(), present: self.names() })?;
        let name = || name.to_owned();
        let damaged = |reason| NpzError::Damaged { name: name(), reason };
        let about = self.archive.by_index_raw(index)?;
        if about.encrypted() {
            return Err(NpzError::Encrypted { name: name() });
        }
        let (packed, length) = (about.compressed_size(), about.size());
        let is_stored = about.compression() == CompressionMethod::Stored;
        drop(about);
        if packed > self.length || (is_stored && packed != length) || length / MOST_GROWTH > packed {
            return Err(damaged("the archive claims sizes that it cannot have".into()));
        }
        if length > LARGE && length / MOST_IMAGES_GROW > packed {
            return Err(NpzError::Bomb { name: name(), packed, length });
        }
        let mut member = self.archive.by_index(index)?;
        let member: &mut dyn Read = &mut member;
        let value = Array::open(member, length).and_then(|mut array| {
            let value = read(&mut array)?;
            if array.is_over() {
                array.finish()?;
            }
            Ok(value)
        });
        value.map_err(|problem| match problem {
            // The archive's reader reports damage in this way, a wrong checksum among it.
            NpyError::Io(error) if error.raw_os_error().is_none() => damaged(error.into()),
            problem => NpzError::Array { name: name(), problem },
        })
    }
}

#[cfg(test)]
#[path = "npz_tests.rs"]
mod tests;
