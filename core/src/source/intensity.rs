//! What becomes of the values of images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raster::RasterStack;

/// What becomes of the values of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Intensity {
    /// They stay as they are in the files: 0 to 255 in most pictures.
    #[default]
    #[serde(rename = "as-is")]
    AsIs,
    /// 0 to 1: grey levels of pictures over the largest that their files can hold.
    #[serde(rename = "unit")]
    Unit,
    /// Each image has mean 0 and standard deviation 1, over all of its values.
    #[serde(rename = "zscore")]
    Zscore,
    /// The images that train have mean 0 and standard deviation 1 in every channel, over all of them together; those that
    /// validate and test are shifted and scaled in the same way.
    #[serde(rename = "zscore-train")]
    ZscoreTrain,
}

/// Mean and standard deviation (of the population).
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let square = values.map(|value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean, square.sqrt())
}

fn standardise(values: &mut [f32], (mean, deviation): (f64, f64)) {
    values.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) / deviation) as f32);
}

/// Standardises a single image.
///
/// # Errors
/// Fails for an image of one value throughout.
pub(super) fn standardise_image(pixels: &mut [f32]) -> Result<(), String> {
    let moments = moments(pixels.iter().copied());
    if moments.1 <= 0.0 || !moments.1.is_finite() {
        return Err("has the same value everywhere, so that \"zscore\" cannot scale it".into());
    }
    standardise(pixels, moments);
    Ok(())
}

/// Standardises all images by those that train.
///
/// # Errors
/// Fails where all images that train have one value throughout in some channel.
pub(super) fn standardise_by(images: &RasterStack, training: &[usize]) -> Result<RasterStack, String> {
    let shape = images.shape();
    let mut pixels = images.pixels().to_vec();
    for channel in 0..shape.channels {
        let inside = channel * shape.area()..(channel + 1) * shape.area();
        let of_training = training.iter().flat_map(|&sample| images.get(sample).pixels[inside.clone()].iter().copied());
        let moments = moments(of_training);
        if moments.1 <= 0.0 || !moments.1.is_finite() {
            let message = "the images that train have the same value everywhere";
            return Err(format!("{message} in channel {}, so that \"zscore-train\" cannot scale them", channel + 1));
        }
        pixels.chunks_exact_mut(shape.values()).for_each(|image| standardise(&mut image[inside.clone()], moments));
    }
    Ok(RasterStack::of(shape, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::ImageShape;

    #[test]
    fn images_are_standardised_alone_or_by_those_that_train() {
        let mut alone = [1.0, 3.0, 1.0, 3.0];
        standardise_image(&mut alone).unwrap();
        assert_eq!(alone, [-1.0, 1.0, -1.0, 1.0]);
        assert!(standardise_image(&mut [5.0; 3]).unwrap_err().contains("the same value everywhere"));
        // Three images of two pixels in three channels; the first and the last train.
        let channels = [[0.0, 2.0], [10.0, 10.0], [5.0, 7.0]];
        let image = |shift: f32| channels.iter().flatten().map(move |value| value + shift).collect::<Vec<f32>>();
        let pixels = [image(0.0), image(50.0), image(4.0)].concat();
        let images = RasterStack::of(ImageShape::new(3, 1, 2), pixels);
        let standard = standardise_by(&images, &[0, 2]).unwrap();
        // Channel 1 trains on 0, 2, 4, 6: mean 3, variance 5. Channel 2 on 10, 10, 14, 14: mean 12, variance 4.
        let by = |value: f64, mean: f64, variance: f64| ((value - mean) / variance.sqrt()) as f32;
        assert_eq!(standard.get(0).pixels[..4], [by(0.0, 3.0, 5.0), by(2.0, 3.0, 5.0), -1.0, -1.0]);
        assert_eq!(standard.get(1).pixels[..2], [by(50.0, 3.0, 5.0), by(52.0, 3.0, 5.0)]);
        assert!(standardise_by(&images, &[]).is_err());
        let flat = RasterStack::of(ImageShape::plane(1, 2), vec![1.0, 1.0, 0.0, 9.0]);
        assert!(standardise_by(&flat, &[0]).unwrap_err().contains("in channel 1"));
    }
}
