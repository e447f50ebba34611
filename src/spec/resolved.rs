//! A spec that can be carried out, with where every value came from.

use std::fmt::Write;
use std::path::Path;

use super::explain_error::place;
use super::layers::{Layers, Origin, SWEEP};
use super::sweep::{Cell, resolve};
use super::{ExperimentSpec, Invalid};
use crate::error::{Error, Result};

/// A merged and validated spec.
#[derive(Debug, Clone)]
pub struct ResolvedSpec {
    /// The spec outside of the sweep; what its cells vary need not be valid in it.
    pub spec: ExperimentSpec,
    /// What is to be run, at least one cell; all are valid.
    pub cells: Vec<Cell>,
    pub layers: Layers,
}

impl ResolvedSpec {
    /// Reads, merges and validates a spec file under the environment and `--set KEY=VALUE` options.
    /// The experiment is called like the file where the spec gives no name.
    pub fn read(path: &Path, sets: &[String], output: Option<&Path>) -> Result<Self> {
        let mut layers = Layers::read(path, sets)?;
        if let Some(output) = output {
            let option = format!("--output {}", output.display());
            let value = toml::Value::String(output.display().to_string());
            layers.push_value(Origin::CommandLine(option), "experiment.output", value)?;
        }
        let mut spec = layers.merge()?;
        if spec.experiment.name.is_empty() && layers.strongest(&["experiment", "name"]).is_none() {
            spec.experiment.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        Self::new(spec, layers)
    }

    /// Validates what was merged from `layers`, and expands its sweep.
    pub fn new(spec: ExperimentSpec, layers: Layers) -> Result<Self> {
        let cells = resolve(&layers, &spec)?;
        Ok(Self { spec, cells, layers })
    }

    /// The spec as TOML, every value with its origin.
    pub fn to_toml(&self) -> String {
        let tree = toml::Table::try_from(&self.spec).expect("settings are representable in TOML");
        let mut text = String::from("# Every setting of this experiment and where its value came from.\n");
        for (section, values) in &tree {
            let _ = write!(text, "\n[{section}]\n");
            for (key, value) in values.as_table().into_iter().flatten() {
                let origin = self.layers.origin(&format!("{section}.{key}"));
                let _ = writeln!(text, "{key} = {value}  # {origin}");
            }
        }
        if let Some(layer) = self.layers.strongest(&[SWEEP]) {
            let sweep = toml::Table::from_iter([(SWEEP.to_owned(), layer.values[SWEEP].clone())]);
            let _ = write!(text, "\n# {} cells, from {}\n{sweep}", self.cells.len(), layer.origin);
        }
        text
    }
}

/// Turns what cannot be carried out into errors that point at the place where it was written.
pub fn check(layers: &Layers, invalid: Vec<Invalid>) -> Result<()> {
    Error::all(invalid.into_iter().map(|invalid| place(layers, invalid)).collect())
}
