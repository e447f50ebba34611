//! The colours of relevance: XDLreg's "black to fire red" map, blended over the grey image.
//!
//! Positive relevance goes from black over red and yellow to white, negative from black over blue and cyan to
//! white (Hofmann et al., NeuroImage 2022).

use crate::raster::Raster;

/// Red, green and blue, each 0 to 1.
pub type Rgb = [f32; 3];

/// Which percentiles bound the shown relevance, in percent.
const CLIP_PERCENTILES: [f64; 2] = [0.01, 99.99];

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
pub fn colorize(image: Raster, relevance: Raster) -> ColoredMap {
    let (shown, scale) = normalize(relevance.pixels);
    let brightest = largest_magnitude(image.pixels);
    let pixels = shown.iter().zip(image.pixels).map(|(&v, &pixel)| to_bytes(blend(ratio(pixel, brightest), v)));
    ColoredMap { pixels: pixels.collect(), scale }
}

/// The relevance that is shown as 1 on the colour bar, in units of the map, at least 0.
pub fn shown_scale(relevance: Raster) -> f32 {
    normalize(relevance.pixels).1
}

/// The colour bar's colour of `v` in [-1, 1].
pub fn bar_color(v: f32) -> Rgb {
    let t = v.abs();
    let (first, middle, last) = (ramp(t, 0.0, 0.25), ramp(t, 0.25, 0.25), ramp(t, 0.5, 0.5));
    if v < 0.0 { [last, middle, first] } else { [first, middle, last] }
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
    bar_color(v).map(|channel| (1.0 - alpha) * grey + alpha * (INTENSITY * channel).min(1.0))
}

/// `t` above `start`, as a share of `width`, clipped to [0, 1].
fn ramp(t: f32, start: f32, width: f32) -> f32 {
    (t - start).clamp(0.0, width) / width
}

