//! Signs of age: lesions, atrophies, tumours. Where they lie and how bright they are.
//!
//! Signs are drawn from the shape of the body alone: tissue is never 0 (its noise would have to reach 20 standard
//! deviations) and a lesion brightens it, so that "not 0" means "in the body, and not atrophied".

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::SIDE;
use super::body::CENTRE;
use super::count::draw_count;
use super::mask::Mask;

/// Age in years from which a human pumpkin gains a lesion a year.
const LESION_ONSET: f64 = 40.0;
const LESION_COUNT_SD: f64 = 1.0;
const MAX_LESIONS: u32 = 40;
const LESION_BRIGHTNESS: f32 = 0.2;

const ATROPHIES_A_YEAR: f64 = 5.0;
const ATROPHY_COUNT_SD: f64 = 1.5;
const MAX_ATROPHIES: u32 = 400;

/// Standard deviation of the brightness of lesions, and of each of a tumour's two draws.
const BRIGHTNESS_SD: f32 = 0.025;

/// A pixel of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pixel {
    pub row: u16,
    pub col: u16,
}

impl Pixel {
    pub(super) fn new(row: usize, col: usize) -> Self {
        debug_assert!(row < SIDE && col < SIDE);
        Self { row: row as u16, col: col as u16 }
    }

    /// Index into a row-major image.
    pub fn index(self) -> usize {
        usize::from(self.row) * SIDE + usize::from(self.col)
    }

    /// The neighbours in the image, this pixel among them.
    fn neighbourhood(self) -> impl Iterator<Item = Self> {
        let around = |at: u16| usize::from(at).saturating_sub(1)..(usize::from(at) + 2).min(SIDE);
        around(self.row).flat_map(move |row| around(self.col).map(move |col| Self::new(row, col)))
    }
}

/// A bright block of 3 x 3 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lesion {
    /// Row of the centre.
    pub row: u16,
    /// Column of the centre.
    pub col: u16,
    /// What is added to the block.
    pub brightness: f32,
}

impl Lesion {
    /// The pixels of the block.
    pub fn mask(&self) -> Mask {
        let (rows, cols) = self.block();
        let mut mask = Mask::EMPTY;
        mask.insert(rows, cols);
        mask
    }

    /// The rows and columns of the block.
    pub(super) fn block(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let around = |at: u16| usize::from(at) - 1..usize::from(at) + 2;
        (around(self.row), around(self.col))
    }
}

/// A block of one intensity between the upper edge of a pumpkin and its hole; half open.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tumour {
    pub row0: u16,
    pub row1: u16,
    pub col0: u16,
    pub col1: u16,
    /// Intensity of the whole block.
    pub brightness: f32,
}

impl Tumour {
    /// The rows and columns of the block.
    pub(super) fn block(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        (usize::from(self.row0)..usize::from(self.row1), usize::from(self.col0)..usize::from(self.col1))
    }
}

/// Draws the lesions of a human pumpkin of `age` years: centres chosen uniformly, with replacement, among the pixels
/// whose 5 x 5 neighbourhood lies in the body.
pub(super) fn draw_lesions(body: &Mask, age: u32, rng: &mut impl Rng) -> Vec<Lesion> {
    let count = draw_count(f64::from(age) - LESION_ONSET, LESION_COUNT_SD, MAX_LESIONS, rng);
    if count == 0 {
        return Vec::new();
    }
    let candidates: Vec<Pixel> = body.erode(2).pixels().collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    (0..count)
        .map(|_| {
            let Pixel { row, col } = candidates[rng.random_range(0..candidates.len())];
            let deviation: f32 = StandardNormal.sample(rng);
            Lesion { row, col, brightness: LESION_BRIGHTNESS + BRIGHTNESS_SD * deviation }
        })
        .collect()
}

