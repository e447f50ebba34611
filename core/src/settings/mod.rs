//! What all settings share: how they are checked, and in which words they are refused.

mod invalid;
mod near;
mod need;
pub mod number;

pub use invalid::Invalid;
pub use near::near_miss;
pub use need::{Need, SCORES, image_bytes};
