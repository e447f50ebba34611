//! The files of a row, and the array of all images.

use std::path::Path;

use super::bad_data::{BadData, Problem};
use super::file_source::FileSource;
use super::intensity::{Intensity, standardise_image};
use super::table::Row;
use super::{fit, picture};
use crate::alive;
use crate::disk;
use crate::raster::{ImageShape, RasterStack};
use crate::store::arrays;

/// A row with what is in its files, as networks see it.
pub(super) struct Loaded {
    /// None where all images are in one array.
    pub image: Option<RasterStack>,
    /// For every region the pixels that belong to it.
    pub masks: Vec<Vec<usize>>,
    /// The labels of its pixels, where it has a file of them.
    pub labels: Option<Vec<i32>>,
    pub checksum: blake3::Hash,
}

/// Reads the files of a row. `array` is the shape of images in the array of all, before they are fitted.
pub(super) fn load(source: &FileSource, row: &Row, array: Option<ImageShape>) -> Result<Loaded, Vec<Problem>> {
    alive::tick();
    let mut problems = Vec::new();
    let mut wrong = |column: Option<&String>, path: &Path, message: String| {
        let message = format!("{}: {message}", path.display());
        problems.push(Problem { place: Some(row.place), column: column.cloned(), message });
    };
    let mut checksum = blake3::Hasher::new();
    let mut image = None;
    if let Some(path) = &row.image {
        let read = disk::read_linked(path).map_err(|error| error.to_string()).and_then(|bytes| {
            checksum.update(blake3::hash(&bytes).as_bytes());
            picture::read(path, &bytes, source.channels, source.intensity)
        });
        match read {
            Ok(read) if !read.pixels().iter().all(|value| value.is_finite()) => {
                wrong(source.image.as_ref(), path, "holds a value that is not finite".into());
            }
            Ok(read) => image = Some(read),
            Err(message) => wrong(source.image.as_ref(), path, message),
        }
    }
    // Masks and labels belong to the pixels of the file.
    let shape = image.as_ref().map(RasterStack::shape).or(array);
    let agrees = |what: &str, [height, width]: [usize; 2]| match shape {
        Some(shape) if [height, width] != [shape.height, shape.width] => {
            Err(format!("{what} {height} x {width} pixels, but the image has {shape}"))
        }
        _ => Ok(()),
    };
    let mut masks = Vec::new();
    for (column, path) in source.masks.values().zip(&row.masks) {
        let Some(path) = path else {
            checksum.update(&[0]);
            masks.push(Vec::new());
            continue;
        };
        let read = disk::read_linked(path).map_err(|error| error.to_string()).and_then(|bytes| {
            checksum.update(&[1]).update(blake3::hash(&bytes).as_bytes());
            let (pixels, sides) = picture::read_mask(path, &bytes)?;
            agrees("the mask has", sides).map(|()| source.fitted_places(&pixels, sides))
        });
        match read {
            Ok(pixels) => masks.push(pixels),
            Err(message) => wrong(Some(column), path, message),
        }
    }
    let mut labels = None;
    if let Some(path) = &row.atlas {
        let read = disk::read_linked(path).map_err(|error| error.to_string()).and_then(|bytes| {
            checksum.update(&[2]).update(blake3::hash(&bytes).as_bytes());
            let (labels, sides) = picture::read_labels(path, &bytes)?;
            agrees("the atlas has", sides).map(|()| source.fitted_labels(&labels, sides))
        });
        match read {
            Ok(read) => labels = Some(read),
            Err(message) => wrong(source.atlas.as_ref().map(|atlas| &atlas.labels), path, message),
        }
    }
    if let Some(read) = image.take() {
        let mut fitted = source.fitted(read);
        match source.intensity {
            Intensity::Zscore => match standardise_image(fitted.pixels_mut()) {
                Ok(()) => image = Some(fitted),
                Err(message) => wrong(source.image.as_ref(), row.image.as_deref().unwrap_or(Path::new("")), message),
            },
            _ => image = Some(fitted),
        }
    }
    if problems.is_empty() { Ok(Loaded { image, masks, labels, checksum: checksum.finalize() }) } else { Err(problems) }
}

impl FileSource {
    fn fitted(&self, images: RasterStack) -> RasterStack {
        match self.size {
            Some(size) => fit::images(images, size, self.fit),
            None => images,
        }
    }

    fn fitted_places(&self, pixels: &[usize], sides: [usize; 2]) -> Vec<usize> {
        fit::places(pixels, sides, self.size.unwrap_or(sides), self.fit)
    }

    pub(super) fn fitted_labels(&self, labels: &[i32], sides: [usize; 2]) -> Vec<i32> {
        fit::labels(labels, sides, self.size.unwrap_or(sides), self.fit)
    }
}

/// So many values of an array are hashed at a time.
const HASHED: usize = 1 << 16;

/// One array with the images of all rows.
pub(super) struct Array {
    pub stack: RasterStack,
    pub checksum: blake3::Hash,
}

impl Array {
    pub fn read(source: &FileSource, rows: usize) -> Result<Option<Self>, BadData> {
        let Some(name) = &source.images else { return Ok(None) };
        let path = source.table.parent().unwrap_or(Path::new("")).join(name);
        let refused = |message: String| {
            BadData::whole(path.display(), message, "give an array [n, height, width], or with channels")
        };
        let stack = arrays::read_stack(&path).map_err(|error| refused(error.problem.to_string()))?;
        if stack.len() != rows {
            return Err(refused(format!("it holds {} images, but the table has {rows} rows", stack.len())));
        }
        if source.channels.is_some_and(|channels| channels != stack.shape().channels) {
            return Err(refused(format!("its images have {} channels", stack.shape().channels)));
        }
        if let Some(place) = stack.pixels().iter().position(|value| !value.is_finite()) {
            return Err(refused(format!("image {} holds a value that is not finite", place / stack.shape().values())));
        }
        let mut checksum = blake3::Hasher::new();
        for some in stack.pixels().chunks(HASHED) {
            checksum.update(&some.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        Ok(Some(Self { checksum: checksum.finalize(), stack }))
    }

    /// The images of these rows, as networks see them.
    ///
    /// # Errors
    /// Fails for an image that cannot be standardised.
    pub fn images(self, source: &FileSource, rows: &[Row]) -> Result<RasterStack, Vec<Problem>> {
        let all = rows.len() == self.stack.len();
        let chosen =
            if all { self.stack } else { self.stack.select(&rows.iter().map(|row| row.index).collect::<Vec<_>>()) };
        let mut images = source.fitted(chosen);
        if source.intensity != Intensity::Zscore {
            return Ok(images);
        }
        let values = images.shape().values();
        let standardised = images.pixels_mut().chunks_exact_mut(values).zip(rows).filter_map(|(image, row)| {
            let message = standardise_image(image).err()?;
            Some(Problem { place: Some(row.place), column: None, message: format!("its image {message}") })
        });
        let problems: Vec<Problem> = standardised.collect();
        if problems.is_empty() { Ok(images) } else { Err(problems) }
    }
}
