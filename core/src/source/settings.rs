//! `[data]`: the settings of every source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::split::{self, Fold, SplitSettings};
use super::{FileSource, Found, Source};
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

/// What becomes of the values of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Intensity {
    /// They stay as they are in the files: 0 to 255 in most pictures.
    #[default]
    #[serde(rename = "as-is")]
    AsIs,
    /// 0 to 1: grey levels of pictures over the largest that their files can hold.
    #[serde(rename = "unit")]
    Unit,
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
    /// Of files: the table, csv or tsv, with a row an image and a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Of files: the column with the files of images (png, jpeg or npy), relative to the table.
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
    /// Of files: "as-is" (the default) or "unit".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
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
            intensity: None,
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
            channels: self.channels,
            intensity: self.intensity.unwrap_or_default(),
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

    /// The settings of files that are given.
    fn of_files(&self) -> Vec<&'static str> {
        let given = [
            ("table", self.table.is_some()),
            ("image", self.image.is_some()),
            ("images", self.images.is_some()),
            ("id", self.id.is_some()),
            ("target", self.target.is_some()),
            ("unit", self.unit.is_some()),
            ("split", self.split.is_some()),
            ("group", self.group.is_some()),
            ("folds", self.folds.is_some()),
            ("fold", self.fold.is_some()),
            ("masks", self.masks.is_some()),
            ("channels", self.channels.is_some()),
            ("intensity", self.intensity.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    fn validate_files(&self) -> Vec<Invalid> {
        let mut invalid = Vec::new();
        let (own, default) = (serde_json::json!(self.pumpkins()), serde_json::json!(PumpkinSettings::default()));
        for (key, value) in
            own.as_object().into_iter().flatten().filter(|(key, value)| default.get(*key) != Some(value))
        {
            let message =
                format!("`{key}` is a setting of pumpkins, but here it is {value} and images come from files");
            invalid.push(Invalid::new(
                format!("data.{key}"),
                message,
                "leave it out, or set data.source = \"pumpkins\"",
            ));
        }
        let needed = [
            ("table", &self.table, "table = \"subjects.csv\""),
            ("target", &self.target, "target = \"age\", the column with what is to be predicted"),
        ];
        for (key, value, example) in needed {
            if value.as_deref().is_none_or(str::is_empty) {
                let help = format!("add for example {example}");
                invalid.push(Invalid::new(format!("data.{key}"), format!("images from files need `{key}`"), help));
            }
        }
        match (&self.image, &self.images) {
            (Some(_), Some(_)) => invalid.push(Invalid::new(
                "data.images",
                "images are either in files of their own or in one array",
                "leave data.image or data.images out",
            )),
            (None, None) => invalid.push(Invalid::new(
                "data.image",
                "nothing says where the images are",
                "add image = \"file\", the column with their files, or images = \"all.npy\"",
            )),
            _ => {}
        }
        if self.channels.is_some_and(|channels| ![1, 3].contains(&channels)) {
            let message = format!("data.channels must be 1 or 3, got {}", self.channels.unwrap_or(0));
            invalid.push(Invalid::new("data.channels", message, "use 1 for grey images, 3 for colour"));
        }
        if self.images.is_some() && self.intensity == Some(Intensity::Unit) {
            let message =
                "\"unit\" divides grey levels of pictures, and an array does not tell what its largest would be";
            invalid.push(Invalid::new("data.intensity", message, "scale the array, and leave data.intensity out"));
        }
        invalid.extend(self.split.iter().flat_map(|split| split.validate(self.folds.is_some())));
        invalid.extend(split::validate_folds(self.folds, self.fold));
        invalid
    }
}
