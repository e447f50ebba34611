//! Maps that need no explanation. Scores that they reach too are no merit of an explanation.

use rand::RngExt;

use crate::raster::{Raster, RasterStack};
use crate::seed::stream;

/// A map made without a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trivial {
    /// The image itself, in the mean over channels.
    Image,
    /// The magnitude of its gradient by Sobel's 3 x 3 masks, with zeros around the image.
    Edges,
    /// Every pixel uniform between 0 and 1.
    Noise,
}

impl Trivial {
    pub const ALL: [Self; 3] = [Self::Image, Self::Edges, Self::Noise];

    /// Name as written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Edges => "edges",
            Self::Noise => "noise",
        }
    }

    /// The map of one image, a number a pixel. Noise is that of `seed` and `sample`.
    pub fn map(self, image: Raster, seed: u64, sample: usize) -> RasterStack {
        let grey = image.grey();
        let image = Raster::new(image.height, image.width, &grey);
        let pixels = match self {
            Self::Image => image.pixels.to_vec(),
            Self::Edges => edges(image),
            Self::Noise => {
                let mut rng = stream(seed, "noise map", sample as u64);
                image.pixels.iter().map(|_| rng.random()).collect()
            }
        };
        RasterStack::new(image.height, image.width, pixels)
    }
}

fn edges(image: Raster) -> Vec<f32> {
    let empty = vec![0.0; image.width];
    let row = |row: Option<usize>| match row.filter(|&row| row < image.height) {
        Some(row) => &image.pixels[row * image.width..][..image.width],
        None => &empty[..],
    };
    let mut magnitudes = Vec::with_capacity(image.pixels.len());
    // Sums of columns and differences of rows, with a zero on either side.
    let (mut sums, mut differences) = (vec![0.0; image.width + 2], vec![0.0; image.width + 2]);
    for middle in 0..image.height {
        let (above, own, below) = (row(middle.checked_sub(1)), row(Some(middle)), row(Some(middle + 1)));
        for (col, ((&above, &own), &below)) in above.iter().zip(own).zip(below).enumerate() {
            sums[col + 1] = above + 2.0 * own + below;
            differences[col + 1] = below - above;
        }
        for (sums, differences) in sums.windows(3).zip(differences.windows(3)) {
            let (across, along) = (sums[2] - sums[0], differences[0] + 2.0 * differences[1] + differences[2]);
            magnitudes.push((across * across + along * along).sqrt());
        }
    }
    magnitudes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_the_magnitude_of_sobels_masks() {
        let (height, width) = (7, 5);
        let mut rng = stream(1, "edges", 0);
        let pixels: Vec<f32> = (0..height * width).map(|_| rng.random()).collect();
        let map = Trivial::Edges.map(Raster::new(height, width, &pixels), 0, 0);
        let mask = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]];
        for (row, col) in (0..height).flat_map(|row| (0..width).map(move |col| (row, col))) {
            let (mut across, mut along) = (0.0, 0.0);
            for (y, x) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
                if (1..=height).contains(&(row + y)) && (1..=width).contains(&(col + x)) {
                    let pixel = f64::from(pixels[(row + y - 1) * width + col + x - 1]);
                    across += mask[y][x] * pixel;
                    along += mask[x][y] * pixel;
                }
            }
            assert!((f64::from(map.pixels()[row * width + col]) - across.hypot(along)).abs() < 1e-6, "({row}, {col})");
        }
    }
}
