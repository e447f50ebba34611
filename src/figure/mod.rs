//! Figures: results in, pages out.
//!
//! The figures of runs and of comparisons over runs are one file each, and are listed in [`registry`]. They are drawn
//! from a [`study::Study`] on a [`sheet::Sheet`], which is then written as SVG and PNG.

pub mod chart;
pub mod comparison;
pub mod fit;
pub mod kinds;
mod left_out;
mod maps;
mod places;
pub mod registry;
mod setting_curves;
pub mod sheet;
pub mod study;
mod style;
pub mod words;

mod age_distribution;
mod agreement;
mod ensemble;
mod heatmaps_by_age;
mod metrics_over_key;
mod prediction_joint;
mod pumpkin;
mod relevance_by_age;
mod relevance_by_region;
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

#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod range_tests;
#[cfg(test)]
mod tests;

pub use heatmaps_by_age::by_target;

/// Why a figure cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    #[error("the plotting library cannot draw: {0}")]
    Plot(String),
    #[error("the picture cannot be encoded")]
    Encode(#[from] png::EncodingError),
    #[error("what the plotting library drew cannot be read")]
    Decode(#[from] image::ImageError),
}
