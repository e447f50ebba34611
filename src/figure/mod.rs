//! Pictures: values in, pixels out.
//!
//! [`colormap`] says which colour a relevance has, [`canvas`] draws, [`frame`] is what all pictures of one
//! layout share (axes and colour bar), and [`heatmap`] joins them into the picture of one explanation.
//!
//! The figures of runs and of comparisons over runs are one file each, and are listed in [`registry`]. They are drawn
//! from a [`study::Study`] on a [`sheet::Sheet`], which is then written as SVG and PNG.

pub mod canvas;
pub mod chart;
pub mod colormap;
pub mod fit;
pub mod frame;
pub mod heatmap;
mod maps;
mod png_file;
pub mod registry;
mod setting_curves;
pub mod sheet;
mod signs;
pub mod study;
mod style;

mod age_distribution;
mod agreement;
mod ensemble;
mod heatmaps_by_age;
mod metrics_over_key;
mod prediction_joint;
mod pumpkin;
mod relevance_by_age;
mod relevance_lines;
mod residual_curves;
mod residuals;
mod same_pumpkin;
mod score_table;
mod senior_and_junior;
mod signs_over_age;
mod standard_and_toddler;
mod sum_relevance;
mod training;
mod years_per_sign;

pub use heatmap::{Heatmap, file_name, render, title};
#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod tests;

pub use heatmaps_by_age::by_age;
pub use signs::Signs;

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    #[error("an image of {image:?} pixels (height, width) cannot be joined with a map of {relevance:?}")]
    SizeMismatch { image: (usize, usize), relevance: (usize, usize) },
    #[error("an image of {height} x {width} pixels has nothing to draw")]
    Empty { height: usize, width: usize },
    #[error("a sign at row {row}, column {col} is outside the image of {height} x {width} pixels")]
    SignOutside { row: usize, col: usize, height: usize, width: usize },
    #[error("the plotting library cannot draw: {0}")]
    Plot(String),
    #[error("the picture cannot be encoded")]
    Encode(#[from] png::EncodingError),
    #[error("what the plotting library drew cannot be read")]
    Decode(#[from] image::ImageError),
}
