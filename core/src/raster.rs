//! Planes of `f32`: images and relevance maps.

use std::ops::ControlFlow;

use thiserror::Error;

/// Height and width of a pumpkin image in pixels.
pub const SIDE: usize = 98;

/// One H x W plane, borrowed, in row-major order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raster<'a> {
    pub height: usize,
    pub width: usize,
    pub pixels: &'a [f32],
}

impl<'a> Raster<'a> {
    /// Views `pixels` as a plane.
    ///
    /// # Panics
    /// Panics when `pixels` does not hold `height * width` values.
    pub fn new(height: usize, width: usize, pixels: &'a [f32]) -> Self {
        assert_eq!(pixels.len(), height * width, "a plane of {height} x {width}");
        Self { height, width, pixels }
    }

    pub fn at(&self, row: usize, col: usize) -> f32 {
        self.pixels[row * self.width + col]
    }

    /// Sum over all pixels, in `f64`.
    pub fn sum(&self) -> f64 {
        self.pixels.iter().map(|&v| f64::from(v)).sum()
    }
}

/// A stack of planes of one size, `[count, height, width]` in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterStack {
    height: usize,
    width: usize,
    pixels: Vec<f32>,
}

impl RasterStack {
    /// Wraps `pixels` of shape `[count, height, width]`.
    ///
    /// # Panics
    /// Panics when `pixels` is not a whole number of planes.
    pub fn new(height: usize, width: usize, pixels: Vec<f32>) -> Self {
        assert_eq!(pixels.len() % (height * width), 0, "whole planes of {height} x {width}");
        Self { height, width, pixels }
    }

    pub fn zeros(count: usize, height: usize, width: usize) -> Self {
        Self::new(height, width, vec![0.0; count * height * width])
    }

    /// How many planes there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / (self.height * self.width)
    }

    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn get(&self, index: usize) -> Raster<'_> {
        let area = self.height * self.width;
        Raster::new(self.height, self.width, &self.pixels[index * area..(index + 1) * area])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Raster<'_>> {
        self.pixels.chunks_exact(self.height * self.width).map(|plane| Raster::new(self.height, self.width, plane))
    }

    /// All pixels, plane after plane.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    pub fn pixels_mut(&mut self) -> &mut [f32] {
        &mut self.pixels
    }

    /// The planes at `indices`, copied.
    pub fn select(&self, indices: &[usize]) -> Self {
        let pixels = indices.iter().flat_map(|&index| self.get(index).pixels).copied().collect();
        Self::new(self.height, self.width, pixels)
    }

    /// The planes `range`, copied.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        let area = self.height * self.width;
        Self::new(self.height, self.width, self.pixels[range.start * area..range.end * area].to_vec())
    }
}

/// Planes that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnreadablePlanes(pub String);

/// Planes of one size that need not be in memory together.
pub trait Planes {
    /// `[count, height, width]`.
    fn shape(&self) -> [usize; 3];

    /// Passes the pixels of all planes to `visit`, in order and `batch` planes at a time (fewer at the end), until it
    /// breaks off. Every call begins at the first plane.
    ///
    /// # Errors
    /// [`UnreadablePlanes`] where they are in a file that is damaged or gone.
    fn visit(&self, batch: usize, visit: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<(), UnreadablePlanes>;
}

/// The smallest and the largest of all pixels; infinite where there are none. All planes are read once, so that damage
/// shows before long work begins.
///
/// # Errors
/// See [`Planes::visit`].
pub fn extent(planes: &dyn Planes) -> Result<[f32; 2], UnreadablePlanes> {
    /// Planes that are looked at together.
    const BATCH: usize = 64;
    let mut extent = [f32::INFINITY, f32::NEG_INFINITY];
    planes.visit(BATCH, &mut |pixels| {
        let [low, high] = &mut extent;
        pixels.iter().for_each(|pixel| (*low, *high) = (low.min(*pixel), high.max(*pixel)));
        ControlFlow::Continue(())
    })?;
    Ok(extent)
}

impl Planes for RasterStack {
    fn shape(&self) -> [usize; 3] {
        [self.len(), self.height, self.width]
    }

    fn visit(&self, batch: usize, visit: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<(), UnreadablePlanes> {
        // Breaking off is no error.
        let _ = self.pixels.chunks(batch * self.height * self.width).try_for_each(visit);
        Ok(())
    }
}
