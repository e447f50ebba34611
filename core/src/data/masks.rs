//! Regions that users draw.

use super::truth::{Mark, Region, Truth};

/// For every sample the pixels of named regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masks {
    names: Vec<String>,
    /// Of an image, in pixels.
    width: usize,
    /// For every sample and region the places in the row-major image, ascending.
    pixels: Vec<Vec<Vec<usize>>>,
}

impl Masks {
    /// Empty regions of these names in `samples` images of this `width`.
    pub fn new(names: Vec<String>, samples: usize, width: usize) -> Self {
        let pixels = vec![vec![Vec::new(); names.len()]; samples];
        Self { names, width, pixels }
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds a pixel to a region.
    pub fn insert(&mut self, sample: usize, region: usize, pixel: usize) {
        let pixels = &mut self.pixels[sample][region];
        if let Err(place) = pixels.binary_search(&pixel) {
            pixels.insert(place, pixel);
        }
    }

    /// [sample, region, place in the image] of all pixels.
    pub fn pixels(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        let samples = self.pixels.iter().enumerate();
        samples.flat_map(|(sample, regions)| {
            let regions = regions.iter().enumerate();
            regions.flat_map(move |(region, pixels)| pixels.iter().map(move |&pixel| [sample, region, pixel]))
        })
    }

    /// The regions of a sample that have any pixels, with their names.
    fn there(&self, sample: usize) -> impl Iterator<Item = (&String, &Vec<usize>)> {
        self.names.iter().zip(&self.pixels[sample]).filter(|(_, pixels)| !pixels.is_empty())
    }
}

impl Truth for Masks {
    fn regions(&self, sample: usize) -> Vec<Region> {
        let region =
            |(name, pixels): (&String, &Vec<usize>)| Region { name: name.clone().into(), pixels: pixels.clone() };
        self.there(sample).map(region).collect()
    }

    fn marks(&self, sample: usize) -> Vec<Mark> {
        self.there(sample).map(|(_, pixels)| Mark::Contour { pixels: pixels.clone(), width: self.width }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_without_pixels_are_not_there() {
        let mut masks = Masks::new(vec!["one".into(), "other".into()], 2, 3);
        for pixel in [5, 1, 5] {
            masks.insert(1, 1, pixel);
        }
        assert_eq!(masks.regions(0), []);
        assert_eq!(masks.regions(1), [Region { name: "other".into(), pixels: vec![1, 5] }]);
        assert_eq!(masks.marks(1), [Mark::Contour { pixels: vec![1, 5], width: 3 }]);
        assert_eq!(masks.pixels().collect::<Vec<_>>(), [[1, 1, 1], [1, 1, 5]]);
        assert!(masks.foreground(1).is_none());
    }
}
