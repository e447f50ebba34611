//! What is known of images beforehand, against which explanations are held.
//!
//! All of it is optional. A source that knows regions offers a [`Truth`]; one that can also make an image again without
//! one of its signs offers [`Interventions`].

use std::borrow::Cow;
use std::fmt;

/// The pixels of an image that are known to matter for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// As tables call it, such as "lesions".
    pub name: Cow<'static, str>,
    /// Places in the row-major image, ascending.
    pub pixels: Vec<usize>,
}

/// What is known of the images of a data set.
pub trait Truth: fmt::Debug + Send + Sync {
    /// The regions of a sample's image that have any pixels.
    fn regions(&self, sample: usize) -> Vec<Region>;

    /// For every pixel whether it shows the object rather than its background; none where that is not known.
    fn foreground(&self, _sample: usize) -> Option<Vec<bool>> {
        None
    }

    /// What pictures mark in a sample's image, in the order in which it is drawn.
    fn marks(&self, sample: usize) -> Vec<Mark>;

    /// How images are made again without a sign, where the source can do that.
    fn interventions(&self) -> Option<&dyn Interventions> {
        None
    }
}

/// How a picture marks what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// A square on a pixel.
    Square { row: usize, col: usize },
    /// An arrow that points at a pixel.
    Arrow { row: usize, col: usize },
    /// The outline of rows and columns, half open.
    Outline { rows: [usize; 2], cols: [usize; 2] },
    /// The outline of a region, by its places in the row-major image of this width.
    Contour { pixels: Vec<usize>, width: usize },
}

/// A kind of sign that images can be made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Such as "lesions".
    pub name: &'static str,
    /// Whether an image has one such sign at most.
    pub single: bool,
    /// The regions that stand for such signs.
    pub variants: &'static [Variant],
}

/// A region that stands for the signs of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Name of the region.
    pub region: &'static str,
    /// How many rows and columns beyond a sign's own pixels count.
    pub dilation: usize,
}

/// What an image is made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeftOut {
    Nothing,
    /// One sign, by the index of its kind among [`Interventions::kinds`] and its own index.
    One {
        kind: usize,
        sign: usize,
    },
    /// All signs of a kind.
    All {
        kind: usize,
    },
}

/// A source that makes an image again without a sign, all else equal to the bit.
pub trait Interventions {
    fn kinds(&self) -> &'static [Kind];

    /// How many signs of a kind a sample's image has.
    fn count(&self, kind: usize, sample: usize) -> usize;

    /// Row and column of the middle of one sign.
    fn middle(&self, kind: usize, sample: usize, sign: usize) -> [usize; 2];

    /// The pixels within `dilation` rows and columns of one sign: places in the row-major image, ascending.
    fn pixels(&self, kind: usize, sample: usize, sign: usize, dilation: usize) -> Vec<usize>;

    /// Makes a sample's image again, `[channels, row, column]`; whatever was in `image` is gone.
    fn paint(&self, sample: usize, left_out: LeftOut, image: &mut [f32]);
}
