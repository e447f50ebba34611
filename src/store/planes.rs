//! Arrays that are read and written some planes at a time, so that memory does not grow with their number.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use super::arrays::{ArrayError, NpyError};
use super::dataset::open_images;
use super::npy::{Element, Header, read_some_floats, write_values};
use crate::disk;
use crate::raster::{Planes, RasterStack, UnreadablePlanes};

/// Reads the planes of an array `[n, height, width]`, float32 or float64, one after the other.
#[derive(Debug)]
struct PlaneReader<R> {
    header: Header,
    shape: [usize; 3],
    reader: R,
    left: usize,
}

impl<R: Read> PlaneReader<R> {
    /// Goes on after the header.
    fn new(header: Header, reader: R) -> Result<Self, NpyError> {
        header.values()?;
        match header.shape[..] {
            [count, height, width] if height > 0 && width > 0 => {
                Ok(Self { shape: [count, height, width], left: count, header, reader })
            }
            _ => Err(NpyError::Shape { found: header.shape, expected: "[n, height, width]" }),
        }
    }

    fn area(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// The pixels of the next `count` planes, of fewer where the array ends.
    fn next(&mut self, count: usize) -> Result<Vec<f32>, NpyError> {
        let count = count.min(self.left);
        let values = count * self.area();
        let values = read_some_floats(&self.header, &mut self.reader, values);
        let read = self.shape[0] - self.left;
        let pixels = values.map_err(|problem| match problem {
            // What is missing is counted over the whole array.
            NpyError::Truncated { found, .. } => {
                NpyError::Truncated { found: read * self.area() + found, expected: self.shape[0] * self.area() }
            }
            problem => problem,
        })?;
        self.left -= count;
        Ok(pixels)
    }

    fn skip(&mut self, mut count: usize) -> Result<(), NpyError> {
        count = count.min(self.left);
        let bytes = (count * self.area() * self.header.value_size()) as u64;
        let skipped = io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink())?;
        if skipped < bytes {
            let found = (self.shape[0] - self.left) * self.area() + skipped as usize / self.header.value_size();
            return Err(NpyError::Truncated { found, expected: self.shape[0] * self.area() });
        }
        self.left -= count;
        Ok(())
    }
}

/// The shape `[n, height, width]` of an `.npy` file of planes.
pub fn read_shape(path: &Path) -> Result<[usize; 3], ArrayError> {
    open(path).map(|planes| planes.shape)
}

/// Some planes of an `.npy` file by their index, of float32 or float64; fewer where the array ends before.
pub fn read_planes(path: &Path, range: Range<usize>) -> Result<RasterStack, ArrayError> {
    let mut planes = open(path)?;
    let read = || {
        let first = range.start.min(planes.left);
        planes.reader.seek_relative((first * planes.area() * planes.header.value_size()) as i64)?;
        planes.left -= first;
        planes.next(range.len())
    };
    let pixels = in_file(path, read)?;
    Ok(RasterStack::new(planes.shape[1], planes.shape[2], pixels))
}

fn open(path: &Path) -> Result<PlaneReader<BufReader<File>>, ArrayError> {
    in_file(path, || {
        let mut reader = BufReader::new(File::open(path)?);
        PlaneReader::new(Header::read(&mut reader)?, reader)
    })
}

/// Names the file in errors of `read`.
fn in_file<T>(path: &Path, read: impl FnOnce() -> Result<T, NpyError>) -> Result<T, ArrayError> {
    read().map_err(|problem| ArrayError { path: path.to_owned(), problem })
}

/// Images of a file, an `.npy` array or a data set (`.npz`), which are read again whenever they are looked at.
#[derive(Debug, Clone)]
pub struct ImageFile {
    path: PathBuf,
    /// Of the chosen images.
    shape: [usize; 3],
    range: Range<usize>,
}

