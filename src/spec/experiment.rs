//! `[experiment]` and the whole spec.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RunSettings;
use crate::explain::ExplainSettings;
use crate::metric::EvaluateSettings;
use crate::net::{ModelSettings, SeenWeights, TrainSettings};
use crate::picture::HeatmapSettings;
use crate::settings::Invalid;
use crate::shown::shown;
use crate::source::{self, BadData, DataSettings, Seen};

/// `[experiment]`: what it is called and where its results go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentSettings {
    /// Name of the results folder. By default the name of the spec file without its ending.
    pub name: String,
    /// One line that describes the experiment, shown in the report.
    pub description: String,
    /// Folder in which results folders are created.
    pub output: String,
}

impl Default for ExperimentSettings {
    fn default() -> Self {
        Self { name: String::new(), description: String::new(), output: "results".into() }
    }
}

impl ExperimentSettings {
    fn validate(&self) -> Vec<Invalid> {
        let mut invalid = Vec::new();
        let unsafe_name = self.name.is_empty()
            || self.name.starts_with(['.', '~'])
            || self.name.len() > 100
            || self.name.chars().any(|c| c == '/' || c == '\\' || c == '\0' || c.is_control());
        if unsafe_name {
            invalid.push(Invalid::new(
                "experiment.name",
                format!("\"{}\" cannot be the name of a results folder", shown(&self.name)),
                "use 1 to 100 bytes of text without slashes and control characters that do not begin with a dot or a tilde",
            ));
        }
        if self.output.is_empty() {
            invalid.push(Invalid::new(
                "experiment.output",
                "the folder for results has no name",
                "use for example \"results\"",
            ));
        }
        invalid
    }
}

/// A whole experiment, every layer merged. Unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentSpec {
    pub experiment: ExperimentSettings,
    pub data: DataSettings,
    pub model: ModelSettings,
    pub train: TrainSettings,
    pub explain: ExplainSettings,
    pub evaluate: EvaluateSettings,
    pub heatmaps: HeatmapSettings,
    pub run: RunSettings,
}

impl ExperimentSpec {
    /// Looks at a user's files, where images come from such, so that what is in them counts. What was `seen` before is
    /// not read again.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn look_at_files(&mut self, seen: &mut Seen) -> Result<(), Invalid> {
        let Some(files) = self.data.files().filter(|_| self.data.validate().is_empty()) else { return Ok(()) };
        let refused = |error: BadData| Invalid::new("data.table", error.to_string(), error.help);
        self.data.found = Some(Arc::new(source::find(&files, seen).map_err(refused)?));
        Ok(())
    }

    /// Looks at the weights that training starts from, where there are such, so that what is in them counts.
    ///
    /// # Errors
    /// That they cannot be read, or are those of another network.
    pub fn look_at_weights(&mut self, seen: &mut SeenWeights) -> Result<(), Invalid> {
        let Some(path) = self.model.weights.as_deref().filter(|_| self.model.validate().is_empty()) else {
            return Ok(());
        };
        let Ok(network) = self.model.network(self.data.shape()) else { return Ok(()) };
        let checksum = seen.look(Path::new(path), &network).map_err(|error| {
            let help = format!(
                "images have {}; {}",
                network.input,
                "give a safetensors file with the weights of this network, or correct the layers and their names"
            );
            Invalid::new("model.weights", error.to_string(), help)
        })?;
        self.model.start = Some(checksum);
        Ok(())
    }

    /// Everything that cannot be carried out, each with its dotted key.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid = self.experiment.validate();
        invalid.extend(self.data.validate());
        let of_model = self.model.validate();
        // What is wrong with an entry of its own is told without what follows from it.
        if of_model.is_empty() {
            invalid.extend(self.model.validate_for(self.data.shape()));
        }
        if let Ok(network) = self.model.network(self.data.shape()) {
            invalid.extend(self.explain.validate_for_network(&network));
        }
        invalid.extend(of_model);
        invalid.extend(self.train.validate(self.model.weights.is_some()));
        invalid.extend(self.explain.validate());
        invalid.extend(self.explain.validate_for(self.model.task));
        invalid.extend(self.evaluate.validate());
        invalid.extend(self.heatmaps.validate());
        invalid.extend(self.run.validate());
        invalid
    }
}
