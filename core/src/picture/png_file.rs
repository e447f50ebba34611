//! PNG files of pictures that repeat from row to row, as magnified pixels do.
//!
//! Paeth's prediction (PNG specification, 9.4) is right wherever a pixel and its left neighbour are as in the row above,
//! which is seen at once for many pixels: only what changes is predicted one by one. That leaves long runs of zeros, which
//! fdeflate packs without a search.

use std::io;

use png::{BitDepth, ColorType, Encoder, chunk};

/// The filter type that the specification calls Paeth.
const PAETH: u8 = 4;
/// Channels that are written.
const CHANNELS: usize = 3;
/// Pixels that are compared with the row above at once.
const STRETCH: usize = 16;

/// A picture `width` pixels wide, of `BYTES` (3 or 4) a pixel, of which the first three are red, green and blue, as a file.
///
/// # Errors
/// A picture without pixels, or with more than PNG knows.
pub fn encode<const BYTES: usize>(width: u32, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let row_length = width as usize * BYTES;
    let height = pixels.len() / row_length.max(1);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, u32::try_from(height).unwrap_or(u32::MAX));
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_chunk(chunk::IDAT, &compress(&filter::<BYTES>(row_length, pixels))?)?;
    writer.finish()?;
    Ok(file)
}

/// In zlib's format.
pub(super) fn compress(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = fdeflate::Compressor::new(Vec::with_capacity(data.len() / 8))?;
    compressor.write_data(data)?;
    compressor.finish()
}

/// Every row behind its filter type, less what is predicted of it.
fn filter<const BYTES: usize>(row_length: usize, pixels: &[u8]) -> Vec<u8> {
    let rows = pixels.len() / row_length;
    let filtered_length = 1 + row_length / BYTES * CHANNELS;
    // What is predicted rightly is zero.
    let mut filtered = vec![0; rows * filtered_length];
    let nothing = vec![0; row_length];
    let mut above = &nothing[..];
    for (row, filtered) in pixels.chunks_exact(row_length).zip(filtered.chunks_exact_mut(filtered_length)) {
        filtered[0] = PAETH;
        for start in (0..row_length).step_by(STRETCH * BYTES) {
            let end = row_length.min(start + STRETCH * BYTES);
            let with_left = start.saturating_sub(BYTES)..end;
            if row[with_left.clone()] != above[with_left] {
                let to = &mut filtered[1 + start / BYTES * CHANNELS..][..(end - start) / BYTES * CHANNELS];
                filter_stretch::<BYTES>(row, above, start, to);
            }
        }
        above = row;
    }
    filtered
}

/// The pixels of a row from `start` on, less what is predicted of them.
fn filter_stretch<const BYTES: usize>(row: &[u8], above: &[u8], start: usize, filtered: &mut [u8]) {
    let pixel = |row: &[u8], at: usize| *row[at..].first_chunk::<BYTES>().expect("a whole pixel");
    let before = |row: &[u8]| start.checked_sub(BYTES).map_or([0; BYTES], |at| pixel(row, at));
    let (mut left, mut corner) = (before(row), before(above));
    for (place, filtered) in filtered.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
        let at = start + place * BYTES;
        let (here, over) = (pixel(row, at), pixel(above, at));
        // Within a magnified pixel both are as their left neighbours.
        if here != left || over != corner {
            for channel in 0..CHANNELS {
                let predicted = predict(left[channel], over[channel], corner[channel]);
                filtered[channel] = here[channel].wrapping_sub(predicted);
            }
        }
        (left, corner) = (here, over);
    }
}

/// The neighbour that is nearest to left + above - corner; of equally near ones the first.
fn predict(left: u8, above: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, above, corner].map(i16::from);
    let [to_left, to_above, to_corner] = [b - c, a - c, a + b - 2 * c].map(i16::abs);
    if to_left <= to_above && to_left <= to_corner {
        left
    } else if to_above <= to_corner {
        above
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed::stream;

    /// Rows of which some repeat, some change in places, and some are noise.
    fn picture<const BYTES: usize>(width: usize, height: usize) -> Vec<u8> {
        let mut rng = stream(1, "picture", (width * BYTES) as u64);
        let mut row: Vec<u8> = vec![0; width * BYTES];
        let mut pixels = Vec::new();
        for number in 0..height {
            match number % 4 {
                0 => row.iter_mut().for_each(|byte| *byte = rng.random()),
                1 => row.iter_mut().step_by(7).for_each(|byte| *byte = byte.wrapping_add(3)),
                2 => row.fill(number as u8),
                _ => {}
            }
            pixels.extend_from_slice(&row);
        }
        pixels
    }

    #[test]
    fn files_hold_every_pixel() {
        for (width, height) in [(1, 1), (15, 9), (16, 4), (17, 8), (100, 30)] {
            let rgb = picture::<3>(width, height);
            let read = image::load_from_memory(&encode::<3>(width as u32, &rgb).unwrap()).unwrap().into_rgb8();
            assert_eq!((read.dimensions(), read.into_raw()), ((width as u32, height as u32), rgb));
            let rgba = picture::<4>(width, height);
            let read = image::load_from_memory(&encode::<4>(width as u32, &rgba).unwrap()).unwrap().into_rgb8();
            assert_eq!(read.into_raw(), rgba.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_no_picture() {
        assert!(encode::<3>(0, &[]).is_err());
    }
}
