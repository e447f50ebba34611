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
use super::subsample::{SampleCount, Subsample};
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
    /// The experiment does not start, and all such rows are listed.
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
    /// Where images come from: "pumpkins" (simulated, the default) or "files" (your own images with a table).
    #[serde(skip_serializing_if = "SourceName::is_pumpkins")]
    pub source: SourceName,
    /// Number of pumpkins, at least 100. The first 80 % train, the next 10 % validate and the last 10 % test. For files: the number of
    /// training rows to use, drawn at random. By default all of them; rows that validate and test are always used.
    #[serde(skip_serializing_if = "SampleCount::is_default")]
    pub n_samples: SampleCount,
    /// How the ages of pumpkins are distributed. For files, "biased" uses part of the training rows (half of them unless `n_samples`
    /// says how many), most of them at random and the rest around `target_bias`.
    pub distribution: Distribution,
    /// Age in years (for files: target value) around which a biased distribution is concentrated. Only with `distribution = "biased"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bias: Option<f64>,
    /// Share of a biased distribution that remains uniform, from 0 to 1.
    pub skew_factor: f64,
    /// How pumpkins change with age.
    pub growth_mode: GrowthMode,
    /// Minimum age of pumpkins, in years.
    pub min_age: u32,
    /// Maximum age of pumpkins, in years.
    pub max_age: u32,
    /// Seed of everything that is random in the data. For files: the seed of the split, unless `split.seed` is set, and of `n_samples`.
    pub seed: u64,
    /// For files: the table (csv, tsv or parquet), with a header and one row per image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// For files: the column with the image files (png, jpeg, tiff or npy). Paths are relative to the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// For files: one array with all images (npy or npz) in the order of the rows, instead of `image`. The path
    /// is relative to the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<String>,
    /// For files: the column with a name for each row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For files: the column with the target, the number to predict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// For files: the unit of the target, such as "years".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// For files: which rows train, validate and test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitSettings>,
    /// For files: a column of groups. Rows with the same entry, such as the images of one family, always stay in
    /// the same split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For files: the number of cross-validation folds, from 2 to 1000. There is one run per fold, and every row
    /// is tested once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// For files: the fold to test, counted from 0. By default each fold in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// For files: regions that are known to matter, by name, each with the column of its mask files. Pixels that
    /// are not 0 belong to the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masks: Option<BTreeMap<String, String>>,
    /// For files: 1 for grey images, 3 for colour. By default the channels of the first image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// For files: rows and columns to which all images are resized or cropped, such as [96, 128]. By default
    /// images keep their size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// For files: how images are brought to `size`: "resize" (the default) or "crop", which crops or pads them
    /// around their centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// For files: how intensities are scaled: "as-is" (the default), "unit" (0 to 1), "zscore" (each image
    /// separately) or "zscore-train" (by the training images).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
    /// For files: an image of integers that label regions, where 0 is the background: a file, or a column with
    /// one file per row. Relevance is summed over each region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atlas: Option<AtlasSettings>,
    /// For files: a column of groups, such as the sex. The relevance of regions is compared between the groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// For files: what happens to rows that cannot be used: "refuse" (the default) lists them and stops,
    /// "exclude" leaves them out.
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
            n_samples: SampleCount::default_of(n_samples),
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
            n_samples: self.n_samples.count,
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
            split: self.own_split(),
            subsample: self.subsample(),
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

    /// The split, whose seed is `data.seed` unless it has its own: replicates then have splits of their own.
    fn own_split(&self) -> SplitSettings {
        let split = self.split.clone().unwrap_or_default();
        let drawn = split.column.is_none() && split.seed.is_none() && self.seed != 0;
        if drawn { SplitSettings { seed: Some(self.seed), ..split } } else { split }
    }

    /// The part of the rows that train; none if all of them do.
    fn subsample(&self) -> Option<Subsample> {
        let count = Some(self.n_samples.count).filter(|_| self.n_samples.given);
        let bias = self.target_bias.filter(|_| self.distribution == Distribution::Biased);
        let bias = bias.map(|bias| (bias, self.skew_factor));
        (count.is_some() || bias.is_some()).then_some(Subsample { count, bias, seed: self.seed })
    }

    /// The settings of pumpkins that files have as well, in the way in which they are used now.
    pub(super) fn shared_with_pumpkins(&self) -> &'static [&'static str] {
        match (self.n_samples.given, self.distribution) {
            (false, Distribution::Uniform) => &["seed"],
            (true, Distribution::Uniform) => &["seed", "n_samples"],
            (false, Distribution::Biased) => &["seed", "distribution", "target_bias", "skew_factor"],
            (true, Distribution::Biased) => &["seed", "n_samples", "distribution", "target_bias", "skew_factor"],
        }
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
            SourceName::Pumpkins => self.n_samples.count,
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
                let used = self.shared_with_pumpkins();
                let keys = pumpkins.as_object().into_iter().flatten().map(|(key, _)| key.clone());
                keys.chain(["target_bias".to_owned()]).filter(|key| !used.contains(&key.as_str())).collect()
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
