//! `[data]`: the settings of every source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Source;
use super::file_source::{AtlasFiles, FileSource, Found};
use super::fit::Fit;
use super::intensity::Intensity;
use super::split::{Fold, SplitSettings};
use crate::data::Split;
use crate::raster::ImageShape;
use crate::settings::{Invalid, Need, image_bytes};
use crate::sim::{Distribution, GrowthMode, PumpkinSettings, SHAPE};

/// The sources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceName {
    #[default]
    Pumpkins,
    Files,
}

impl SourceName {
    fn is_pumpkins(&self) -> bool {
        *self == Self::Pumpkins
    }
}

/// Labelled regions over which relevance is summed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AtlasSettings {
    /// The file of the labels, or a column with such a file for each row.
    Labels(String),
    Named(AtlasFiles),
}

impl AtlasSettings {
    pub(super) fn files(&self) -> AtlasFiles {
        match self {
            Self::Labels(labels) => AtlasFiles { labels: labels.clone(), names: None },
            Self::Named(files) => files.clone(),
        }
    }
}

/// What happens to rows that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// The experiment does not start, and all of them are listed.
    #[default]
    Refuse,
    /// They are left out, and the report lists them with their reasons.
    Exclude,
}

/// The path of a table, wherever the work is done. An empty one is refused before it is looked for.
fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// `[data]`: the images and their targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// Where images come from: "pumpkins" (simulated) or "files" (your own, with a table).
    #[serde(skip_serializing_if = "SourceName::is_pumpkins")]
    pub source: SourceName,
    /// Number of pumpkins, at least 100: 80 % train, 10 % validation, 10 % test.
    pub n_samples: usize,
    /// How ages of pumpkins are distributed.
    pub distribution: Distribution,
    /// Age in years around which a biased distribution gathers; only with `distribution = "biased"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bias: Option<f64>,
    /// Share of a biased distribution that stays uniform, 0 to 1.
    pub skew_factor: f64,
    /// What ageing does to pumpkins.
    pub growth_mode: GrowthMode,
    /// Youngest age of pumpkins in years.
    pub min_age: u32,
    /// Oldest age of pumpkins in years.
    pub max_age: u32,
    /// Seed of all that is random in pumpkins.
    pub seed: u64,
    /// Of files: the table (csv, tsv or parquet), with a header and one row per image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Of files: the column with the files of images (png, jpeg, tiff or npy), relative to the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Of files: one array with all images (npy or npz) in the order of the rows, relative to the table, instead of `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<String>,
    /// Of files: the column with a name for each row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of files: the column with what is to be predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Of files: the target's unit, such as "years".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Of files: which rows train, validate and test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitSettings>,
    /// Of files: a column; rows with the same entry, such as the images of one family, always stay in the same part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Of files: number of folds of a cross-validation, 2 to 1000. There is a run for each fold, and every row is tested once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Of files: the fold that is tested, from 0 on; by default each in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Of files: names of regions that are known to matter, each with the column of its mask files; pixels that are not 0 belong
    /// to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masks: Option<BTreeMap<String, String>>,
    /// Of files: 1 for grey images, 3 for colour; by default as the first image has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Of files: rows and columns that all images are brought to, such as [96, 128]; by default they stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Of files: how images come to `size`: "resize" (the default) or "crop", which cuts or pads them around their middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Of files: "as-is" (the default), "unit" (0 to 1), "zscore" (each image by itself) or "zscore-train" (by the images that
    /// train).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
    /// Of files: an image of whole numbers that label regions, 0 being the background: a file, or a column with a file for each
    /// row. Relevance is summed over its regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atlas: Option<AtlasSettings>,
    /// Of files: a column, such as the sex; relevance of regions is compared between its groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// Of files: "refuse" (the default) lists rows that cannot be used and stops; "exclude" leaves them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_rows: Option<BadRows>,
    /// What is in the files, once they were looked at.
    #[serde(skip)]
    pub found: Option<Arc<Found>>,
}

impl Default for DataSettings {
    fn default() -> Self {
        PumpkinSettings::default().into()
    }
}

impl From<PumpkinSettings> for DataSettings {
    fn from(pumpkins: PumpkinSettings) -> Self {
        let PumpkinSettings { n_samples, distribution, target_bias, skew_factor, growth_mode, min_age, max_age, seed } =
            pumpkins;
        Self {
            source: SourceName::Pumpkins,
            n_samples,
            distribution,
            target_bias,
            skew_factor,
            growth_mode,
            min_age,
            max_age,
            seed,
            table: None,
            image: None,
            images: None,
            id: None,
            target: None,
            unit: None,
            split: None,
            group: None,
            folds: None,
            fold: None,
            masks: None,
            channels: None,
            size: None,
            fit: None,
            intensity: None,
            atlas: None,
            group_by: None,
            bad_rows: None,
            found: None,
        }
    }
}

