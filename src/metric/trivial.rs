//! Maps that need no explanation. Scores that they reach too are no merit of an explanation.

use rand::RngExt;

use crate::raster::{Raster, RasterStack};
use crate::seed::stream;

/// A map made without a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trivial {
    /// The image itself.
    Image,
    /// The magnitude of the image's gradient by Sobel's 3 x 3 masks, with zeros around the image.
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

    /// The map of one image. Noise is that of `seed` and `sample`.
    pub fn map(self, image: Raster, seed: u64, sample: usize) -> RasterStack {
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
    let at = |row: usize, col: usize, down: isize, right: isize| {
        let row = row.checked_add_signed(down).filter(|&row| row < image.height);
        let col = col.checked_add_signed(right).filter(|&col| col < image.width);
        row.zip(col).map_or(0.0, |(row, col)| image.at(row, col))
    };
    let places = (0..image.height).flat_map(|row| (0..image.width).map(move |col| (row, col)));
    places
        .map(|(row, col)| {
            let column = |right| at(row, col, -1, right) + 2.0 * at(row, col, 0, right) + at(row, col, 1, right);
            let line = |down| at(row, col, down, -1) + 2.0 * at(row, col, down, 0) + at(row, col, down, 1);
            let (across, along) = (column(1) - column(-1), line(1) - line(-1));
            (across * across + along * along).sqrt()
        })
        .collect()
}
