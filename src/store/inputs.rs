//! Files that users bring: images, maps, values. What is wrong with one is said in a line, with what to do.

use std::path::Path;

use super::{arrays, dataset};
use crate::error::{Error, Result};
use crate::raster::RasterStack;
use crate::sim::Pumpkin;

/// Images, and the records of the pumpkins where the file is a set of them.
pub fn read_images(path: &Path) -> Result<(RasterStack, Option<Vec<Pumpkin>>)> {
    let help = "give an .npy file [n, height, width] of float32, or a set.npz written by `xdlreg-run simulate`";
    if path.extension().is_some_and(|extension| extension == "npz") {
        let set = dataset::load(path).map_err(|error| Error::usage(error.to_string(), help))?;
        return Ok((set.images, Some(set.pumpkins)));
    }
    let images = arrays::read_stack(path).map_err(|error| Error::usage(error.to_string(), help))?;
    Ok((finite(images, path)?, None))
}

/// Relevance maps.
pub fn read_maps(path: &Path) -> Result<RasterStack> {
    let help = "give an .npy file [n, height, width] of float32";
    finite(arrays::read_stack(path).map_err(|error| Error::usage(error.to_string(), help))?, path)
}

/// One value for each of `count` images.
pub fn read_values(path: &Path, count: usize) -> Result<Vec<f32>> {
    let help = "give an .npy file [n] of float32, with a value for each image";
    let values = arrays::read_vector(path).map_err(|error| Error::usage(error.to_string(), help))?;
    if values.len() != count {
        return Err(Error::usage(format!("{}: {} values for {count} images", path.display(), values.len()), help));
    }
    Ok(values)
}

fn finite(stack: RasterStack, path: &Path) -> Result<RasterStack> {
    let bad = stack.iter().position(|plane| plane.pixels.iter().any(|pixel| !pixel.is_finite()));
    match bad {
        None => Ok(stack),
        Some(index) => Err(Error::usage(
            format!("{}: item {index} holds a value that is not finite", path.display()),
            "remove NaN and infinite values",
        )),
    }
}
