//! Images, maps and vectors as `.npy` files that NumPy opens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use super::npy::NpyError;
use super::npy::{self, Header, read_floats};
use crate::disk;
use crate::raster::RasterStack;

/// A file that cannot be read as the array it should be.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct ArrayError {
    pub path: PathBuf,
    pub problem: NpyError,
}

/// Reads planes of shape `[n, height, width]`, float32 or float64.
pub fn read_stack(path: &Path) -> Result<RasterStack, ArrayError> {
    let (shape, values) =
        read(path, |shape| matches!(shape, &[_, height, width] if height > 0 && width > 0), "[n, height, width]")?;
    Ok(RasterStack::new(shape[1], shape[2], values))
}

/// Reads a vector of shape `[n]`, float32 or float64.
pub fn read_vector(path: &Path) -> Result<Vec<f32>, ArrayError> {
    Ok(read(path, |shape| matches!(shape, [_]), "[n]")?.1)
}

/// Reads an array of shape `[n, m, 3]`, float32 or float64, as n * m triples.
pub fn read_triples(path: &Path) -> Result<Vec<[f32; 3]>, ArrayError> {
    let (_, values) = read(path, |shape| matches!(shape, [_, _, 3]), "[n, m, 3]")?;
    Ok(values.as_chunks().0.to_vec())
}

/// Writes planes as float32 of shape `[n, height, width]`; a file that is there is replaced.
pub fn write_stack(stack: &RasterStack, path: &Path) -> io::Result<()> {
    write_array(&[stack.len(), stack.height(), stack.width()], stack.pixels(), path)
}

/// Writes a vector as float32 of shape `[n]`; a file that is there is replaced.
pub fn write_vector(values: &[f32], path: &Path) -> io::Result<()> {
    write_array(&[values.len()], values, path)
}

fn read(
    path: &Path,
    fits: impl Fn(&[usize]) -> bool,
    expected: &'static str,
) -> Result<(Vec<usize>, Vec<f32>), ArrayError> {
    let values = || {
        let mut file = File::open(path)?;
        let header = Header::read(&mut file)?;
        if !fits(&header.shape) {
            return Err(NpyError::Shape { found: header.shape, expected });
        }
        let values = read_floats(&header, &mut file)?;
        Ok((header.shape, values))
    };
    values().map_err(|problem| ArrayError { path: path.to_owned(), problem })
}

/// Writes values as float32 of any shape; a file that is there is replaced.
pub fn write_array(shape: &[usize], values: &[f32], path: &Path) -> io::Result<()> {
    let mut writer = BufWriter::new(disk::create(path)?);
    npy::write_array(shape, values, &mut writer)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_and_vectors_survive_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.npy");
        let stack = RasterStack::new(2, 3, (0..24).map(|k| k as f32 / 7.0).collect());
        write_stack(&stack, &path).unwrap();
        assert_eq!(read_stack(&path).unwrap(), stack);
        write_vector(&[1.5, f32::MIN_POSITIVE], &path).unwrap();
        assert_eq!(read_vector(&path).unwrap(), [1.5, f32::MIN_POSITIVE]);
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ages.npy");
        assert!(matches!(read_stack(&path).unwrap_err().problem, NpyError::Io(_)));
        write_vector(&[20.0, 30.0], &path).unwrap();
        let message = read_stack(&path).unwrap_err().to_string();
        assert!(message.ends_with("ages.npy: has the shape [2], not [n, height, width]"), "{message}");
        write_array(&[4, 0, 98], &[], &path).unwrap();
        assert!(matches!(read_stack(&path).unwrap_err().problem, NpyError::Shape { .. }));
    }
}
