//! A pumpkin: the record from which its image follows.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use super::SIDE;
use super::body::{paint_tissue, ring};
use super::mask::Mask;
use super::settings::GrowthMode;
use super::signs::{Lesion, Pixel, Tumour, draw_atrophies, draw_lesions, draw_tumour};
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pumpkins(growth_mode: GrowthMode) -> impl Iterator<Item = Pumpkin> {
        [20, 45, 63, 80].into_iter().map(move |age| Pumpkin::draw(age, growth_mode, u64::from(age)))
    }

    /// Where two images differ.
    fn changed(a: &[f32], b: &[f32]) -> Mask {
        let pixels = (0..SIDE * SIDE).filter(|&k| a[k].to_bits() != b[k].to_bits());
        pixels.map(|k| Pixel::new(k / SIDE, k % SIDE)).collect()
    }

    #[test]
    fn only_human_pumpkins_and_those_that_do_not_grow_bear_signs() {
        for mode in GrowthMode::ALL {
            for pumpkin in pumpkins(mode) {
                let human = mode == GrowthMode::Human;
                assert_eq!(!pumpkin.lesions.is_empty(), human && pumpkin.age > 40);
                assert_eq!(!pumpkin.atrophies.is_empty(), human);
                assert_eq!(pumpkin.tumour.is_some(), mode == GrowthMode::NoGrowth);
            }
        }
    }

    #[test]
    fn height_and_width_vary_independently_by_a_twentieth_of_the_height() {
        for (mode, height, width) in [(GrowthMode::Human, 80.0, 65.0), (GrowthMode::TangPing, 40.0, 60.0)] {
            let n = 1000;
            let pumpkins = (0..n).map(|seed| Pumpkin::draw(60, mode, seed));
            let standard = |size: f32, mean: f64| (f64::from(size) - mean) / (height / 20.0);
            let sizes: Vec<_> =
                pumpkins.map(|pumpkin| (standard(pumpkin.height, height), standard(pumpkin.width, width))).collect();
            let mean = |of: fn(f64, f64) -> f64| sizes.iter().map(|&(h, w)| of(h, w)).sum::<f64>() / n as f64;
            let error = 1.0 / (n as f64).sqrt();
            assert!(mean(|h, _| h).abs() < 4.0 * error && mean(|_, w| w).abs() < 4.0 * error);
            assert!(mean(|h, w| h * w).abs() < 4.0 * error);
            let variance_error = 2.0_f64.sqrt() * error;
            assert!((mean(|h, _| h * h) - 1.0).abs() < 4.0 * variance_error);
            assert!((mean(|_, w| w * w) - 1.0).abs() < 4.0 * variance_error);
        }
    }

    #[test]
    fn signs_are_drawn_over_body_and_noise_in_the_order_of_the_record() {
        for pumpkin in pumpkins(GrowthMode::Human) {
            let mut expected = pumpkin.redraw(Without::Signs);
            for lesion in &pumpkin.lesions {
                for (row, col) in (0..9).map(|k| (lesion.row as usize + k / 3 - 1, lesion.col as usize + k % 3 - 1)) {
                    let pixel = &mut expected[row * SIDE + col];
                    *pixel = (*pixel + lesion.brightness).clamp(0.0, 1.0);
                }
            }
            assert!(changed(&expected, &pumpkin.redraw(Without::Atrophies)).is_empty());
            for atrophy in &pumpkin.atrophies {
                assert!(expected[atrophy.index()] > 0.0, "each atrophy eats tissue");
                expected[atrophy.index()] = 0.0;
            }
            assert!(changed(&expected, &pumpkin.redraw(Without::Nothing)).is_empty());
        }
    }

    #[test]
    fn a_sign_left_out_changes_its_own_pixels_only() {
        for pumpkin in pumpkins(GrowthMode::Human) {
            let whole = pumpkin.redraw(Without::Nothing);
            let full = pumpkin.redraw(Without::Atrophies);
            for (index, lesion) in pumpkin.lesions.iter().enumerate() {
                let (rows, cols) = lesion.block();
                let mut block = Mask::EMPTY;
                block.insert(rows, cols);
                let block = block.difference(&pumpkin.atrophy_mask(0));
                assert!(changed(&whole, &pumpkin.redraw(Without::Lesion(index))).difference(&block).is_empty());
            }
            for (index, atrophy) in pumpkin.atrophies.iter().enumerate() {
                let healed = pumpkin.redraw(Without::Atrophy(index));
                assert_eq!(changed(&whole, &healed).pixels().collect::<Vec<_>>(), [*atrophy]);
                assert_eq!(healed[atrophy.index()], full[atrophy.index()]);
            }
        }
    }

    #[test]
    fn masks_are_the_pixels_that_signs_change() {
        for pumpkin in pumpkins(GrowthMode::Human) {
            let whole = pumpkin.redraw(Without::Nothing);
            let without_lesions = changed(&whole, &pumpkin.redraw(Without::Lesions));
            assert_eq!(without_lesions, pumpkin.lesion_mask());
            assert_eq!(changed(&whole, &pumpkin.redraw(Without::Atrophies)), pumpkin.atrophy_mask(0));
            assert!(pumpkin.atrophy_mask(0).difference(&pumpkin.atrophy_mask(1)).is_empty());
            assert!(pumpkin.tumour_mask().is_empty());
        }
        for pumpkin in pumpkins(GrowthMode::NoGrowth) {
            let whole = pumpkin.redraw(Without::Nothing);
            let mask = pumpkin.tumour_mask();
            let brightness = pumpkin.tumour.unwrap().brightness;
            assert!(mask.pixels().all(|pixel| whole[pixel.index()] == brightness));
            assert!(changed(&whole, &pumpkin.redraw(Without::Tumour)).difference(&mask).is_empty());
            assert_eq!(pumpkin.redraw(Without::Tumour), pumpkin.redraw(Without::Signs));
        }
    }

    #[test]
    fn names_are_two_letters_three_letters_and_nine_digits() {
        for pumpkin in pumpkins(GrowthMode::Eternal) {
            let (letters, digits) = pumpkin.name.split_at(5);
            assert!(letters.starts_with("PH") && letters.bytes().all(|letter| letter.is_ascii_uppercase()));
            assert!(digits.len() == 9 && digits.bytes().all(|digit| digit.is_ascii_digit()));
        }
    }
}
