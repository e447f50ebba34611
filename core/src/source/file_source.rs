//! Where a user's images are, how they are read, and what was found there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bad_data::Problem;
use super::fit::Fit;
use super::intensity::Intensity;
use super::settings::SourceName;
use super::split::{Fold, SplitSettings};
use super::subsample::Subsample;
use crate::data::{Partition, Target};
use crate::raster::ImageShape;

/// Labels and their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtlasFiles {
    /// A picture or an array of integers, where 0 is the background: a file, relative to the table, or a column
    /// with one such file per row.
    pub labels: String,
    /// A table with the columns `label` and `name`, relative to the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
}

/// Where images are and how they are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    pub source: SourceName,
    pub table: PathBuf,
    pub image: Option<String>,
    pub images: Option<String>,
    pub id: Option<String>,
    pub target: String,
    pub unit: String,
    pub split: SplitSettings,
    /// A column whose entries keep rows together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The fold of a cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// The part of the rows that train, unless all of them do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsample: Option<Subsample>,
    /// Regions by name, each with the column of its mask files.
    pub masks: BTreeMap<String, String>,
    /// Labelled regions of which relevance is summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atlas: Option<AtlasFiles>,
    /// A column by whose entries rows are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    pub channels: Option<usize>,
    /// Rows and columns that all images are brought to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub fit: Fit,
    pub intensity: Intensity,
    /// Whether rows that cannot be used are left out rather than refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub excludes: bool,
    /// What was wrong with the rows that were left out when the files were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Problem>,
    /// What was in the files when they were looked at.
    pub content: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is in a user's files.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// A checksum of all that the data set is made of.
    pub content: String,
    /// Of every image.
    pub shape: ImageShape,
    pub partition: Partition,
    /// What is wrong with the rows that are left out.
    pub excluded: Vec<Problem>,
}

impl FileSource {
    /// All that the data set depends on: what is in the files rather than where they are.
    pub(super) fn inputs(&self) -> Value {
        let regions: Vec<&String> = self.masks.keys().collect();
        let mut inputs = json!({ "source": self.source, "content": self.content, "target": self.target, "unit": self.unit,
                                 "regions": regions, "channels": self.channels, "intensity": self.intensity });
        // What was not asked for has no place in keys, so that they remain those of versions that did not know it.
        if let Some(size) = self.size {
            inputs["size"] = json!(size);
            inputs["fit"] = json!(self.fit);
        }
        if let Some(column) = &self.group_by {
            inputs["group_by"] = json!(column);
        }
        inputs
    }

    /// The same files whatever is made of them.
    pub(super) fn of_files_alone(&self) -> Self {
        let (target, unit, split, id) = (String::new(), String::new(), SplitSettings::default(), None);
        let (group, group_by, fold, content, excluded) = (None, None, None, None, Vec::new());
        let own = Self { target, unit, split, id, group, group_by, fold, content, excluded, ..self.clone() };
        Self { subsample: None, excludes: false, ..own }
    }

    /// Whether relevance can be summed over regions.
    pub fn has_regions(&self) -> bool {
        !self.masks.is_empty() || self.atlas.is_some()
    }

    pub(super) fn target(&self) -> Target {
        Target::new(self.target.clone(), self.unit.clone())
    }
}
