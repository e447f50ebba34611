//! Simulation of pumpkins that age by known signs.
//!
//! Ages are drawn ([`draw_ages`]), then each pumpkin's record ([`Pumpkin`]): its size and the signs of its age. The
//! image follows from the record alone, so that it can be painted again with any sign left out ([`Without`]).
//! After XDLreg (Hofmann et al., NeuroImage 2022, doi 10.1016/j.neuroimage.2022.119504).

mod ages;
mod body;
mod count;
mod dataset;
mod growth;
mod mask;
mod pumpkin;
#[cfg(test)]
mod reference_test;
mod settings;
mod signs;
mod truth;

pub use ages::draw_ages;
pub use dataset::{PumpkinSet, SimulateError, age, ages_of, draw_member, simulate, simulate_ages, simulate_parts};
pub use mask::Mask;
pub use pumpkin::{Pumpkin, Without};
pub use settings::{Distribution, GrowthMode, PumpkinSettings};
pub use signs::{Lesion, Pixel, Tumour};
pub use truth::PumpkinTruth;

use crate::raster::ImageShape;

/// Height and width of a pumpkin's image in pixels.
pub const SIDE: usize = 98;

/// The shape of a pumpkin's image.
pub const SHAPE: ImageShape = ImageShape::plane(SIDE, SIDE);
