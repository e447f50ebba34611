//! Pictures of explanations: relevance in, pixels out.
//!
//! [`colormap`] says which colour a relevance has, [`canvas`] draws pixels and [`drawing`] shapes, [`frame`] is what all
//! pictures of one layout share (axes and colour bar), and [`heatmap`] joins them into the picture of one explanation.

pub mod canvas;
pub mod colormap;
pub mod drawing;
mod extent;
pub mod frame;
pub mod heatmap;
mod marks;
pub mod pdf_file;
pub mod png_file;
mod settings;
pub mod svg_file;

pub use colormap::{Colormap, Shading};
pub use extent::Extent;
pub use frame::{Look, Scale};
pub use heatmap::{Heatmap, file_name, render, title};
pub use marks::mark;
pub use settings::{HeatmapSettings, PictureFormat};

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("an image of {image:?} pixels (height, width) cannot be joined with a map of {relevance:?}")]
    SizeMismatch { image: (usize, usize), relevance: (usize, usize) },
    #[error("an image of {height} x {width} pixels has nothing to draw")]
    Empty { height: usize, width: usize },
    #[error("a mark at row {row}, column {col} is outside the image of {height} x {width} pixels")]
    SignOutside { row: usize, col: usize, height: usize, width: usize },
    #[error("the picture cannot be encoded")]
    Encode(#[from] png::EncodingError),
}
