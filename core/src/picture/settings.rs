//! `[heatmaps]`: which pictures of explanations are drawn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::Need;

/// How pictures are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    /// Pixels: Portable Network Graphics, 8 bits a channel, lossless.
    Png,
    /// Shapes: Scalable Vector Graphics, with the map as a lossless image.
    Svg,
    /// Shapes: a page of the Portable Document Format, with the map as a lossless image.
    Pdf,
}

impl PictureFormat {
    /// The file name's ending, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Pdf => "pdf",
        }
    }
}

/// `[heatmaps]`: the pictures of relevance maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeatmapSettings {
    /// How many of the explained images are drawn; 0 draws none.
    pub count: usize,
    /// Also draws each picture with atrophies and lesions marked, where they are known.
    pub pointers: bool,
    /// Labels the colour bar by relevance in its unit instead of from -1 to 1.
    pub true_scale: bool,
    /// How pictures are stored: "png" (the default), "svg" or "pdf".
    pub format: PictureFormat,
}

impl HeatmapSettings {
    /// Memory of the pictures of `explained` images, of which no more than `count` are drawn: all are drawn, then written.
    pub fn memory(&self, explained: usize) -> Option<Need> {
        // A picture, compressed or with the outlines of its letters.
        let picture = if self.format == PictureFormat::Png { 40_000 } else { 150_000 };
        let pictures = self.count.min(explained) as u128 * if self.pointers { 2 } else { 1 };
        Some(Need::new("heatmaps.count", pictures * picture, format!("{pictures} pictures")))
    }
}

impl Default for HeatmapSettings {
    fn default() -> Self {
        Self { count: 20, pointers: true, true_scale: false, format: PictureFormat::Png }
    }
}
