//! Files that users bring: images, maps, values. What is wrong with one is said in a line, with what to do.

use std::path::Path;

use thiserror::Error;

use super::planes::ImageFile;
use super::source::{ArrayProblem, Wanted, read_regular};
use super::{arrays, dataset};
use crate::data::Dataset;
use crate::raster::{RasterStack, UnreadablePlanes, extent};

/// What is wrong with a file that a user brought, and what to do about it.
#[derive(Debug, Error)]
#[error("{problem}")]
pub struct BadInput {
    #[source]
    pub problem: Box<dyn std::error::Error + Send + Sync>,
    pub help: String,
}

impl BadInput {
    fn new(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>, help: &str) -> Self {
        Self { problem: problem.into(), help: help.to_owned() }
    }
}

type Result<T, E = BadInput> = std::result::Result<T, E>;

/// Images as a user brought them.
pub struct Images {
    pub stack: RasterStack,
    /// The data set that the file is, where it is one.
    pub dataset: Option<Dataset>,
    /// What the user should know of their scale.
    pub note: Option<String>,
}

/// Images of an array, or of a data set with all that it knows of them.
pub fn read_images(path: &Path) -> Result<Images> {
    let help = "give images [n, height, width] as .npy or .npz, such as `xdlreg-run simulate` writes";
    if dataset::is_dataset(path) {
        let set = dataset::load(path).map_err(|error| BadInput::new(error, help))?;
        return Ok(Images { stack: set.images.clone(), dataset: Some(set), note: None });
    }
    let read = || {
        let file = ImageFile::open(path)?;
        let stack = file.load()?;
        Ok((file.note_on_scale(extent(&stack)?), stack))
    };
    let (note, stack) = read().map_err(|error: UnreadablePlanes| BadInput::new(error, help))?;
    Ok(Images { stack, dataset: None, note })
}

/// The contents of a file, which must be a regular one that fits into memory.
pub fn read_file(path: &Path) -> Result<Vec<u8>, ArrayProblem> {
    read_regular(path)
}

/// Relevance maps, a number a pixel.
pub fn read_maps(path: &Path) -> Result<RasterStack> {
    let read = ImageFile::open_maps(path).and_then(|file| file.load());
    let read = read.map(RasterStack::folded);
    read.map_err(|error| BadInput::new(error, "give relevance maps [n, height, width] as .npy or .npz"))
}

/// The age of each of `count` images.
pub fn read_ages(path: &Path, count: usize) -> Result<Vec<f32>> {
    read_values(path, arrays::AGES, count)
}

/// The prediction of each of `count` images.
pub fn read_predictions(path: &Path, count: usize) -> Result<Vec<f32>> {
    read_values(path, arrays::PREDICTIONS, count)
}

fn read_values(path: &Path, wanted: Wanted, count: usize) -> Result<Vec<f32>> {
    let help = "give an array [n] as .npy or .npz, with a number for each image";
    let values = arrays::read_values(path, wanted).map_err(|error| BadInput::new(error, help))?;
    if values.len() != count {
        return Err(BadInput::new(format!("{}: {} values for {count} images", path.display(), values.len()), help));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            let message = format!("{}: item {index} is {}, not a finite number", path.display(), values[index]);
            Err(BadInput::new(message, help))
        }
        None => Ok(values),
    }
}
