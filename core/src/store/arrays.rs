//! Images, maps and vectors as `.npy` files that NumPy opens, and as NumPy and others write them.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::npy;
pub use super::npy::NpyError;
pub use super::npz::NpzError;
pub use super::source::ArrayProblem;
use super::source::{Wanted, read_array, read_npy};
use crate::disk;
use crate::raster::{ImageShape, RasterStack};

/// A file that cannot be read as the array it should be.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct ArrayError {
    pub path: PathBuf,
    #[source]
    pub problem: ArrayProblem,
}

/// What is expected of images in messages.
const PLANES: &str = "[n, height, width] (or with 1 or 3 channels [n, channels, height, width], [n, height, width, channels]; \
                      or [height, width])";
/// Arrays of images.
pub(super) const IMAGES: Wanted = Wanted { names: &["images"], fits: is_planes, expected: PLANES };
/// Arrays of relevance maps.
pub(super) const MAPS: Wanted = Wanted { names: &["maps", "relevance"], fits: is_planes, expected: PLANES };
/// Ages in years.
pub(super) const AGES: Wanted = Wanted { names: &["age", "ages"], fits: is_vector, expected: "[n]" };
/// Predictions in years.
pub(super) const PREDICTIONS: Wanted =
    Wanted { names: &["predictions", "prediction"], fits: is_vector, expected: "[n]" };
const TRIPLES: Wanted = Wanted { names: &["ledger"], fits: |shape| matches!(shape, [_, _, 3]), expected: "[n, m, 3]" };

/// An array as a number of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub count: usize,
    pub image: ImageShape,
    /// Whether the channels of a pixel lie beside each other, as libraries of pictures have it.
    pub channels_last: bool,
}

/// The images in an array of this shape. The axis of a single channel may be missing, and so may that of a single image.
pub(super) fn planes_of(shape: &[usize]) -> Option<Layout> {
    let (count, image, channels_last) = match *shape {
        [height, width] => (1, ImageShape::plane(height, width), false),
        // A column of pixels is no image, so the last axis is the channel.
        [height, width, 1] if height > 1 && width > 1 => (1, ImageShape::plane(height, width), false),
        [count, height, width] => (count, ImageShape::plane(height, width), false),
        // Images are wider than a pixel, so a last axis of 1 is the channel.
        [count, 1, height, width] | [count, height, width, 1] => (count, ImageShape::plane(height, width), false),
        [count, 3, height, width] => (count, ImageShape::new(3, height, width), false),
        [count, height, width, 3] => (count, ImageShape::new(3, height, width), true),
        _ => return None,
    };
    (image.area() > 0).then_some(Layout { count, image, channels_last })
}

impl Layout {
    /// Values of whole images with the channels first, whatever the array's order.
    pub fn ordered(&self, values: Vec<f32>) -> Vec<f32> {
        if !self.channels_last {
            return values;
        }
        let (channels, area) = (self.image.channels, self.image.area());
        let reordered = |image: &[f32]| {
            let at = |place: usize| image[place % area * channels + place / area];
            (0..channels * area).map(at).collect::<Vec<f32>>()
        };
        values.chunks_exact(channels * area).flat_map(reordered).collect()
    }
}

fn is_planes(shape: &[usize]) -> bool {
    planes_of(shape).is_some()
}

/// Whether at most one axis is longer than 1.
fn is_vector(shape: &[usize]) -> bool {
    shape.iter().filter(|&&length| length != 1).count() <= 1
}

/// Reads images or maps in whatever type of numbers and order.
pub fn read_stack(path: &Path) -> Result<RasterStack, ArrayError> {
    let (shape, values) = read(path, MAPS)?;
    let layout = planes_of(&shape).expect("the shape is one of images");
    Ok(RasterStack::of(layout.image, layout.ordered(values)))
}

/// What is expected of a single image in messages.
const IMAGE: Wanted = Wanted {
    fits: |shape| image_of(shape).is_some(),
    expected: "[height, width], or with 1 or 3 channels [channels, height, width] or [height, width, channels]",
    ..MAPS
};

/// The image in an array of this shape, and whether its channels come last.
fn image_of(shape: &[usize]) -> Option<Layout> {
    let (image, channels_last) = match *shape {
        [height, width] | [1, height, width] | [height, width, 1] => (ImageShape::plane(height, width), false),
        [3, height, width] => (ImageShape::new(3, height, width), false),
        [height, width, 3] => (ImageShape::new(3, height, width), true),
        _ => return None,
    };
    (image.area() > 0).then_some(Layout { count: 1, image, channels_last })
}

/// The single image in the bytes of an `.npy` file, in whatever type of numbers and order.
///
/// # Errors
/// Fails for anything else.
pub fn parse_image(mut bytes: &[u8]) -> Result<RasterStack, ArrayProblem> {
    let length = bytes.len() as u64;
    let (shape, values) = read_npy(&mut bytes, length, IMAGE, |array| Ok((array.header.shape.clone(), array.all()?)))?;
    let layout = image_of(&shape).expect("the shape is one of an image");
    Ok(RasterStack::of(layout.image, layout.ordered(values)))
}

/// Reads a vector of shape `[n]` in whatever type of numbers; other axes of length 1 are passed over.
pub fn read_vector(path: &Path) -> Result<Vec<f32>, ArrayError> {
    read_values(path, PREDICTIONS)
}

pub(super) fn read_values(path: &Path, wanted: Wanted) -> Result<Vec<f32>, ArrayError> {
    Ok(read(path, wanted)?.1)
}

/// Reads an array of shape `[n, m, 3]` as n * m triples.
pub fn read_triples(path: &Path) -> Result<Vec<[f32; 3]>, ArrayError> {
    Ok(read(path, TRIPLES)?.1.as_chunks().0.to_vec())
}

/// The shape and the values of an array, in row-major order.
fn read(path: &Path, wanted: Wanted) -> Result<(Vec<usize>, Vec<f32>), ArrayError> {
    let values = read_array(path, wanted, |array| Ok((array.header.shape.clone(), array.all()?)));
    values.map_err(|problem| ArrayError { path: path.to_owned(), problem })
}

/// Writes images as float32 of shape `[n, height, width]`, with channels second where there are several; a file that is
/// there is replaced.
pub fn write_stack(stack: &RasterStack, path: &Path) -> io::Result<()> {
    write_array(&stack.shape().of_array(stack.len()), stack.pixels(), path)
}

/// Writes a vector as float32 of shape `[n]`; a file that is there is replaced.
pub fn write_vector(values: &[f32], path: &Path) -> io::Result<()> {
    write_array(&[values.len()], values, path)
}

/// Writes values as float32 of any shape; a file that is there is replaced.
pub fn write_array(shape: &[usize], values: &[f32], path: &Path) -> io::Result<()> {
    let mut writer = BufWriter::new(disk::create(path)?);
    npy::write_array(shape, values, &mut writer)?;
    writer.flush()
}

#[cfg(test)]
#[path = "arrays_tests.rs"]
mod tests;
