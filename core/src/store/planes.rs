//! Arrays that are read and written some planes at a time, so that memory does not grow with their number.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use super::arrays::{ArrayError, ArrayProblem, IMAGES, Layout, MAPS, NpyError, planes_of};
use super::npy::{Array, DType, Element, Header, write_values};
use super::source::{Wanted, open_regular, read_array};
use crate::disk;
use crate::raster::{ImageShape, Planes, RasterStack, UnreadablePlanes};

/// Floats from here on are grey levels rather than intensities, which reach 1.2.
const GREY_LEVELS: f32 = 100.0;

/// Reads the planes of an array one after the other.
struct PlaneReader<'a, R> {
    layout: Layout,
    left: usize,
    values: Values<'a, R>,
}

/// Where the values of planes come from.
enum Values<'a, R> {
    /// From the file, as they are asked for.
    File(&'a mut Array<R>),
    /// The planes of an array in column-major order lie across the whole file, so all of it is read.
    Memory(std::vec::IntoIter<f32>),
}

impl<'a, R: Read> PlaneReader<'a, R> {
    /// Goes on after the header.
    fn new(array: &'a mut Array<R>) -> Result<Self, NpyError> {
        let layout = layout_of(&array.header)?;
        let values = match array.header.is_column_major {
            true => Values::Memory(array.all()?.into_iter()),
            false => Values::File(array),
        };
        Ok(Self { layout, left: layout.count, values })
    }

    /// Numbers of an image.
    fn values(&self) -> usize {
        self.layout.image.values()
    }

    /// The pixels of the next `count` images, of fewer where the array ends.
    fn next(&mut self, count: usize) -> Result<Vec<f32>, NpyError> {
        let count = count.min(self.left);
        let values = count * self.values();
        let pixels = match &mut self.values {
            Values::File(array) => array.next(values)?,
            Values::Memory(all) => all.take(values).collect(),
        };
        self.left -= count;
        Ok(self.layout.ordered(pixels))
    }

    fn skip(&mut self, count: usize) -> Result<(), NpyError> {
        let count = count.min(self.left);
        let values = count * self.values();
        match &mut self.values {
            Values::File(array) => array.skip(values)?,
            Values::Memory(all) => drop(all.take(values).collect::<Vec<f32>>()),
        }
        self.left -= count;
        Ok(())
    }
}

fn layout_of(header: &Header) -> Result<Layout, NpyError> {
    planes_of(&header.shape).ok_or_else(|| NpyError::Shape { found: header.shape.clone(), expected: MAPS.expected })
}

/// How many images or maps an `.npy` file has, and the shape of each.
pub fn read_shape(path: &Path) -> Result<(usize, ImageShape), ArrayError> {
    in_file(path, |array| layout_of(&array.header).map(|layout| (layout.count, layout.image)))
}

/// Some planes of an `.npy` file by their index; fewer where the array ends before.
pub fn read_planes(path: &Path, range: Range<usize>) -> Result<RasterStack, ArrayError> {
    in_file(path, |array| {
        let layout = layout_of(&array.header)?;
        let (first, values) = (range.start.min(layout.count), layout.image.values());
        let pixels = match array.header.is_column_major {
            true => {
                let mut planes = PlaneReader::new(array)?;
                planes.skip(first)?;
                planes.next(range.len())?
            }
            false => {
                array.seek(first * values)?;
                layout.ordered(array.next(range.len().saturating_mul(values))?)
            }
        };
        Ok(RasterStack::of(layout.image, pixels))
    })
}

/// Opens an `.npy` file, and names it in errors of `read`.
fn in_file<T>(
    path: &Path,
    read: impl FnOnce(&mut Array<BufReader<File>>) -> Result<T, NpyError>,
) -> Result<T, ArrayError> {
    let read = || {
        let (file, length) = open_regular(path)?;
        Ok(read(&mut Array::open(BufReader::new(file), length)?)?)
    };
    read().map_err(|problem: ArrayProblem| ArrayError { path: path.to_owned(), problem })
}

/// Images of a file, an `.npy` array or an array of an `.npz` archive, which are read again whenever they are looked at.
#[derive(Debug, Clone)]
pub struct ImageFile {
    path: PathBuf,
    wanted: Wanted,
    dtype: DType,
    shape: ImageShape,
    /// The indices in the file of the chosen images, ascending.
    chosen: Vec<usize>,
}