/// Draws the atrophies of a human pumpkin of `age` years, in the order they are made: each time a pixel that is left
/// is taken with a probability proportional to the number of zeros among its 8 neighbours.
pub(super) fn draw_atrophies(body: &Mask, age: u32, rng: &mut impl Rng) -> Vec<Pixel> {
    let count = draw_count(ATROPHIES_A_YEAR * f64::from(age), ATROPHY_COUNT_SD, MAX_ATROPHIES, rng) as usize;
    let mut left = body.clone();
    // Every pixel that is left stands here once for each of its zeros, so a uniform choice is the weighted one.
    // Entries of pixels that are gone are passed over when they come up.
    let mut rim: Vec<Pixel> = Vec::new();
    for (down, right) in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)] {
        rim.extend(left.exposed(down, right).pixels());
    }
    let mut atrophies = Vec::with_capacity(count);
    while atrophies.len() < count && !rim.is_empty() {
        let pixel = rim.swap_remove(rng.random_range(0..rim.len()));
        if left.remove(pixel) {
            atrophies.push(pixel);
            rim.extend(pixel.neighbourhood().filter(|near| left.contains(near.row.into(), near.col.into())));
        }
    }
    atrophies
}

/// Draws the tumour of a no-growth pumpkin of `age` years: between the upper edge of the body and of the hole, a tenth
/// of their distance away from both and two thirds of it wide.
pub(super) fn draw_tumour(body: &Mask, age: u32, rng: &mut impl Rng) -> Option<Tumour> {
    let top = body.rows_held().next()?;
    let hole = (top..SIDE).find(|&row| !body.contains(row, CENTRE)).unwrap_or(SIDE);
    let distance = hole - top;
    let deviation: f32 = (0..2).map(|_| -> f32 { StandardNormal.sample(rng) }).sum();
    Some(Tumour {
        row0: (top + distance / 10) as u16,
        row1: (hole - distance / 10) as u16,
        col0: (CENTRE - distance / 3) as u16,
        col1: (CENTRE + distance / 3) as u16,
        brightness: (age as f32 / 80.0 + BRIGHTNESS_SD * deviation).clamp(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use crate::sim::body::ring;

    /// Whether two samples have the same mean, up to four standard errors of their difference.
    fn same_mean(a: &[f64], b: &[f64]) -> bool {
        let describe = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n / n)
        };
        let ((mean_a, error_a), (mean_b, error_b)) = (describe(a), describe(b));
        (mean_a - mean_b).abs() < 4.0 * (error_a + error_b).sqrt()
    }

    fn zeros_around(pixel: Pixel, left: &[bool]) -> usize {
        pixel.neighbourhood().filter(|near| !left[near.index()]).count()
    }

    /// The published procedure: any pixel that is left, uniformly; gone with a probability of its zeros / 8.
    fn naive_atrophies(body: &Mask, count: usize, rng: &mut impl Rng) -> Vec<Pixel> {
        let mut left = body.to_bools();
        let mut atrophies = Vec::new();
        while atrophies.len() < count {
            let pixel = Pixel::new(rng.random_range(0..SIDE), rng.random_range(0..SIDE));
            if left[pixel.index()] && rng.random_range(0..8) < zeros_around(pixel, &left) {
                left[pixel.index()] = false;
                atrophies.push(pixel);
            }
        }
        atrophies
    }

    #[test]
    fn atrophies_are_distributed_as_by_the_published_procedure() {
        let body = ring(80.0, 65.0);
        let mut rng = seed::stream(1, "atrophies", 0);
        let mut ours = vec![Vec::new(); 4];
        let mut naive = vec![Vec::new(); 4];
        for _ in 0..300 {
            let atrophies = draw_atrophies(&body, 60, &mut rng);
            let twins = naive_atrophies(&body, atrophies.len(), &mut rng);
            for (made, statistics) in [(&atrophies, &mut ours), (&twins, &mut naive)] {
                let radius = |pixel: &Pixel| (f64::from(pixel.row) - 49.0).hypot(f64::from(pixel.col) - 49.0);
                let mean_radius = |pixels: &[Pixel]| pixels.iter().map(radius).sum::<f64>() / pixels.len() as f64;
                let left = body.difference(&made.iter().copied().collect()).to_bools();
                let left = &left;
                let (first, last) = made.split_at(made.len() / 2);
                statistics[0].push(mean_radius(first));
                statistics[1].push(mean_radius(last));
                // How ragged the rim becomes, and how many atrophies lie in the depth.
                statistics[2].push(made.iter().map(|&pixel| zeros_around(pixel, left)).sum::<usize>() as f64);
                let rim = body.difference(&body.erode(1));
                statistics[3].push(made.iter().filter(|p| rim.contains(p.row.into(), p.col.into())).count() as f64);
            }
        }
        for (ours, naive) in ours.iter().zip(&naive) {
            assert!(same_mean(ours, naive));
        }
    }

    #[test]
    fn the_first_atrophy_strikes_in_proportion_to_the_zeros_around() {
        let mut body = Mask::EMPTY;
        body.insert(40..44, 50..54);
        let draws = 40_000;
        let mut hits = vec![0.0; SIDE * SIDE];
        let mut rng = seed::stream(2, "atrophies", 0);
        for _ in 0..draws {
            hits[draw_atrophies(&body, 2, &mut rng)[0].index()] += 1.0;
        }
        let flags = body.to_bools();
        // 4 corners with 5 zeros each, 8 pixels along the edges with 3.
        let total = 4.0 * 5.0 + 8.0 * 3.0;
        for pixel in body.pixels() {
            let expected = f64::from(draws) * zeros_around(pixel, &flags) as f64 / total;
            assert!((hits[pixel.index()] - expected).abs() <= 5.0 * expected.sqrt(), "{pixel:?}");
        }
    }

    #[test]
    fn atrophies_eat_a_body_that_is_too_small_to_the_last_pixel() {
        let mut body = Mask::EMPTY;
        body.insert(40..44, 50..54);
        let atrophies = draw_atrophies(&body, 80, &mut seed::stream(3, "atrophies", 0));
        assert_eq!(atrophies.len(), 16);
        assert_eq!(atrophies.into_iter().collect::<Mask>(), body);
    }

    #[test]
    fn lesions_lie_anywhere_in_the_depth_of_the_body() {
        let body = ring(80.0, 65.0);
        let flags = body.to_bools();
        let deep = |pixel: Pixel| {
            let (row, col) = (usize::from(pixel.row), usize::from(pixel.col));
            (row - 2..=row + 2).all(|row| (col - 2..=col + 2).all(|col| flags[row * SIDE + col]))
        };
        let eligible = body.pixels().filter(|&pixel| deep(pixel)).count();
        let mut hits = vec![0.0; SIDE * SIDE];
        let mut brightness = Vec::new();
        let mut rng = seed::stream(4, "lesions", 0);
        for lesion in (0..2000).flat_map(|_| draw_lesions(&body, 80, &mut rng)) {
            let centre = Pixel { row: lesion.row, col: lesion.col };
            assert!(deep(centre), "{centre:?}");
            hits[centre.index()] += 1.0;
            brightness.push(f64::from(lesion.brightness));
        }
        // Chi-square over the eligible pixels: its mean is their number, its variance twice that.
        let expected = brightness.len() as f64 / eligible as f64;
        let pixels = body.pixels().filter(|&pixel| deep(pixel));
        let chi_square: f64 = pixels.map(|pixel| (hits[pixel.index()] - expected).powi(2) / expected).sum();
        let n = eligible as f64;
        assert!((chi_square - n).abs() < 5.0 * (2.0 * n).sqrt(), "{chi_square} for {n} pixels");
        let mean = brightness.iter().sum::<f64>() / brightness.len() as f64;
        assert!((mean - 0.2).abs() < 5.0 * 0.025 / (brightness.len() as f64).sqrt(), "{mean}");
    }

    #[test]
    fn a_tumour_fills_the_upper_wall_and_brightens_with_age() {
        // Rows 10 to 88 are in the body, rows 34 to 64 in the hole.
        let body = ring(79.0, 80.0);
        let tumour = |age, index| draw_tumour(&body, age, &mut seed::stream(5, "tumour", index)).unwrap();
        let Tumour { row0, row1, col0, col1, .. } = tumour(50, 0);
        // The wall is 24 rows high: 2 rows stay free at either end, and 8 columns on either side are filled.
        assert_eq!((row0, row1, col0, col1), (12, 32, 41, 57));
        let n = 2000;
        let brightness: Vec<f64> = (0..n).map(|index| f64::from(tumour(40, index).brightness)).collect();
        let mean = brightness.iter().sum::<f64>() / n as f64;
        let variance = brightness.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
        let expected = 2.0 * 0.025_f64.powi(2);
        assert!((mean - 0.5).abs() < 5.0 * (expected / n as f64).sqrt(), "{mean}");
        assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{variance}");
        assert!((0..n).all(|index| (0.0..=1.0).contains(&tumour(80, index).brightness)));
        assert!(draw_tumour(&Mask::EMPTY, 50, &mut seed::stream(5, "tumour", 0)).is_none());
    }
}
