//! Files with an array that users bring. What a file is, is told by its contents, not by its name.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use thiserror::Error;

use super::npy::{Array, Header, NpyError, check_memory};
use super::npz::{Npz, NpzError};

/// Why a file has no array to read.
#[derive(Debug, Error)]
pub enum ArrayProblem {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Npy(#[from] NpyError),
    #[error("{0}")]
    Npz(#[from] NpzError),
    #[error("is not a regular file")]
    NotRegular,
    #[error("is {0}, not an .npy or .npz file of numpy")]
    Other(&'static str),
}

/// Which array of an archive is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Names that are taken before others; the first one is told in messages.
    pub names: &'static [&'static str],
    /// Whether an array of another name, but this shape, can be meant.
    pub fits: fn(&[usize]) -> bool,
    /// That shape, in words.
    pub expected: &'static str,
}

/// Archives with more arrays than this hold none that could be meant.
const MOST_ARRAYS: usize = 64;

/// A file that is known to be of one of the two formats.
pub(super) enum Source {
    Npy { file: BufReader<File>, length: u64 },
    Npz(Npz),
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, ArrayProblem> {
        let (mut file, length) = open_regular(path)?;
        let mut start = Vec::new();
        (&mut file).take(8).read_to_end(&mut start)?;
        file.rewind()?;
        match start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Self::Npy { file: BufReader::new(file), length }),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Npz(Npz::open(file)?)),
            [] => Err(ArrayProblem::Other("empty")),
            [0x80, 2..=5, ..] => Err(ArrayProblem::Other("a pickle of Python, which could run any program")),
            [0x89, b'H', b'D', b'F', ..] => Err(ArrayProblem::Other("an HDF5 file")),
            [0x89, b'P', b'N', b'G', ..]
            | [0xff, 0xd8, 0xff, ..]
            | [b'I', b'I', 42, 0, ..]
            | [b'M', b'M', 0, 42, ..] => Err(ArrayProblem::Other("a picture")),
            _ => Err(ArrayProblem::Other("something else")),
        }
    }

    /// Passes the array that is wanted to `read`.
    pub fn read<T>(
        self,
        wanted: Wanted,
        read: impl FnOnce(&mut Array<&mut dyn Read>) -> Result<T, NpyError>,
    ) -> Result<T, ArrayProblem> {
        match self {
            Self::Npy { mut file, length } => read_npy(&mut file, length, wanted, read),
            Self::Npz(mut archive) => {
                let name = choose(&mut archive, wanted)?;
                Ok(archive.read(&name, |array| checked(array, wanted, read))?)
            }
        }
    }
}

/// Passes the array in an .npy file of `length` bytes to `read`.
pub(super) fn read_npy<T>(
    file: &mut dyn Read,
    length: u64,
    wanted: Wanted,
    read: impl FnOnce(&mut Array<&mut dyn Read>) -> Result<T, NpyError>,
) -> Result<T, ArrayProblem> {
    Ok(checked(&mut Array::open(file, length)?, wanted, read)?)
}

fn checked<T>(
    array: &mut Array<&mut dyn Read>,
    wanted: Wanted,
    read: impl FnOnce(&mut Array<&mut dyn Read>) -> Result<T, NpyError>,
) -> Result<T, NpyError> {
    if !(wanted.fits)(&array.header.shape) {
        return Err(NpyError::Shape { found: array.header.shape.clone(), expected: wanted.expected });
    }
    read(array)
}

/// Opens a file and passes the array that is wanted to `read`.
pub(super) fn read_array<T>(
    path: &Path,
    wanted: Wanted,
    read: impl FnOnce(&mut Array<&mut dyn Read>) -> Result<T, NpyError>,
) -> Result<T, ArrayProblem> {
    Source::open(path)?.read(wanted, read)
}

/// Opens a regular file for reading, and tells its length. Others, such as FIFOs, might never end, or not even begin.
pub(super) fn open_regular(path: &Path) -> Result<(File, u64), ArrayProblem> {
    if !fs::metadata(path)?.is_file() {
        return Err(ArrayProblem::NotRegular);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// The contents of a regular file.
pub(super) fn read_regular(path: &Path) -> Result<Vec<u8>, ArrayProblem> {
    let (mut file, length) = open_regular(path)?;
    check_memory(length)?;
    let mut contents = Vec::new();
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

/// The array that is called as it should be, or else the only one that can be meant.
fn choose(archive: &mut Npz, wanted: Wanted) -> Result<String, NpzError> {
    if let Some(name) = wanted.names.iter().find(|name| archive.has(name)) {
        return Ok((*name).to_owned());
    }
    let mut names = archive.names();
    let mut fitting = Vec::new();
    let mut present = Vec::new();
    for name in names.iter().take(MOST_ARRAYS) {
        // An array that cannot be read is none that can be meant, unless it is the only one.
        match archive.header(name) {
            Ok(Header { dtype, shape, .. }) => {
                if dtype.is_number() && (wanted.fits)(&shape) {
                    fitting.push(name.clone());
                }
                present.push(format!("{name:?} ({} {shape:?})", dtype.name()));
            }
            Err(_) => present.push(format!("{name:?}")),
        }
    }
    if fitting.len() == 1 {
        return Ok(fitting.remove(0));
    }
    match names.len() {
        0 => Err(NpzError::Empty),
        1 => Ok(names.remove(0)),
        _ => Err(NpzError::Several { wanted: wanted.names[0], present }),
    }
}