/// Clips symmetrically at the larger of both percentiles and scales to [-1, 1]. Returns the scale as well.
fn normalize(relevance: &[f32]) -> (Vec<f32>, f32) {
    let mut finite: Vec<f32> = relevance.iter().copied().filter(|r| r.is_finite()).collect();
    let bound = CLIP_PERCENTILES.map(|percent| percentile(&mut finite, percent).abs()).into_iter().fold(0.0, f32::max);
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
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    const SIDE: usize = 24;

    fn random_plane(seed: u64, low: f32, high: f32) -> Vec<f32> {
        let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..SIDE * SIDE).map(|_| rng.random_range(low..high)).collect()
    }

    fn colors(image: &[f32], relevance: &[f32]) -> ColoredMap {
        colorize(Raster::new(SIDE, SIDE, image), Raster::new(SIDE, SIDE, relevance))
    }

    /// The definition in f64, written as an array program would: whole planes, step after step.
    fn naive(image: &[f32], relevance: &[f32]) -> Vec<[f64; 3]> {
        let mut ordered: Vec<f64> = relevance.iter().map(|&r| f64::from(r)).collect();
        ordered.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let at = q * (ordered.len() - 1) as f64;
            let (i, j) = (at.floor() as usize, at.ceil() as usize);
            ordered[i] * (1.0 - at.fract()) + ordered[j] * at.fract()
        };
        let bound = quantile(0.0001).abs().max(quantile(0.9999).abs());
        let clipped: Vec<f64> = relevance.iter().map(|&r| f64::from(r).min(bound).max(-bound)).collect();
        let largest = clipped.iter().map(|r| r.abs()).fold(0.0, f64::max);
        let brightest = image.iter().map(|&p| f64::from(p).abs()).fold(0.0, f64::max);
        let u = |t: f64, a: f64, w: f64| (t - a).max(0.0).min(w) / w;
        clipped
            .iter()
            .zip(image)
            .map(|(r, &p)| {
                let v = r / largest;
                let mut rgb = [0.0; 3];
                if v > 0.0 {
                    rgb = [u(v, 0.0, 0.25), u(v, 0.25, 0.25), u(v, 0.5, 0.5)];
                }
                if v < 0.0 {
                    rgb = [u(-v, 0.5, 0.5), u(-v, 0.25, 0.25), u(-v, 0.0, 0.25)];
                }
                let (alpha, grey) = (v.abs().powf(0.2), f64::from(p) / brightest);
                rgb.map(|c| (1.0 - alpha) * grey + alpha * (5.0 * c).min(1.0))
            })
            .collect()
    }

    #[test]
    fn pixels_follow_the_definition() {
        for (seed, low, high) in [(1, -1.0, 1.0), (2, -0.2, 3.0), (3, -40.0, 0.5), (4, 0.0, 1e-3)] {
            let image = random_plane(seed + 100, 0.0, 0.9);
            let mut relevance = random_plane(seed, low, high);
            relevance[7] = 9.0 * high; // an outlier, so that clipping matters
            let ours = colors(&image, &relevance);
            for (ours, truth) in ours.pixels.iter().zip(naive(&image, &relevance)) {
                for (ours, truth) in ours.iter().zip(truth) {
                    assert!((f64::from(*ours) - 255.0 * truth).abs() < 0.51, "{ours} instead of {}", 255.0 * truth);
                }
            }
        }
    }

    #[test]
    fn percentiles_interpolate_between_neighbours() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        for (percent, expected) in [(0.0, 1.0), (25.0, 1.75), (50.0, 2.5), (90.0, 3.7), (100.0, 4.0)] {
            assert!((percentile(&mut values, percent) - expected).abs() < 1e-6, "{percent} %");
        }
    }

    #[test]
    fn outliers_are_clipped_to_the_percentile() {
        // 10,001 pixels: 99.99 % is exactly the second largest value.
        let mut relevance = vec![0.0; 10_001];
        (relevance[10], relevance[20]) = (50.0, 2.0);
        let map = colorize(Raster::new(1, 10_001, &vec![0.0; 10_001]), Raster::new(1, 10_001, &relevance));
        assert_eq!(map.scale, 2.0);
        assert_eq!(map.pixels[10], map.pixels[20]);
    }

    #[test]
    fn turning_the_sign_swaps_red_and_blue() {
        let (image, relevance) = (random_plane(5, 0.0, 1.0), random_plane(6, -2.0, 1.0));
        let turned: Vec<f32> = relevance.iter().map(|r| -r).collect();
        let (one, other) = (colors(&image, &relevance), colors(&image, &turned));
        assert_eq!(one.scale, other.scale);
        for ([r, g, b], turned) in one.pixels.into_iter().zip(other.pixels) {
            assert_eq!([b, g, r], turned);
        }
    }

    #[test]
    fn bar_goes_from_white_over_black_to_white() {
        let expected = [(-1.0, [1.0; 3]), (-0.5, [0.0, 1.0, 1.0]), (-0.25, [0.0, 0.0, 1.0]), (0.0, [0.0; 3])];
        for (v, [r, g, b]) in expected {
            assert_eq!(bar_color(v), [r, g, b]);
            assert_eq!(bar_color(-v), [b, g, r]);
        }
    }

    #[test]
    fn nothing_relevant_leaves_the_grey_image() {
        let image = random_plane(7, 0.0, 0.5);
        let brightest = image.iter().copied().fold(0.0, f32::max);
        for relevance in [0.0, f32::NAN] {
            let map = colors(&image, &[relevance; SIDE * SIDE]);
            assert_eq!(map.scale, 0.0);
            for (pixel, grey) in map.pixels.iter().zip(&image) {
                assert_eq!(*pixel, [(grey / brightest * 255.0).round() as u8; 3]);
            }
        }
    }

    #[test]
    fn black_image_shows_relevance_alone() {
        let mut relevance = [0.0; SIDE * SIDE];
        relevance[..3].fill(1.0);
        let map = colors(&[0.0; SIDE * SIDE], &relevance);
        assert_eq!((map.pixels[0], map.pixels[5]), ([255; 3], [0; 3]));
    }

    #[test]
    fn infinite_relevance_has_the_strongest_colour() {
        let (image, mut relevance) = (random_plane(8, 0.0, 1.0), random_plane(9, -1.0, 1.0));
        (relevance[0], relevance[1]) = (f32::INFINITY, f32::NEG_INFINITY);
        let map = colors(&image, &relevance);
        assert!(map.scale <= 1.0);
        assert_eq!((map.pixels[0], map.pixels[1]), ([255; 3], [255; 3]));
    }
}
