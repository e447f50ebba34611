//! The body of a pumpkin: an ellipse with an elliptic hole, of noisy tissue.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::SIDE;
use super::mask::Mask;

/// Row and column of the centre of every pumpkin.
pub(super) const CENTRE: usize = SIDE / 2;

/// Intensity of tissue before noise.
const TISSUE: f32 = 0.8;

/// Standard deviation of the noise, relative to the tissue.
const NOISE: f32 = 0.05;

/// The pixels of a pumpkin of `height` x `width` pixels: outer radii of a half, those of the hole a fifth.
pub(super) fn ring(height: f32, width: f32) -> Mask {
    let (height, width) = (f64::from(height), f64::from(width));
    ellipse(height / 2.0, width / 2.0).difference(&ellipse(height / 5.0, width / 5.0))
}

/// The pixels (r, c) of ((r - 49) / R)^2 + ((c - 49) / C)^2 < 1.
fn ellipse(row_radius: f64, col_radius: f64) -> Mask {
    let mut mask = Mask::EMPTY;
    // From the centre outwards rows only get shorter: walk along the edge instead of asking every pixel.
    let mut columns = CENTRE + 1;
    for offset in 0..=CENTRE {
        let squared_row = (offset as f64 / row_radius).powi(2);
        while columns > 0 && squared_row + ((columns - 1) as f64 / col_radius).powi(2) >= 1.0 {
            columns -= 1;
        }
        if columns > 0 {
            for row in [CENTRE - offset, CENTRE + offset] {
                mask.insert(row..row + 1, CENTRE + 1 - columns..CENTRE + columns);
            }
        }
    }
    mask
}

/// Fills the pixels of `body` with tissue of 0.8 (1 - 0.05 N(0, 1)).
pub(super) fn paint_tissue(body: &Mask, rng: &mut impl Rng, image: &mut [f32]) {
    for run in body.runs() {
        for pixel in &mut image[run] {
            let noise: f32 = StandardNormal.sample(rng);
            *pixel = TISSUE * (1.0 - NOISE * noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    #[test]
    fn ellipses_hold_the_pixels_of_the_formula() {
        let mut rng = seed::stream(5, "ellipse", 0);
        let sizes = [(40.0, 32.5), (49.0, 49.0), (60.0, 70.0), (1.0, 1.0), (0.3, 20.0)];
        let random: Vec<_> = (0..40).map(|_| (rng.random_range(0.5..55.0), rng.random_range(0.5..55.0))).collect();
        for (row_radius, col_radius) in sizes.into_iter().chain(random) {
            let mask = ellipse(row_radius, col_radius);
            for (row, col) in (0..SIDE * SIDE).map(|k| (k / SIDE, k % SIDE)) {
                let inside =
                    ((row as f64 - 49.0) / row_radius).powi(2) + ((col as f64 - 49.0) / col_radius).powi(2) < 1.0;
                assert_eq!(mask.contains(row, col), inside, "({row}, {col}) of {row_radius} x {col_radius}");
            }
        }
    }

    #[test]
    fn a_pumpkin_without_size_is_empty() {
        assert!(ring(0.0, 0.0).is_empty());
    }

    #[test]
    fn tissue_is_normal_around_its_intensity_and_all_else_stays_zero() {
        let body = ring(80.0, 65.0);
        let mut image = vec![0.0; SIDE * SIDE];
        paint_tissue(&body, &mut seed::stream(0, "noise", 0), &mut image);
        assert!(body.to_bools().iter().zip(&image).all(|(&inside, &pixel)| inside == (pixel > 0.0)));
        let tissue: Vec<f64> = image.iter().filter(|&&pixel| pixel > 0.0).map(|&pixel| f64::from(pixel)).collect();
        let n = tissue.len() as f64;
        let mean = tissue.iter().sum::<f64>() / n;
        let sd = (tissue.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean - 0.8).abs() < 5.0 * 0.04 / n.sqrt(), "{mean}");
        assert!((sd - 0.04).abs() < 5.0 * 0.04 / (2.0 * n).sqrt(), "{sd}");
    }
}