impl ImageFile {
    /// Looks at the shape of the images, which all are chosen.
    pub fn open(path: &Path) -> Result<Self, UnreadablePlanes> {
        let shape = with_planes(path, |planes| Ok(planes.shape))?;
        Ok(Self { path: path.to_owned(), shape, range: 0..shape[0] })
    }

    /// Chooses some of the images by their index in the file.
    ///
    /// # Panics
    /// Panics where there are fewer images.
    pub fn slice(mut self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.range.len(), "images {range:?} of {}", self.range.len());
        self.range = self.range.start + range.start..self.range.start + range.end;
        self.shape[0] = self.range.len();
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Planes for ImageFile {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn visit(&self, batch: usize, visit: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<(), UnreadablePlanes> {
        let mut left = self.range.len();
        with_planes(&self.path, |planes| {
            planes.skip(self.range.start)?;
            while left > 0 {
                let pixels = planes.next(batch.min(left))?;
                if pixels.is_empty() {
                    return Err(NpyError::Header("it names fewer images than before"));
                }
                if let Some(at) = pixels.iter().position(|pixel| !pixel.is_finite()) {
                    return Err(NpyError::NotFinite { item: self.range.end - left + at / planes.area() });
                }
                left -= pixels.len() / planes.area();
                if visit(&pixels).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Opens the images of a file and passes them to `read`.
fn with_planes<T>(
    path: &Path,
    read: impl FnOnce(&mut PlaneReader<&mut dyn Read>) -> Result<T, NpyError>,
) -> Result<T, UnreadablePlanes> {
    if path.extension().is_some_and(|extension| extension == "npz") {
        let read = open_images(path, |header, values| read(&mut PlaneReader::new(header, values)?));
        return read.map_err(|error| UnreadablePlanes(error.to_string()));
    }
    let read = in_file(path, || {
        let mut reader = BufReader::new(File::open(path)?);
        let header = Header::read(&mut reader)?;
        let values: &mut dyn Read = &mut reader;
        read(&mut PlaneReader::new(header, values)?)
    });
    read.map_err(|error| UnreadablePlanes(error.to_string()))
}

/// Writes a float32 array of known shape, some values at a time.
#[derive(Debug)]
pub struct ArrayWriter<W: Write = File> {
    writer: BufWriter<W>,
    missing: usize,
}

impl ArrayWriter {
    /// Begins a file; one that is there is replaced.
    pub fn create(path: &Path, shape: &[usize]) -> io::Result<Self> {
        Self::new(disk::create(path)?, shape)
    }
}

impl<W: Write> ArrayWriter<W> {
    /// Begins an array in an empty file.
    pub fn new(file: W, shape: &[usize]) -> io::Result<Self> {
        let mut writer = BufWriter::new(file);
        Header::new(f32::DTYPE, shape).write(&mut writer)?;
        Ok(Self { writer, missing: shape.iter().product() })
    }

    /// Writes the next values.
    ///
    /// # Panics
    /// Panics when there are more of them than the shape has.
    pub fn write(&mut self, values: &[f32]) -> io::Result<()> {
        self.missing = self.missing.checked_sub(values.len()).expect("no more values than the shape has");
        write_values(values, &mut self.writer)
    }

    /// Ends the array, and returns the file.
    ///
    /// # Panics
    /// Panics when values are missing.
    pub fn finish(self) -> io::Result<W> {
        assert_eq!(self.missing, 0, "an array without its last values");
        self.writer.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::silent;
    use crate::sim::{GrowthMode, simulate_ages};
    use crate::store::{arrays, dataset};

    fn stack() -> RasterStack {
        RasterStack::new(2, 3, (0..42).map(|k| k as f32 / 7.0).collect())
    }

    fn visited(planes: &dyn Planes, batch: usize) -> Vec<Vec<f32>> {
        let mut visited = Vec::new();
        let mut keep = |pixels: &[f32]| {
            visited.push(pixels.to_vec());
            ControlFlow::Continue(())
        };
        planes.visit(batch, &mut keep).unwrap();
        visited
    }

    #[test]
    fn an_array_written_in_parts_has_the_bytes_of_one_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole.npy", "parts.npy"].map(|name| folder.path().join(name));
        arrays::write_stack(&stack(), &whole).unwrap();
        for cut in [0, 1, 6, 41, 42] {
            let mut writer = ArrayWriter::create(&parts, &[7, 2, 3]).unwrap();
            writer.write(&stack().pixels()[..cut]).unwrap();
            writer.write(&stack().pixels()[cut..]).unwrap();
            writer.finish().unwrap();
            assert_eq!(std::fs::read(&parts).unwrap(), std::fs::read(&whole).unwrap(), "cut at {cut}");
        }
        let writer = ArrayWriter::create(&parts, &[1, 2]).unwrap();
        assert!(std::panic::catch_unwind(|| writer.finish()).is_err(), "values are missing");
    }

    #[test]
    fn planes_of_a_file_are_those_in_memory_whatever_the_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.npy");
        arrays::write_stack(&stack(), &path).unwrap();
        let file = ImageFile::open(&path).unwrap();
        assert_eq!((file.shape(), Planes::shape(&stack())), ([7, 2, 3], [7, 2, 3]));
        for batch in [1, 3, 7, 100] {
            let parts = visited(&file, batch);
            assert_eq!(parts, visited(&stack(), batch));
            assert_eq!((parts.concat(), parts[0].len()), (stack().pixels().to_vec(), 6 * batch.min(7)));
        }
        let some = file.slice(2..6).slice(1..4);
        assert_eq!((some.shape()[0], visited(&some, 2)), (3, visited(&stack().slice(3..6), 2)));
        assert!(visited(&some.slice(1..1), 2).is_empty());

        for range in [0..7, 2..5, 6..9, 7..8, 90..99] {
            let inside = range.start.min(7)..range.end.min(7);
            assert_eq!(read_planes(&path, range).unwrap(), stack().slice(inside));
        }
        assert_eq!(read_shape(&path).unwrap(), [7, 2, 3]);
    }

    #[test]
    fn images_of_a_data_set_are_read_without_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npz");
        let set = simulate_ages(&[20, 47, 80], GrowthMode::Human, 8, &silent).unwrap();
        dataset::save(&set, &path).unwrap();
        assert_eq!(visited(&ImageFile::open(&path).unwrap().slice(1..3), 1), visited(&set.images.slice(1..3), 1));
        assert_eq!(dataset::load_ages(&path).unwrap(), [20.0, 47.0, 80.0]);
    }

    #[test]
    fn breaking_off_ends_a_visit() {
        let mut count = 0;
        let mut stop = |_: &[f32]| {
            count += 1;
            ControlFlow::Break(())
        };
        stack().visit(2, &mut stop).unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn what_is_cut_off_or_no_stack_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps.npy");
        arrays::write_stack(&stack(), &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
        let file = ImageFile::open(&path).unwrap();
        assert!(read_planes(&path, 6..7).is_err() && read_planes(&path, 5..6).is_ok());
        let error = file.visit(3, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error.ends_with("maps.npy: is cut off: 40 of 42 values are there"), "{error}");
        let mut broken = stack();
        broken.pixels_mut()[25] = f32::NAN;
        arrays::write_stack(&broken, &path).unwrap();
        let error = ImageFile::open(&path).unwrap().slice(1..7).visit(2, &mut |_| ControlFlow::Continue(()));
        assert!(error.unwrap_err().to_string().contains("maps.npy: item 4 holds a value that is not finite"));
        arrays::write_vector(&[1.0], &path).unwrap();
        assert!(read_shape(&path).is_err() && read_planes(&path, 0..1).is_err());
        let error = ImageFile::open(&path).unwrap_err().to_string();
        assert!(error.ends_with("has the shape [1], not [n, height, width]"), "{error}");
        assert!(read_planes(&folder.path().join("none.npy"), 0..1).is_err());
    }
}
