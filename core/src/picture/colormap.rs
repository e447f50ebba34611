//! The colours of relevance, blended over the grey image.
//!
//! In the published map, XDLreg's "black to fire red", positive relevance goes from black over red and yellow to white, and
//! negative from black over blue and cyan to white (Hofmann et al., NeuroImage 2022). White there means +1, -1 and bright tissue. In
//! the map from orange to blue, positive relevance is brighter than any tissue and negative relevance is darker, so that the sign
//! survives a greyscale print and colour blindness.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::raster::Raster;

/// Which colours relevance has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Colormap {
    /// Those of the published heatmaps: black over red and yellow to white, and black over blue and cyan to white.
    #[default]
    Published,
    /// Orange for positive and blue for negative relevance, over an image in middle greys; the sign survives a greyscale print and
    /// colour blindness.
    OrangeBlue,
}

/// How relevance becomes colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shading {
    pub colormap: Colormap,
    /// Relevance beyond this quantile and the opposite one is clipped.
    pub quantile: f64,
    /// The relevance of the strongest colour; without one the largest that is left after clipping.
    pub most: Option<f32>,
}

impl Default for Shading {
    fn default() -> Self {
        Self { colormap: Colormap::Published, quantile: QUANTILE, most: None }
    }
}

/// Red, green and blue, each 0 to 1.
pub type Rgb = [f32; 3];

/// Which quantile bounds the shown relevance, together with the opposite one.
const QUANTILE: f64 = 0.9999;

/// Greys of the image under the map from orange to blue, and its colours of -1 and 1.
const GREYS: [f32; 2] = [0.36, 0.62];
const BLUE: Rgb = [0.02, 0.10, 0.42];
const ORANGE: Rgb = [1.0, 0.74, 0.25];

/// How much stronger the picture's colours are than the colour bar's.
const INTENSITY: f32 = 5.0;

/// Exponent that makes weak relevance visible.
const OPACITY_EXPONENT: f32 = 0.2;

/// The pixels of a heatmap, and the relevance that its strongest colour stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct ColoredMap {
    /// One colour a pixel of the image, in row-major order.
    pub pixels: Vec<[u8; 3]>,
    /// The relevance shown as 1 on the colour bar, in units of the map (years), at least 0.
    pub scale: f32,
}

/// Colours `relevance` and blends it over the grey `image`; both planes are of one size.
///
/// Where relevance is zero or not a number, the picture is the grey image.
pub fn colorize(image: Raster, relevance: Raster, shading: &Shading) -> ColoredMap {
    let (shown, scale) = normalize(relevance.pixels, shading);
    let pixels = image.pixels.iter();
    let pixels: Vec<[u8; 3]> = match shading.colormap {
        Colormap::Published => {
            let brightest = largest_magnitude(image.pixels);
            let blended = |(&v, &pixel): (&f32, &f32)| to_bytes(blend(ratio(pixel, brightest), v));
            shown.iter().zip(pixels).map(blended).collect()
        }
        Colormap::OrangeBlue => {
            // Images may have any values, such as those of a z-score.
            let finite = image.pixels.iter().copied().filter(|value| value.is_finite());
            let (low, high) =
                finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
            let grey = |pixel: f32| GREYS[0] + (GREYS[1] - GREYS[0]) * ratio(pixel - low, high - low).clamp(0.0, 1.0);
            shown.iter().zip(pixels).map(|(&v, &pixel)| to_bytes(toward_end(grey(pixel), v))).collect()
        }
    };
    ColoredMap { pixels, scale }
}

/// The relevance that is shown as 1 on the colour bar, in units of the map, at least 0.
pub fn shown_scale(relevance: Raster, shading: &Shading) -> f32 {
    normalize(relevance.pixels, shading).1
}

/// The colour bar's colour of `v` in [-1, 1].
pub fn bar_color(v: f32, colormap: Colormap) -> Rgb {
    if colormap == Colormap::OrangeBlue {
        return toward_end(0.5 * (GREYS[0] + GREYS[1]), v);
    }
    let t = v.abs();
    let (first, middle, last) = (ramp(t, 0.0, 0.25), ramp(t, 0.25, 0.25), ramp(t, 0.5, 0.5));
    if v < 0.0 { [last, middle, first] } else { [first, middle, last] }
}

/// From a grey towards orange or blue, by the root of the relevance, so that weak relevance is visible.
fn toward_end(grey: f32, v: f32) -> Rgb {
    let alpha = v.abs().sqrt();
    let end = if v < 0.0 { BLUE } else { ORANGE };
    end.map(|channel| (1.0 - alpha) * grey + alpha * channel)
}

/// A colour in 8 bits a channel.
pub fn to_bytes(color: Rgb) -> [u8; 3] {
    // Channels are not negative: this rounds, without a call for each.
    color.map(|channel| (channel * 255.0 + 0.5) as u8)
}

/// Relevance `v` in [-1, 1] over a pixel of brightness `grey` in [0, 1].
fn blend(grey: f32, v: f32) -> Rgb {
    let grey = grey.clamp(0.0, 1.0);
    if v == 0.0 {
        return [grey; 3];
    }
    let alpha = v.abs().powf(OPACITY_EXPONENT);
    bar_color(v, Colormap::Published).map(|channel| (1.0 - alpha) * grey + alpha * (INTENSITY * channel).min(1.0))
}

/// `t` above `start`, as a share of `width`, clipped to [0, 1].
fn ramp(t: f32, start: f32, width: f32) -> f32 {
    (t - start).clamp(0.0, width) / width
}

/// Clips symmetrically at the larger of both quantiles and scales to [-1, 1]. Returns the scale as well.
fn normalize(relevance: &[f32], shading: &Shading) -> (Vec<f32>, f32) {
    if let Some(most) = shading.most {
        let clip = |r: f32| if r.is_nan() { 0.0 } else { r.clamp(-most, most) };
        return (relevance.iter().map(|&r| ratio(clip(r), most)).collect(), most);
    }
    let mut finite: Vec<f32> = relevance.iter().copied().filter(|r| r.is_finite()).collect();
    // The default is 0.01 % and 99.99 %, to the bit.
    let percents = if shading.quantile == QUANTILE {
        [0.01, 99.99]
    } else {
        [1.0 - shading.quantile, shading.quantile].map(|q| 100.0 * q)
    };
    let bound = percents.map(|percent| percentile(&mut finite, percent).abs()).into_iter().fold(0.0, f32::max);
    let clip = |r: f32| if r.is_nan() { 0.0 } else { r.clamp(-bound, bound) };
    let scale = relevance.iter().fold(0.0, |largest: f32, &r| largest.max(clip(r).abs()));
    (relevance.iter().map(|&r| ratio(clip(r), scale)).collect(), scale)
}

/// The `percent`-th percentile, interpolated linearly between neighbours in order; 0 of nothing. Reorders `values`.
fn percentile(values: &mut [f32], percent: f64) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let position = percent / 100.0 * (values.len() - 1) as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    (f64::from(low) + share * (f64::from(high) - f64::from(low))) as f32
}

fn largest_magnitude(values: &[f32]) -> f32 {
    values.iter().filter(|v| v.is_finite()).fold(0.0, |largest, v| largest.max(v.abs()))
}

/// `part / whole`, and 0 where there is no whole or the part is not a number.
fn ratio(part: f32, whole: f32) -> f32 {
    if whole > 0.0 && !part.is_nan() { part / whole } else { 0.0 }
}

#[cfg(test)]
#[path = "colormap_tests.rs"]
mod tests;
