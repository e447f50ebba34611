//! The layers that a spec is merged from: defaults < `extends` < file < environment < `--set`.
//! Of sweeps the strongest layer's is taken whole, unless a layer sets elements of it by their index.

use std::ffi::OsString;
use std::path::PathBuf;

use toml::{Table, Value};

use super::ExperimentSpec;
use super::explain_error::{at, explain, extract};
use super::merge::{self, DEEPEST, Misplaced};
use super::source::SourceFile;
use super::takes::Takes;
use super::{extends, spelling, unquoted};
use crate::error::{Error, Result};
use crate::escape;
use crate::shown::shown;

const ENVIRONMENT_PREFIX: &str = "XDLREG_";

/// The key of the sweep, which is read apart from the settings of a run.
pub const SWEEP: &str = "sweep";

/// Where the value of a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    /// The name of an environment variable.
    Environment(String),
    /// A `--set` or another option of the command line, as given.
    CommandLine(String),
}

/// On one line, whatever characters a user's text has.
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(&escape::line(&path.display().to_string())),
            Self::Environment(name) => write!(f, "environment {}", shown(name)),
            Self::CommandLine(option) => write!(f, "command line {}", shown(option)),
        }
    }
}

/// One layer: a tree of values with one origin.
#[derive(Debug, Clone)]
pub struct Layer {
    pub origin: Origin,
    /// The text that errors point into, for layers that are files.
    pub source: Option<SourceFile>,
    pub values: Table,
}

impl Layer {
    /// The value of a dotted path.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.values.get(*first)?, |value, segment| match value {
            Value::Table(table) => table.get(*segment),
            Value::Array(items) => items.get(merge::index(segment)?),
            _ => None,
        })
    }
}

/// All layers above the defaults, weakest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// A spec file with what it extends, variables of the environment and `--set KEY=VALUE` options.
    pub fn new(file: SourceFile, environment: &[(OsString, OsString)], sets: &[String]) -> Result<Self> {
        let mut layers = Self { layers: extends::layers(file)? };
        for (name, value) in settings_of(environment) {
            let key = name[ENVIRONMENT_PREFIX.len()..].to_lowercase().replace("__", ".");
            let origin = Origin::Environment(name.to_owned());
            let Some(value) = value.to_str() else {
                return Err(Error::usage(format!("{origin}: the value is not text in UTF-8"), "set it to text"));
            };
            layers.push_text(origin, &key, value)?;
        }
        layers.push_sets(sets)?;
        Ok(layers)
    }

    /// The `--set` options alone, on top of the defaults.
    pub fn from_sets(sets: &[String]) -> Result<Self> {
        let mut layers = Self::default();
        layers.push_sets(sets)?;
        Ok(layers)
    }

    fn push_sets(&mut self, sets: &[String]) -> Result<()> {
        for set in sets {
            let origin = Origin::CommandLine(format!("--set {set}"));
            let Some((key, value)) = set.split_once('=') else {
                return Err(Error::usage(
                    format!("--set {} sets nothing", shown(set)),
                    "write it as --set KEY=VALUE, for example --set train.epochs=2",
                ));
            };
            self.push_text(origin, key.trim(), value)?;
        }
        Ok(())
    }

    /// Adds a value as typed, which is read as what its key takes.
    fn push_text(&mut self, origin: Origin, key: &str, text: &str) -> Result<()> {
        let path: Vec<&str> = key.split('.').take(DEEPEST).collect();
        let value = spelling::read(&shown(key), text, Takes::at(&path))
            .map_err(|misspelt| Error::usage(format!("{origin}: {}", misspelt.message), misspelt.help))?;
        self.push_value(origin, key, value)
    }

    /// Adds one value on top of all layers so far.
    pub fn push_value(&mut self, origin: Origin, key: &str, value: Value) -> Result<()> {
        let segments: Vec<&str> = key.split('.').take(DEEPEST + 1).collect();
        if segments.len() > DEEPEST || segments.iter().any(|segment| segment.is_empty()) {
            return Err(Error::usage(
                format!("{origin}: {} is not a key", shown(key)),
                "write it as SECTION.KEY, such as train.epochs",
            ));
        }
        let (last, parents) = segments.split_last().expect("split yields at least one part");
        let mut values = Table::from_iter([((*last).to_owned(), value)]);
        for parent in parents.iter().rev() {
            values = Table::from_iter([((*parent).to_owned(), Value::Table(values))]);
        }
        self.layers.push(Layer { origin, source: None, values });
        Ok(())
    }

    /// Merges all layers over the defaults. Unknown keys and wrong types are refused; values are not checked yet.
    /// The sweep is no setting of a run and is left out.
    pub fn merge(&self) -> Result<ExperimentSpec> {
        unquoted::refuse(self)?;
        let mut tree = Table::try_from(ExperimentSpec::default()).expect("settings are representable in TOML");
        self.lay_over(&mut tree, |key| key != SWEEP)?;
        extract(&tree).map_err(|error| explain(self, &error))
    }

    /// The sweep of all layers, if there is one.
    pub fn sweep(&self) -> Result<Option<Value>> {
        let mut tree = Table::new();
        self.lay_over(&mut tree, |key| key == SWEEP)?;
        Ok(tree.remove(SWEEP))
    }

    /// Lays the values under chosen keys over a tree, weakest first.
    fn lay_over(&self, tree: &mut Table, chosen: impl Fn(&str) -> bool) -> Result<()> {
        for layer in &self.layers {
            let values = layer.values.iter().filter(|(key, _)| chosen(key));
            let values = values.map(|(key, value)| (key.clone(), value.clone())).collect();
            merge::lay(tree, values).map_err(|Misplaced { path, message, help }| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                at(layer, &path, true, message, "there is no such element".into(), help)
            })?;
        }
        Ok(())
    }

    /// The strongest layer that sets the dotted path.
    pub fn strongest(&self, path: &[&str]) -> Option<&Layer> {
        self.layers.iter().rev().find(|layer| layer.get(path).is_some())
    }

    pub fn origin(&self, key: &str) -> Origin {
        let path: Vec<&str> = key.split('.').collect();
        self.strongest(&path).map_or(Origin::Default, |layer| layer.origin.clone())
    }

    /// The layers, weakest first.
    pub fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter()
    }
}

/// The variables that name a setting, XDLREG_SECTION__KEY, sorted by name. Others, such as XDLREG_CACHE, are not for the
/// spec.
fn settings_of(environment: &[(OsString, OsString)]) -> Vec<(&str, &OsString)> {
    let named = environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value)));
    let mut settings: Vec<_> = named
        .filter(|(name, _)| name.strip_prefix(ENVIRONMENT_PREFIX).is_some_and(|rest| rest.contains("__")))
        .collect();
    settings.sort();
    settings
}
