//! Images, masks and labels of one size: resized, or cropped and padded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raster::{ImageShape, RasterStack};

/// How images come to the size that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// They are resized, each axis by itself: a pixel is the mean of the area that it covers where an axis shrinks, and
    /// interpolated by cubics where it grows.
    #[default]
    Resize,
    /// They are cut, or padded with zeros, around their middle. Nothing is resampled.
    Crop,
}

/// The old pixels of which a new one is made along an axis: the first of them, and the weight of each. None: it is 0.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// The parameter of the cubic (Keys 1981), as Pillow has it.
const A: f64 = -0.5;

/// Brings images to `size` (rows, columns).
pub(super) fn images(images: RasterStack, size: [usize; 2], fit: Fit) -> RasterStack {
    let shape = images.shape();
    let new = ImageShape::new(shape.channels, size[0], size[1]);
    if shape == new {
        return images;
    }
    let (rows, cols) = (taps(shape.height, new.height, fit), taps(shape.width, new.width, fit));
    let planes = images.pixels().chunks_exact(shape.area());
    RasterStack::of(new, planes.flat_map(|plane| resampled(plane, shape.width, &rows, &cols)).collect())
}

/// The places of a mask's pixels in an image of `size`. `sides` are the mask's own rows and columns.
pub(super) fn places(pixels: &[usize], sides: [usize; 2], size: [usize; 2], fit: Fit) -> Vec<usize> {
    if sides == size {
        return pixels.to_vec();
    }
    let mut inside = vec![0; sides[0] * sides[1]];
    pixels.iter().for_each(|&pixel| inside[pixel] = 1);
    let fitted = labels(&inside, sides, size, fit);
    fitted.iter().enumerate().filter(|(_, inside)| **inside == 1).map(|(place, _)| place).collect()
}

/// Labels of pixels in an image of `size`: those of the nearest pixels, and 0 where images are padded.
pub(super) fn labels(labels: &[i32], sides: [usize; 2], size: [usize; 2], fit: Fit) -> Vec<i32> {
    let (rows, cols) = (nearest(sides[0], size[0], fit), nearest(sides[1], size[1], fit));
    let at = |row: Option<usize>, col: Option<usize>| Some(labels[row? * sides[1] + col?]);
    rows.iter().flat_map(|&row| cols.iter().map(move |&col| at(row, col).unwrap_or(0))).collect()
}

/// The old pixel that a new one lies in, if it lies in any.
fn nearest(old: usize, new: usize, fit: Fit) -> Vec<Option<usize>> {
    let place = |index: usize| match fit {
        // The middle of the new pixel, in exact arithmetic.
        Fit::Resize => Some((2 * index + 1) * old / (2 * new)),
        Fit::Crop => cropped(index, old, new),
    };
    (0..new).map(place).collect()
}

/// The old pixel at a place of an axis that is cut or padded around its middle.
fn cropped(index: usize, old: usize, new: usize) -> Option<usize> {
    let place = index as i128 + (old as i128 - new as i128).div_euclid(2);
    usize::try_from(place).ok().filter(|&place| place < old)
}

fn taps(old: usize, new: usize, fit: Fit) -> Vec<Taps> {
    let scale = old as f64 / new as f64;
    let of = |index: usize| match fit {
        Fit::Crop => match cropped(index, old, new) {
            Some(first) => Taps { first, weights: vec![1.0] },
            None => Taps { first: 0, weights: Vec::new() },
        },
        Fit::Resize if new < old => {
            // How much of each old pixel lies between the borders of the new one.
            let (low, high) = (index as f64 * scale, (index + 1) as f64 * scale);
            let overlap = |pixel: usize| high.min(pixel as f64 + 1.0) - low.max(pixel as f64);
            weighted(low.floor() as usize..(high.ceil() as usize).min(old), overlap)
        }
        Fit::Resize => {
            let middle = (index as f64 + 0.5) * scale;
            let first = (middle - 2.5).ceil().max(0.0) as usize;
            let last = ((middle + 1.5).ceil() as usize).min(old);
            weighted(first..last, |pixel| cubic(pixel as f64 + 0.5 - middle))
        }
    };
    (0..new).map(of).collect()
}

/// Weights that add up to 1, also at the borders.
fn weighted(pixels: std::ops::Range<usize>, weight: impl FnMut(usize) -> f64) -> Taps {
    let first = pixels.start;
    let weights: Vec<f64> = pixels.map(weight).collect();
    let sum: f64 = weights.iter().sum();
    Taps { first, weights: weights.into_iter().map(|weight| weight / sum).collect() }
}

fn cubic(x: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// A plane, first along its rows' axis of columns, then along the other.
fn resampled(plane: &[f32], width: usize, rows: &[Taps], cols: &[Taps]) -> Vec<f32> {
    let narrow: Vec<f64> = plane
        .chunks_exact(width)
        .flat_map(|row| {
            cols.iter().map(|taps| {
                let values = taps.weights.iter().zip(&row[taps.first..]);
                values.map(|(weight, value)| weight * f64::from(*value)).sum::<f64>()
            })
        })
        .collect();
    let width = cols.len();
    let of_row = |taps: &Taps| {
        let value = |col: usize| {
            let rows = taps.weights.iter().enumerate();
            rows.map(|(row, weight)| weight * narrow[(taps.first + row) * width + col]).sum::<f64>() as f32
        };
        (0..width).map(value).collect::<Vec<f32>>()
    };
    rows.iter().flat_map(of_row).collect()
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
