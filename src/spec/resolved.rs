//! A spec that can be carried out, with where every value came from.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use super::explain_error::place;
use super::layers::{Layers, Origin, SWEEP};
use super::sweep::{Cell, resolve};
use super::{ExperimentSpec, SourceFile, paths};
use crate::error::{Error, Result};
use crate::settings::Invalid;
use crate::shown::shown;
use crate::{home, machine};

/// A merged and validated spec.
#[derive(Debug, Clone)]
pub struct ResolvedSpec {
    /// The spec outside of the sweep; what its cells vary need not be valid in it.
    pub spec: ExperimentSpec,
    /// What is to be run, at least one cell; all are valid.
    pub cells: Vec<Cell>,
    pub layers: Layers,
    /// The sweep as merged from all layers.
    sweep: Option<toml::Value>,
}

impl ResolvedSpec {
    /// Reads, merges and validates a spec file under the environment and `--set KEY=VALUE` options.
    /// The experiment is called like the file where the spec gives no name.
    pub fn read(path: &Path, sets: &[String], output: Option<&Path>) -> Result<Self> {
        let environment: Vec<_> = std::env::vars_os().collect();
        Self::from_file(SourceFile::read(path)?, &environment, sets, output)
    }

    /// As [`Self::read`], from a file that was read and under these variables instead of the environment's.
    pub fn from_file(
        file: SourceFile,
        environment: &[(OsString, OsString)],
        sets: &[String],
        output: Option<&Path>,
    ) -> Result<Self> {
        let name = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut layers = Layers::new(file, environment, sets)?;
        if let Some(output) = output {
            let option = format!("--output {}", output.display());
            let Some(value) = output.to_str() else {
                return Err(Error::usage(format!("{}: not text in UTF-8", shown(&option)), "choose another folder"));
            };
            layers.push_value(Origin::CommandLine(option), "experiment.output", value.into())?;
        }
        let mut spec = layers.merge()?;
        if spec.experiment.name.is_empty() && layers.strongest(&["experiment", "name"]).is_none() {
            spec.experiment.name = name;
        }
        Self::new(spec, layers)
    }

    /// Validates what was merged from `layers`, and expands its sweep.
    pub fn new(mut spec: ExperimentSpec, layers: Layers) -> Result<Self> {
        let output = home::expand(Path::new(&spec.experiment.output)).and_then(|path| {
            path.into_os_string().into_string().map_err(|_| "HOME is not text in UTF-8: write another path".into())
        });
        spec.experiment.output = output.map_err(|message| {
            place(&layers, Invalid::new("experiment.output", message, "write the path of a folder"))
        })?;
        let mut sweep = layers.sweep()?;
        paths::resolve(&mut spec, sweep.as_mut(), &layers)?;
        let cells = resolve(&layers, sweep.as_ref(), &spec, machine::available_memory())?;
        Ok(Self { spec, cells, layers, sweep })
    }

    /// The spec as TOML, every value with its origin. Read as a spec it resolves to the same values: origins are on one
    /// line each, whatever characters the names of files and options have.
    pub fn to_toml(&self) -> String {
        let mut tree = toml::Table::try_from(&self.spec).expect("validated settings are representable in TOML");
        // A number that nobody wrote is left out of layers, where it would count as written.
        let (data, count) = (tree.get_mut("data").and_then(toml::Value::as_table_mut), self.spec.data.n_samples.count);
        if let Some(data) = data {
            data.entry("n_samples").or_insert(toml::Value::Integer(count as i64));
        }
        let mut text = String::from("# Every setting of this experiment and where its value came from.\n");
        for (section, values) in &tree {
            let _ = write!(text, "\n[{section}]\n");
            let unread = if section == "data" { self.spec.data.unread() } else { Vec::new() };
            let written = values.as_table().into_iter().flatten().filter(|(key, _)| !unread.contains(key));
            for (key, value) in written {
                let origin = self.layers.origin(&format!("{section}.{key}"));
                let _ = writeln!(text, "{key} = {value}  # {origin}");
            }
        }
        if let Some(sweep) = &self.sweep {
            let origin = self.layers.origin(SWEEP);
            let sweep = toml::Table::from_iter([(SWEEP.to_owned(), sweep.clone())]);
            let _ = write!(text, "\n# {} cells, from {origin}\n{sweep}", self.cells.len());
        }
        text
    }
}

/// The settings of a spec file under the environment and `--set` options, as merged: neither checked nor with a sweep.
pub fn merged(path: &Path, sets: &[String]) -> Result<(ExperimentSpec, Layers)> {
    let environment: Vec<_> = std::env::vars_os().collect();
    let layers = Layers::new(SourceFile::read(path)?, &environment, sets)?;
    let mut spec = layers.merge()?;
    paths::resolve(&mut spec, None, &layers)?;
    Ok((spec, layers))
}

/// Turns what cannot be carried out into errors that point at the place where it was written.
pub fn check(layers: &Layers, invalid: Vec<Invalid>) -> Result<()> {
    Error::all(invalid.into_iter().map(|invalid| place(layers, invalid)).collect())
}
