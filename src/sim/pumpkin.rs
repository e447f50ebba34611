//! A pumpkin: the record from which its image follows.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use super::body::{paint_tissue, ring};
use super::mask::Mask;
use super::settings::GrowthMode;
use super::signs::{Lesion, Pixel, Tumour, draw_atrophies, draw_lesions, draw_tumour};
use crate::raster::SIDE;
use crate::seed;

/// All that was drawn of a pumpkin, and the ground truth of every explanation. Its image follows from this record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pumpkin {
    /// "PH", three capital letters, nine digits.
    pub name: String,
    /// In years.
    pub age: u32,
    /// In pixels, as drawn.
    pub height: f32,
    /// In pixels, as drawn.
    pub width: f32,
    /// The pumpkin's own seed, from which its noise is drawn again.
    pub seed: u64,
    /// In the order they came; blocks may overlap.
    pub lesions: Vec<Lesion>,
    /// In the order they were made.
    pub atrophies: Vec<Pixel>,
    pub tumour: Option<Tumour>,
}

/// Which signs a pumpkin is painted without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Without {
    /// The image as it is.
    Nothing,
    /// Without one lesion, by its index.
    Lesion(usize),
    /// Without one atrophy, by its index.
    Atrophy(usize),
    /// Without any lesion.
    Lesions,
    /// Without any atrophy.
    Atrophies,
    /// Without the tumour.
    Tumour,
    /// Without any sign of age.
    Signs,
}

impl Pumpkin {
    /// Draws a pumpkin of `age` years. All that is random comes from `seed`.
    pub fn draw(age: u32, growth_mode: GrowthMode, seed: u64) -> Self {
        let stream = |purpose| seed::stream(seed, purpose, 0);
        let (mean_height, mean_width) = growth_mode.mean_size(age);
        let variation = Normal::new(0.0, (mean_height / 20.0).abs()).expect("a finite deviation");
        let mut rng = stream("body");
        let height = (mean_height + variation.sample(&mut rng)) as f32;
        let width = (mean_width + variation.sample(&mut rng)) as f32;
        let body = ring(height, width);
        let mut pumpkin = Self {
            name: draw_name(&mut stream("name")),
            age,
            height,
            width,
            seed,
            lesions: Vec::new(),
            atrophies: Vec::new(),
            tumour: None,
        };
        match growth_mode {
            GrowthMode::Human => {
                pumpkin.lesions = draw_lesions(&body, age, &mut stream("lesions"));
                pumpkin.atrophies = draw_atrophies(&body, age, &mut stream("atrophies"));
            }
            GrowthMode::NoGrowth => pumpkin.tumour = draw_tumour(&body, age, &mut stream("tumour")),
            GrowthMode::Eternal | GrowthMode::TangPing => {}
        }
        pumpkin
    }

    /// Paints the pumpkin into `image` of [`SIDE`] x [`SIDE`] pixels in row-major order; whatever was there is gone.
    ///
    /// All that is not left out is the same to the bit: lesions and atrophies come in the order of the record, over
    /// the same body and noise, and an atrophy wins over a lesion.
    ///
    /// # Panics
    /// Panics when `image` has another size, or when a sign lies beyond the image.
    pub fn paint(&self, without: Without, image: &mut [f32]) {
        assert_eq!(image.len(), SIDE * SIDE, "an image of {SIDE} x {SIDE}");
        image.fill(0.0);
        paint_tissue(&self.body(), &mut seed::stream(self.seed, "noise", 0), image);
        if !matches!(without, Without::Lesions | Without::Signs) {
            for (index, lesion) in self.lesions.iter().enumerate() {
                if without != Without::Lesion(index) {
                    paint(lesion.block(), image, |pixel| (pixel + lesion.brightness).clamp(0.0, 1.0));
                }
            }
        }
        if !matches!(without, Without::Atrophies | Without::Signs) {
            for (index, atrophy) in self.atrophies.iter().enumerate() {
                if without != Without::Atrophy(index) {
                    image[atrophy.index()] = 0.0;
                }
            }
        }
        if let Some(tumour) = self.tumour
            && !matches!(without, Without::Tumour | Without::Signs)
        {
            paint(tumour.block(), image, |_| tumour.brightness);
        }
    }

    /// The image again, with some signs left out: [`SIDE`] x [`SIDE`] pixels in row-major order.
    pub fn redraw(&self, without: Without) -> Vec<f32> {
        let mut image = vec![0.0; SIDE * SIDE];
        self.paint(without, &mut image);
        image
    }

    /// The pixels of the body before ageing.
    pub fn body(&self) -> Mask {
        ring(self.height, self.width)
    }

    /// The union of the lesions' blocks, less the atrophies.
    pub fn lesion_mask(&self) -> Mask {
        let mut mask = Mask::EMPTY;
        for lesion in &self.lesions {
            let (rows, cols) = lesion.block();
            mask.insert(rows, cols);
        }
        mask.difference(&self.atrophy_mask(0))
    }

    /// The atrophied pixels, and all within `radius` rows and columns of one.
    pub fn atrophy_mask(&self, radius: usize) -> Mask {
        self.atrophies.iter().copied().collect::<Mask>().dilate(radius)
    }

    /// The rectangle of the tumour.
    pub fn tumour_mask(&self) -> Mask {
        let mut mask = Mask::EMPTY;
        if let Some((rows, cols)) = self.tumour.map(|tumour| tumour.block()) {
            mask.insert(rows, cols);
        }
        mask
    }
}

fn paint(
    (rows, cols): (std::ops::Range<usize>, std::ops::Range<usize>),
    image: &mut [f32],
    intensity: impl Fn(f32) -> f32,
) {
    for row in rows {
        for pixel in &mut image[row * SIDE + cols.start..row * SIDE + cols.end] {
            *pixel = intensity(*pixel);
        }
    }
}

fn draw_name(rng: &mut impl Rng) -> String {
    let letters: String = (0..3).map(|_| rng.random_range('A'..='Z')).collect();
    format!("PH{letters}{:09}", rng.random_range(0..1_000_000_000_u32))
}
