//! Where data sets come from: `[data]`.
//!
//! A source is a variant of [`Source`], which a plan holds and the first stage carries out. Pumpkins are simulated; files are a
//! user's own images with a table of targets.

mod atlas;
mod bad_data;
mod cells;
mod file_source;
mod files;
mod fit;
mod intensity;
mod load;
mod picture;
#[cfg(test)]
mod prepared_tests;
mod settings;
mod split;
mod subsample;
mod table;
mod validation;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use bad_data::{BadData, Place, Problem};
pub use file_source::{AtlasFiles, FileSource, Found};
pub use files::{Seen, find, read};
pub use fit::Fit;
pub use intensity::Intensity;
pub use settings::{AtlasSettings, BadRows, DataSettings, SourceName};
pub use split::{Fold, MOST_FOLDS, SplitSettings, SplitShares};
pub use subsample::SampleCount;

use crate::data::Target;
use crate::sim::{self, PumpkinSettings};

/// A data set that is to be made, complete enough to make it anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    Files(Box<FileSource>),
    // The last one, since all of its settings have defaults.
    Pumpkins(PumpkinSettings),
}

impl Source {
    /// All that the data set depends on. Of files that is what is in them, not where they are.
    pub fn inputs(&self) -> Value {
        match self {
            Self::Pumpkins(settings) => json!(settings),
            Self::Files(files) => files.inputs(),
        }
    }

    /// What is predicted.
    pub fn target(&self) -> Target {
        match self {
            Self::Pumpkins(_) => sim::age(),
            Self::Files(files) => files.target(),
        }
    }

    /// The settings of pumpkins, where they are the source.
    pub fn pumpkins(&self) -> Option<&PumpkinSettings> {
        match self {
            Self::Pumpkins(settings) => Some(settings),
            Self::Files(_) => None,
        }
    }
}
