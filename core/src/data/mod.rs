//! What networks learn from: images with a target each, a partition, and what is known of them beforehand.
//!
//! A [`Dataset`] comes from a source, such as the simulation of pumpkins ([`crate::sim`]) or a user's own files
//! ([`crate::source`]). Shapes travel with the data: nothing here knows how large an image is.

mod atlas;
mod classes;
mod dataset;
mod masks;
mod partition;
mod summary;
mod target;
mod truth;

pub use atlas::{Atlas, AtlasRegion};
pub use classes::is_upper;
pub use dataset::{Dataset, Grouping};
pub use masks::Masks;
pub use partition::{Partition, Split};
pub use summary::{Fact, facts};
pub use target::Target;
pub use truth::{Interventions, Kind, LeftOut, Mark, Region, Truth, Variant};
