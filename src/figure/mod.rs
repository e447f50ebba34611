//! Pictures: values in, pixels out.
//!
//! [`colormap`] says which colour a relevance has, [`canvas`] draws, [`frame`] is what all pictures of one
//! layout share (axes and colour bar), and [`heatmap`] joins them into the picture of one explanation.

pub mod canvas;
pub mod colormap;
pub mod frame;
pub mod heatmap;

pub use heatmap::{Heatmap, Signs, file_name, render, title};

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    #[error("an image of {image:?} pixels (height, width) cannot be joined with a map of {relevance:?}")]
    SizeMismatch { image: (usize, usize), relevance: (usize, usize) },
    #[error("an image of {height} x {width} pixels has nothing to draw")]
    Empty { height: usize, width: usize },
    #[error("a sign at row {row}, column {col} is outside the image of {height} x {width} pixels")]
    SignOutside { row: usize, col: usize, height: usize, width: usize },
    #[error("the picture cannot be encoded")]
    Encode(#[from] image::ImageError),
}
