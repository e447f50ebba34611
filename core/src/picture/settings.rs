//! `[heatmaps]`: which pictures of explanations are drawn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::number::{Bound, number};
use crate::settings::{Invalid, Need};

use super::colormap::Colormap;
use super::extent::Extent;

/// How pictures are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    /// Pixels: Portable Network Graphics, 8 bits per channel, lossless.
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
    /// Number of explained images that are drawn. 0 draws none.
    pub count: usize,
    /// Whether each picture is also drawn with the known signs or masks marked.
    pub pointers: bool,
    /// Whether the colour bar shows relevance in its unit instead of -1 to 1.
    pub true_scale: bool,
    /// Format of the pictures: "png" (the default), "svg" or "pdf".
    pub format: PictureFormat,
    /// The relevance that has the strongest colour: "image" (the default; the largest of each map), "run" (the largest of all
    /// explained maps of the run, so that their colours can be compared), or a number in the unit of relevance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Extent>,
    /// The colours: "published" (the default for pumpkins) or "orange_blue" (the default for your own images).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colormap: Option<Colormap>,
    /// Relevance beyond this quantile of a map, and beyond the opposite one, has the strongest colour, above 0.5 to 1; 0.9999 by
    /// default. With "run" the quantile is that of each map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_quantile: Option<f64>,
    /// Whether pictures have a colour bar; true by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colorbar: Option<bool>,
}

impl HeatmapSettings {
    /// Everything that cannot be carried out, each with its dotted key.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid: Vec<Invalid> = match self.scale {
            Some(Extent::Relevance(most)) => number("heatmaps.scale", most, Bound::Positive).into_iter().collect(),
            _ => Vec::new(),
        };
        if let Some(quantile) = self.clip_quantile.filter(|quantile| !(*quantile > 0.5 && *quantile <= 1.0)) {
            let problem = format!("heatmaps.clip_quantile must be above 0.5 and at most 1, got {quantile}");
            invalid.push(Invalid::new(
                "heatmaps.clip_quantile",
                problem,
                "a value such as 0.99 clips the strongest percent",
            ));
        }
        if self.clip_quantile.is_some() && matches!(self.scale, Some(Extent::Relevance(_))) {
            let problem = "a scale that is a number leaves nothing for clip_quantile to decide";
            invalid.push(Invalid::new(
                "heatmaps.clip_quantile",
                problem,
                "leave heatmaps.clip_quantile or heatmaps.scale out",
            ));
        }
        invalid
    }

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
        Self {
            count: 20,
            pointers: true,
            true_scale: false,
            format: PictureFormat::Png,
            scale: None,
            colormap: None,
            clip_quantile: None,
            colorbar: None,
        }
    }
}