impl DataSettings {
    /// The settings of pumpkins.
    pub fn pumpkins(&self) -> PumpkinSettings {
        PumpkinSettings {
            n_samples: self.n_samples,
            distribution: self.distribution,
            target_bias: self.target_bias,
            skew_factor: self.skew_factor,
            growth_mode: self.growth_mode,
            min_age: self.min_age,
            max_age: self.max_age,
            seed: self.seed,
        }
    }

    /// The files that are to be looked at; none for pumpkins.
    pub fn files(&self) -> Option<FileSource> {
        (self.source == SourceName::Files).then(|| FileSource {
            source: SourceName::Files,
            table: absolute(self.table.as_deref().unwrap_or_default()),
            image: self.image.clone(),
            images: self.images.clone(),
            id: self.id.clone(),
            target: self.target.clone().unwrap_or_default(),
            unit: self.unit.clone().unwrap_or_default(),
            split: self.split.clone().unwrap_or_default(),
            group: self.group.clone(),
            fold: self.folds.map(|count| Fold { count, tested: self.fold.unwrap_or(0) }),
            masks: self.masks.clone().unwrap_or_default(),
            atlas: self.atlas.as_ref().map(AtlasSettings::files),
            group_by: self.group_by.clone(),
            channels: self.channels,
            size: self.size,
            fit: self.fit.unwrap_or_default(),
            intensity: self.intensity.unwrap_or_default(),
            excludes: self.bad_rows == Some(BadRows::Exclude),
            excluded: self.found.as_ref().map(|found| found.excluded.clone()).unwrap_or_default(),
            content: self.found.as_ref().map(|found| found.content.clone()),
        })
    }

    /// What the first stage makes the data set of.
    pub fn to_source(&self) -> Source {
        self.files().map_or_else(|| Source::Pumpkins(self.pumpkins()), |files| Source::Files(Box::new(files)))
    }

    /// Of each image; that of pumpkins for files that were not looked at yet.
    pub fn shape(&self) -> ImageShape {
        self.found.as_ref().map_or(SHAPE, |found| found.shape)
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        match self.source {
            SourceName::Pumpkins => self.n_samples,
            SourceName::Files => self.found.as_ref().map_or(0, |found| found.partition.len()),
        }
    }

    /// Number of images of a part.
    pub fn count_of(&self, split: Split) -> usize {
        match &self.found {
            Some(found) => found.partition.samples(split).len(),
            None => split.range(self.count()).len(),
        }
    }

    /// Memory of the images.
    pub fn memory(&self) -> Need {
        match self.source {
            SourceName::Pumpkins => self.pumpkins().memory(),
            SourceName::Files => {
                let bytes = self.count() as u128 * image_bytes(self.shape());
                Need::new("data.table", bytes, format!("{} images of {}", self.count(), self.shape()))
            }
        }
    }

    /// The keys of the settings that this source does not read.
    pub fn unread(&self) -> Vec<String> {
        match self.source {
            SourceName::Pumpkins => Vec::new(),
            SourceName::Files => {
                let pumpkins = serde_json::json!(PumpkinSettings::default());
                pumpkins.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
            }
        }
    }

    pub fn validate(&self) -> Vec<Invalid> {
        match self.source {
            SourceName::Pumpkins => {
                let refused = self.of_files().into_iter().map(|key| {
                    let (key, message) = (format!("data.{key}"), format!("pumpkins are simulated and have no `{key}`"));
                    Invalid::new(key, message, "leave it out, or set data.source = \"files\"")
                });
                refused.chain(self.pumpkins().validate()).collect()
            }
            SourceName::Files => self.validate_files(),
        }
    }

    /// The settings of files that are given: all that is written of these settings beside those of pumpkins.
    fn of_files(&self) -> Vec<String> {
        let (own, pumpkins) = (serde_json::json!(self), serde_json::json!(PumpkinSettings::default()));
        let own = own.as_object().into_iter().flatten().map(|(key, _)| key);
        own.filter(|key| *key != "source" && *key != "target_bias" && pumpkins.get(key).is_none()).cloned().collect()
    }
}
