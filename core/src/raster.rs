//! Images and relevance maps of `f32`, of any size and number of channels.

use std::borrow::Cow;
use std::fmt;
use std::ops::{ControlFlow, Range};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The shape of an image: channels, then its spatial axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// 1 (grey) or 3 (colour).
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl ImageShape {
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// An image of one channel.
    pub const fn plane(height: usize, width: usize) -> Self {
        Self::new(1, height, width)
    }

    /// Pixels of one channel.
    pub const fn area(&self) -> usize {
        self.height * self.width
    }

    /// Numbers of an image: all channels of all pixels.
    pub const fn values(&self) -> usize {
        self.channels * self.area()
    }

    /// One number a pixel.
    pub const fn folded(&self) -> Self {
        Self::plane(self.height, self.width)
    }

    /// The shape of an array of `count` such images: `[n, height, width]`, or `[n, channels, height, width]` where there is
    /// more than one channel.
    pub fn of_array(&self, count: usize) -> Vec<usize> {
        match self.channels {
            1 => vec![count, self.height, self.width],
            channels => vec![count, channels, self.height, self.width],
        }
    }
}

/// "98 x 98 pixels", "3 x 64 x 80 pixels (channels, rows, columns)".
impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channels {
            1 => write!(f, "{} x {} pixels", self.height, self.width),
            channels => write!(f, "{} x {} pixels in {channels} channels", self.height, self.width),
        }
    }
}

/// One image or map, borrowed: channel after channel, each in row-major order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raster<'a> {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub pixels: &'a [f32],
}

impl<'a> Raster<'a> {
    /// Views `pixels` as an image of one channel.
    ///
    /// # Panics
    /// Panics when `pixels` does not hold `height * width` values.
    pub fn new(height: usize, width: usize, pixels: &'a [f32]) -> Self {
        Self::of(ImageShape::plane(height, width), pixels)
    }

    /// Views `pixels` as an image of this shape.
    ///
    /// # Panics
    /// Panics when `pixels` holds another number of values.
    pub fn of(shape: ImageShape, pixels: &'a [f32]) -> Self {
        assert_eq!(pixels.len(), shape.values(), "an image of {shape}");
        let ImageShape { channels, height, width } = shape;
        Self { channels, height, width, pixels }
    }

    pub fn shape(&self) -> ImageShape {
        ImageShape::new(self.channels, self.height, self.width)
    }

    /// The value at a pixel of the first channel.
    pub fn at(&self, row: usize, col: usize) -> f32 {
        self.pixels[row * self.width + col]
    }

    /// Sum over all values, in `f64`.
    pub fn sum(&self) -> f64 {
        self.pixels.iter().map(|&v| f64::from(v)).sum()
    }

    /// One number a pixel: the mean over channels.
    pub fn grey(&self) -> Cow<'a, [f32]> {
        match self.channels {
            1 => Cow::Borrowed(self.pixels),
            channels => Cow::Owned(self.summed().iter().map(|sum| sum / channels as f32).collect()),
        }
    }

    /// One number a pixel: the sum over channels.
    fn summed(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.height * self.width];
        for channel in self.pixels.chunks_exact(sums.len()) {
            sums.iter_mut().zip(channel).for_each(|(sum, value)| *sum += value);
        }
        sums
    }
}

/// Images or maps of one shape: `[count, channels, height, width]` in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterStack {
    shape: ImageShape,
    pixels: Vec<f32>,
}

impl RasterStack {
    /// Wraps `pixels` of shape `[count, height, width]`.
    ///
    /// # Panics
    /// Panics when `pixels` is not a whole number of planes.
    pub fn new(height: usize, width: usize, pixels: Vec<f32>) -> Self {
        Self::of(ImageShape::plane(height, width), pixels)
    }

    /// Wraps `pixels` of any number of images of this shape.
    ///
    /// # Panics
    /// Panics when `pixels` is not a whole number of images.
    pub fn of(shape: ImageShape, pixels: Vec<f32>) -> Self {
        assert_eq!(pixels.len() % shape.values(), 0, "whole images of {shape}");
        Self { shape, pixels }
    }

    pub fn zeros(count: usize, height: usize, width: usize) -> Self {
        Self::new(height, width, vec![0.0; count * height * width])
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.shape.values()
    }

    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    pub fn height(&self) -> usize {
        self.shape.height
    }

    pub fn width(&self) -> usize {
        self.shape.width
    }

    pub fn get(&self, index: usize) -> Raster<'_> {
        let values = self.shape.values();
        Raster::of(self.shape, &self.pixels[index * values..][..values])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Raster<'_>> {
        self.pixels.chunks_exact(self.shape.values()).map(|values| Raster::of(self.shape, values))
    }

    /// All pixels, image after image.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    pub fn pixels_mut(&mut self) -> &mut [f32] {
        &mut self.pixels
    }

    /// The images at `indices`, copied.
    pub fn select(&self, indices: &[usize]) -> Self {
        let pixels = indices.iter().flat_map(|&index| self.get(index).pixels).copied().collect();
        Self::of(self.shape, pixels)
    }

    /// The images `range`, copied.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let values = self.shape.values();
        Self::of(self.shape, self.pixels[range.start * values..range.end * values].to_vec())
    }

    /// Maps of one number a pixel: the sum of relevance over channels, which is what the pixel contributes.
    pub fn folded(self) -> Self {
        if self.shape.channels == 1 {
            return self;
        }
        let pixels = self.iter().flat_map(|map| map.summed()).collect();
        Self::of(self.shape.folded(), pixels)
    }
}

/// Planes that cannot be read, and why. Where they come from is known to others, who name it in the cause.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UnreadablePlanes(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Images of one shape that need not be in memory together.
pub trait Planes {
    /// How many images there are.
    fn count(&self) -> usize;

    /// Of each image.
    fn shape(&self) -> ImageShape;

    /// Passes the pixels of all images to `visit`, in order and `batch` images at a time (fewer at the end), until it
    /// breaks off. Every call begins at the first image.
    ///
    /// # Errors
    /// [`UnreadablePlanes`] where they are in a file that is damaged or gone.
    fn visit(&self, batch: usize, visit: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<(), UnreadablePlanes>;
}

/// The smallest and the largest of all pixels; infinite where there are none. All images are read once, so that damage
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
    fn count(&self) -> usize {
        self.len()
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn visit(&self, batch: usize, visit: &mut dyn FnMut(&[f32]) -> ControlFlow<()>) -> Result<(), UnreadablePlanes> {
        // Breaking off is no error.
        let _ = self.pixels.chunks(batch * self.shape.values()).try_for_each(visit);
        Ok(())
    }
}