impl ImageFile {
    /// Looks at the shape of the images, which all are chosen.
    pub fn open(path: &Path) -> Result<Self, UnreadablePlanes> {
        Self::open_as(path, IMAGES)
    }

    /// As [`ImageFile::open`], for relevance maps.
    pub fn open_maps(path: &Path) -> Result<Self, UnreadablePlanes> {
        Self::open_as(path, MAPS)
    }

    fn open_as(path: &Path, wanted: Wanted) -> Result<Self, UnreadablePlanes> {
        let header = read_array(path, wanted, |array| Ok(array.header.clone()));
        let header = header.map_err(|problem| unreadable(path, problem))?;
        let layout = layout_of(&header).map_err(|problem| unreadable(path, problem))?;
        let chosen = (0..layout.count).collect();
        Ok(Self { path: path.to_owned(), wanted, dtype: header.dtype, shape: layout.image, chosen })
    }

    /// Chooses some of the chosen images by their indices among these, which ascend.
    ///
    /// # Panics
    /// Panics where there are fewer images.
    pub fn select(mut self, indices: &[usize]) -> Self {
        assert!(indices.is_sorted(), "images are read in the order of the file");
        self.chosen = indices.iter().map(|&index| self.chosen[index]).collect();
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all chosen images into memory.
    pub fn load(&self) -> Result<RasterStack, UnreadablePlanes> {
        let mut all = Vec::new();
        self.visit(self.chosen.len().max(1), &mut |pixels| {
            all.extend_from_slice(pixels);
            ControlFlow::Continue(())
        })?;
        Ok(RasterStack::of(self.shape, all))
    }

    /// What a user should know of the scale of images whose values have this extent: grey levels are mostly kept as whole
    /// numbers up to 255, while networks are trained on intensities up to about 1.
    pub fn note_on_scale(&self, [low, high]: [f32; 2]) -> Option<String> {
        let is_scaled = match self.dtype.is_integer() {
            true => low >= 0.0 && high <= 1.0,
            false => high < GREY_LEVELS,
        };
        (!is_scaled && low <= high).then(|| {
            let levels = if high <= 255.0 { 255 } else { 65_535 };
            format!(
                "{} holds {} values from {low} to {high}, which are read as they are; the images of pumpkins have values \
                 from 0 to about 1. If these are grey levels, save images.astype(\"float32\") / {levels} instead",
                self.path.display(),
                self.dtype.name()
            )
        })
    }

    /// Opens the file and calls `read`.
    fn read<T>(
        &self,
        read: impl FnOnce(&mut PlaneReader<&mut dyn Read>) -> Result<T, NpyError>,
    ) -> Result<T, UnreadablePlanes> {
        let values = read_array(&self.path, self.wanted, |array| {
            let mut planes = PlaneReader::new(array)?;
            if planes.layout.image != self.shape || self.chosen.last().is_some_and(|&last| planes.left <= last) {
                return Err(NpyError::Header("it is not the one that was there before"));
            }
            read(&mut planes)
        });
        values.map_err(|problem| unreadable(&self.path, problem))
    }
}

impl Planes for ImageFile {
    fn count(&self) -> usize {
        self.chosen.len()
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn visit(&self, batch: usize, visit: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<(), UnreadablePlanes> {
        self.read(|planes| {
            let mut at = 0;
            for batch in self.chosen.chunks(batch) {
                let mut pixels = Vec::new();
                // Images that follow each other in the file are read at once.
                for run in batch.chunk_by(|one, next| one + 1 == *next) {
                    planes.skip(run[0] - at)?;
                    let read = planes.next(run.len())?;
                    check_finite(&read, planes.values(), run[0])?;
                    at = run[0] + run.len();
                    if pixels.is_empty() { pixels = read } else { pixels.extend(read) }
                }
                if visit(&pixels).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Refuses pixels of images of so many `values` each, from index `first` on, that are not finite.
fn check_finite(pixels: &[f32], values: usize, first: usize) -> Result<(), NpyError> {
    match pixels.iter().position(|pixel| !pixel.is_finite()) {
        Some(at) => Err(NpyError::NotFinite { item: first + at / values }),
        None => Ok(()),
    }
}

fn unreadable(path: &Path, problem: impl Into<ArrayProblem>) -> UnreadablePlanes {
    UnreadablePlanes(ArrayError { path: path.to_owned(), problem: problem.into() }.into())
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
#[path = "planes_tests.rs"]
mod tests;
