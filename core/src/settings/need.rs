//! Memory that settings ask for. The estimate of each setting stands beside its definition.

use crate::raster::ImageShape;

/// Bytes of an image in single precision.
pub const fn image_bytes(shape: ImageShape) -> u128 {
    (shape.values() * size_of::<f32>()) as u128
}

/// Bytes of the scores of one map: some 50 rows of more than 100 bytes each, with their names.
pub const SCORES: u128 = 6000;

/// Memory that a setting asks for. Estimates are of what is certainly in memory at once, so that nothing is refused that
/// could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Dotted key.
    pub key: &'static str,
    pub bytes: u128,
    /// What takes it, such as "the images of 2000 pumpkins".
    pub what: String,
}

impl Need {
    pub fn new(key: &'static str, bytes: u128, what: String) -> Self {
        Self { key, bytes, what }
    }
}
