//! Tests of the colours of relevance.

use super::*;
use rand::{RngExt, SeedableRng};

const SIDE: usize = 24;

fn random_plane(seed: u64, low: f32, high: f32) -> Vec<f32> {
    let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..SIDE * SIDE).map(|_| rng.random_range(low..high)).collect()
}

fn colors(image: &[f32], relevance: &[f32]) -> ColoredMap {
    colorize(Raster::new(SIDE, SIDE, image), Raster::new(SIDE, SIDE, relevance), &Shading::default())
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
    let map =
        colorize(Raster::new(1, 10_001, &vec![0.0; 10_001]), Raster::new(1, 10_001, &relevance), &Shading::default());
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
        assert_eq!(bar_color(v, Colormap::Published), [r, g, b]);
        assert_eq!(bar_color(-v, Colormap::Published), [b, g, r]);
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

/// CIE L*, from the definition of sRGB (IEC 61966-2-1) and of L* (CIE 15).
fn lightness(color: Rgb) -> f64 {
    let linear = color.map(f64::from).map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    let y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    if y > 0.008_856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y }
}

/// In a greyscale print, the more relevance the brighter, the less the darker, and both ends beyond all of the image.
#[test]
fn orange_and_blue_differ_in_lightness() {
    let bar: Vec<f64> = (-100..=100).map(|k| lightness(bar_color(k as f32 / 100.0, Colormap::OrangeBlue))).collect();
    assert!(bar.is_sorted_by(|one, other| one < other), "{bar:?}");
    let tissue = GREYS.map(|grey| lightness([grey; 3]));
    assert!(bar[0] < tissue[0] - 15.0 && bar[200] > tissue[1] + 15.0, "{} {tissue:?} {}", bar[0], bar[200]);
    // Half of the largest relevance already stands out from the tissue that it lies on.
    for grey in GREYS {
        for v in [-0.5, 0.5] {
            assert!((lightness(toward_end(grey, v)) - lightness([grey; 3])).abs() > 10.0, "{v} on {grey}");
        }
    }
}

/// Seen without the pigment of medium wavelengths (Machado et al. 2009, severity 1), the colours stay apart.
#[test]
fn orange_and_blue_survive_deuteranopia() {
    const SEEN: [[f64; 3]; 3] =
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]];
    let seen = |color: Rgb| SEEN.map(|row| row.iter().zip(color).map(|(m, c)| m * f64::from(c)).sum::<f64>());
    for v in [0.2, 0.5, 1.0] {
        let [one, other] = [v, -v].map(|v| seen(bar_color(v, Colormap::OrangeBlue)));
        let distance = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(distance > 0.3, "{v}: {distance}");
    }
}

#[test]
fn a_scale_is_the_relevance_of_the_strongest_colour() {
    let (image, relevance) = (random_plane(10, 0.0, 1.0), random_plane(11, -2.0, 2.0));
    let raster = |values| Raster::new(SIDE, SIDE, values);
    let shading = Shading { most: Some(0.5), ..Shading::default() };
    let map = colorize(raster(&image), raster(&relevance), &shading);
    assert_eq!(map.scale, 0.5);
    let clipped: Vec<f32> = relevance.iter().map(|r| r.clamp(-0.5, 0.5)).collect();
    assert_eq!(map.pixels, colorize(raster(&image), raster(&clipped), &shading).pixels);
    // A quantile bounds as many pixels as it says.
    let shading = Shading { quantile: 0.9, ..Shading::default() };
    let scale = shown_scale(raster(&relevance), &shading);
    let beyond = relevance.iter().filter(|r| r.abs() > scale).count() as f64 / relevance.len() as f64;
    assert!((0.1..=0.2).contains(&beyond), "{beyond}");
}

/// Images of any values, such as z-scores, are seen below the map.
#[test]
fn an_image_below_zero_is_drawn_in_greys() {
    let image = random_plane(12, -3.0, -1.0);
    let shading = Shading { colormap: Colormap::OrangeBlue, ..Shading::default() };
    let zero = [0.0; SIDE * SIDE];
    let map = colorize(Raster::new(SIDE, SIDE, &image), Raster::new(SIDE, SIDE, &zero), &shading);
    let (darkest, brightest) = (map.pixels.iter().min().unwrap(), map.pixels.iter().max().unwrap());
    assert_eq!([*darkest, *brightest], GREYS.map(|grey| to_bytes([grey; 3])));
}
