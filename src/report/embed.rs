//! Maps and images as small texts inside a page.

use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// The largest quantised magnitude.
const FULL: f32 = 32767.0;

/// Images of intensities from 0 to 1, a byte each.
pub fn images<'a>(images: impl Iterator<Item = &'a [f32]>) -> String {
    let bytes: Vec<u8> = images.flatten().map(|pixel| (pixel.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    pack(&bytes)
}

/// Maps, each scaled by its own largest magnitude to 16 bits around 32768: first all upper bytes, then all lower ones,
/// because equal neighbours pack well. Returns the scale of each map as well.
pub fn maps<'a>(maps: impl Iterator<Item = &'a [f32]>) -> (String, Vec<f32>) {
    let (mut upper, mut lower, mut scales) = (Vec::new(), Vec::new(), Vec::new());
    for map in maps {
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        let scale = map.iter().fold(0.0, |largest: f32, &value| largest.max(finite(value).abs()));
        for &value in map {
            let share = if scale > 0.0 { finite(value) / scale } else { 0.0 };
            let [low, high] = (((share * FULL).round() as i32 + 32768) as u16).to_le_bytes();
            upper.push(high);
            lower.push(low);
        }
        scales.push(scale);
    }
    upper.extend(lower);
    (pack(&upper), scales)
}

/// Zlib's format in base64.
pub fn pack(bytes: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes all bytes");
    BASE64_STANDARD.encode(encoder.finish().expect("memory takes all bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn unpack(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        ZlibDecoder::new(&BASE64_STANDARD.decode(text).unwrap()[..]).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn maps_come_back_within_half_a_step() {
        let one: Vec<f32> = (0..50).map(|k| (k as f32 * 0.37).sin() * 0.2).collect();
        let zero = vec![0.0; 50];
        let strange = vec![f32::NAN; 50];
        let (text, scales) = maps([&one[..], &zero, &strange].into_iter());
        let bytes = unpack(&text);
        assert_eq!((bytes.len(), scales[1], scales[2]), (300, 0.0, 0.0));
        for (k, &value) in one.iter().enumerate() {
            let quantised = i32::from(bytes[k]) * 256 + i32::from(bytes[150 + k]) - 32768;
            assert!((quantised as f32 / FULL * scales[0] - value).abs() <= 0.51 * scales[0] / FULL);
        }
        assert!((50..150).all(|k| bytes[k] == 128 && bytes[150 + k] == 0));
    }

    #[test]
    fn images_are_bytes() {
        assert_eq!(unpack(&images([&[0.0, 0.5, 1.0, 1.2][..]].into_iter())), [0, 128, 255, 255]);
    }
}
