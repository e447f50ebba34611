//! Signs of age: lesions, atrophies, tumours. Where they lie and how bright they are.
//!
//! Signs are drawn from the shape of the body alone: tissue is never 0 (its noise would have to reach 20 standard
//! deviations) and a lesion brightens it, so that "not 0" means "in the body, and not atrophied".

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal, StandardNormal};
use serde::{Deserialize, Serialize};

use super::body::CENTRE;
use super::mask::Mask;
use crate::raster::SIDE;

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
    let mut rim: Vec<Pixel> = Vec::with_capacity(4 * SIDE * SIDE / 8);
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

/// Draws a rounded N(mean, sd) on the condition that it is one of 0..=max.
///
/// Where the condition has practically no mass, more than 8 standard deviations beyond a limit, it is that limit.
fn draw_count(mean: f64, sd: f64, max: u32, rng: &mut impl Rng) -> u32 {
    let (low, high) = (-0.5, f64::from(max) + 0.5);
    let beyond = ((low - mean) / sd).max((mean - high) / sd);
    let value = if beyond > 8.0 {
        mean
    } else if beyond > 1.0 {
        let inwards = if mean < low { sd } else { -sd };
        mean + inwards * draw_tail(beyond, rng)
    } else {
        let normal = Normal::new(mean, sd).expect("a finite deviation");
        normal.sample_iter(rng).find(|value| (low..high).contains(value)).expect("an endless sequence")
    };
    value.round().clamp(0.0, f64::from(max)) as u32
}

/// Draws a standard normal on the condition that it exceeds `limit > 0` (Marsaglia 1964).
fn draw_tail(limit: f64, rng: &mut impl Rng) -> f64 {
    loop {
        let beyond = (limit * limit - 2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        if rng.random::<f64>() * beyond < limit {
            return beyond;
        }
    }
}
