//! Images and masks in files of their own.

use std::path::Path;

use image::{ColorType, DynamicImage, ImageReader, Limits};

use super::intensity::Intensity;
use crate::raster::{ImageShape, RasterStack};
use crate::store::arrays;

/// Decoding takes no more memory than this, whatever a file claims.
const MOST_BYTES: u64 = 1 << 30;

/// The values of an image with the channels first, from the bytes of its file. `channels`: 1 or 3 where that is asked for.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    channels: Option<usize>,
    intensity: Intensity,
) -> Result<RasterStack, String> {
    if is_array(path) {
        let image = arrays::parse_image(bytes).map_err(|error| error.to_string())?;
        return match channels {
            Some(channels) if channels != image.shape().channels => {
                Err(format!("has {} channels, not {channels}", image.shape().channels))
            }
            _ if intensity == Intensity::Unit => {
                Err("is an array, of which \"unit\" does not know the largest value".into())
            }
            _ => Ok(image),
        };
    }
    let picture = decode(bytes)?;
    let own = if picture.color().has_color() { 3 } else { 1 };
    let channels = channels.unwrap_or(own);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    // Grey levels as the file has them: 0 to 255, or to 65535.
    let most = match picture.color() {
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => f32::from(u16::MAX),
        ColorType::Rgb32F | ColorType::Rgba32F => 1.0,
        _ => f32::from(u8::MAX),
    };
    let scale = if intensity == Intensity::Unit { 1.0 } else { most };
    let interleaved: Vec<f32> = match channels {
        1 => picture.to_luma32f().into_raw(),
        _ => picture.to_rgb32f().into_raw(),
    };
    let area = width * height;
    let at = |place: usize| interleaved[place % area * channels + place / area] * scale;
    let pixels = (0..channels * area).map(at).collect();
    Ok(RasterStack::of(ImageShape::new(channels, height, width), pixels))
}

/// The whole numbers of an atlas, with its height and width.
pub(super) fn read_labels(path: &Path, bytes: &[u8]) -> Result<(Vec<i32>, [usize; 2]), String> {
    let stack = if is_array(path) {
        arrays::parse_image(bytes).map_err(|error| error.to_string())?
    } else {
        match decode(bytes)? {
            picture if picture.color().has_color() => return Err("has colours, but labels are whole numbers".into()),
            picture => grey_levels(&picture),
        }
    };
    let sides = [stack.height(), stack.width()];
    if stack.shape().channels != 1 {
        return Err("has several channels, but labels are whole numbers".into());
    }
    // Beyond 2^24, not all whole numbers are float32.
    let label = |value: &f32| (value.fract() == 0.0 && value.abs() < 16_777_216.0).then_some(*value as i32);
    match stack.pixels().iter().map(label).collect() {
        Some(labels) => Ok((labels, sides)),
        None => Err("holds a value that is not a whole number".into()),
    }
}

/// The pixels of a mask that are not 0, with its height and width.
pub(super) fn read_mask(path: &Path, bytes: &[u8]) -> Result<(Vec<usize>, [usize; 2]), String> {
    let (values, sides) = if is_array(path) {
        let mask = arrays::parse_image(bytes).map_err(|error| error.to_string())?;
        if !mask.pixels().iter().all(|value| value.is_finite()) {
            return Err("holds a value that is not finite".into());
        }
        let sides = [mask.height(), mask.width()];
        (mask.folded().pixels().to_vec(), sides)
    } else {
        let picture = decode(bytes)?;
        let sides = [picture.height() as usize, picture.width() as usize];
        (picture.to_luma32f().into_raw(), sides)
    };
    let inside = values.iter().enumerate().filter(|(_, value)| **value != 0.0).map(|(place, _)| place);
    Ok((inside.collect(), sides))
}

/// The grey levels of a picture without colours, as its file has them.
fn grey_levels(picture: &DynamicImage) -> RasterStack {
    let pixels = match picture {
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => {
            picture.to_luma16().into_raw().into_iter().map(f32::from).collect()
        }
        _ => picture.to_luma8().into_raw().into_iter().map(f32::from).collect(),
    };
    RasterStack::of(ImageShape::plane(picture.height() as usize, picture.width() as usize), pixels)
}

fn is_array(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy"))
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    let reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    reader.decode().map_err(|error| error.to_string())
}
