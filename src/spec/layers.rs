//! The layers that a spec is merged from: defaults < `extends` < file < environment < `--set`.
//! Of sweeps the strongest layer's is taken whole.

use std::path::{Path, PathBuf};

use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::ExperimentSpec;
use super::explain_error::explain;
use super::source::SourceFile;
use crate::error::{Error, Result};

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

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine(option) => write!(f, "command line {option}"),
        }
    }
}

/// One layer: a tree of values with one origin.
#[derive(Debug, Clone)]
pub struct Layer {
    pub origin: Origin,
    /// The text that errors point into, for layers that are files.
    pub source: Option<SourceFile>,
    pub values: toml::Table,
}

impl Layer {
    /// The value of a dotted path.
    pub fn get(&self, path: &[&str]) -> Option<&toml::Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.values.get(*first)?, |value, segment| match value {
            toml::Value::Table(table) => table.get(*segment),
            toml::Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = match Value::serialize(&self.values)? {
            Value::Dict(_, dict) => dict,
            _ => Dict::new(),
        };
        dict.remove(SWEEP);
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// All layers above the defaults, weakest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// Reads a spec file with what it extends, the environment and the `--set KEY=VALUE` options.
    pub fn read(spec: &Path, sets: &[String]) -> Result<Self> {
        let mut layers = Self::default();
        layers.push_file(spec, &mut Vec::new())?;
        for (name, value) in environment() {
            let key = name[ENVIRONMENT_PREFIX.len()..].to_lowercase().replace("__", ".");
            layers.push_value(Origin::Environment(name), &key, parse_value(&value))?;
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
            let Some((key, value)) = set.split_once('=') else {
                return Err(Error::usage(
                    format!("`--set {set}` sets nothing"),
                    "write it as --set KEY=VALUE, for example --set train.epochs=2",
                ));
            };
            self.push_value(Origin::CommandLine(format!("--set {set}")), key.trim(), parse_value(value.trim()))?;
        }
        Ok(())
    }

    /// Adds one value on top of all layers so far.
    pub fn push_value(&mut self, origin: Origin, key: &str, value: toml::Value) -> Result<()> {
        let segments: Vec<&str> = key.split('.').collect();
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(Error::usage(
                format!("{origin}: `{key}` is no key"),
                "write it as SECTION.KEY, such as train.epochs",
            ));
        }
        let (last, parents) = segments.split_last().expect("split yields at least one part");
        let mut values = toml::Table::from_iter([((*last).to_owned(), value)]);
        for parent in parents.iter().rev() {
            values = toml::Table::from_iter([((*parent).to_owned(), toml::Value::Table(values))]);
        }
        self.layers.push(Layer { origin, source: None, values });
        Ok(())
    }

    /// Adds a file above the files it extends. `open` are the files being read, to find circles.
    fn push_file(&mut self, path: &Path, open: &mut Vec<PathBuf>) -> Result<()> {
        let source = SourceFile::read(path)?;
        let mut values = source.parse()?;
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        open.push(canonical);
        for base in extended_files(&source, values.remove("extends"))? {
            let base = path.parent().unwrap_or(Path::new("")).join(base);
            let (key, value) = source.locate(&["extends"]).unwrap_or((0..0, 0..0));
            if base.canonicalize().is_ok_and(|base| open.contains(&base)) {
                let message = format!("{} extends itself through {}", path.display(), base.display());
                return Err(source.error(key, message, "leads back here".into(), Some("break the circle".into())));
            }
            if !base.exists() {
                let message = format!("cannot find the spec {}", base.display());
                let help = format!("paths in `extends` start at the folder of {}", path.display());
                return Err(source.error(value, message, "no such file".into(), Some(help)));
            }
            self.push_file(&base, open)?;
        }
        open.pop();
        self.layers.push(Layer { origin: Origin::File(path.to_owned()), source: Some(source), values });
        Ok(())
    }

    /// Merges all layers over the defaults. Unknown keys and wrong types are refused; values are not checked yet.
    /// The sweep is no setting of a run and is left out.
    pub fn merge(&self) -> Result<ExperimentSpec> {
        self.figment().extract().map_err(|error| explain(self, &error))
    }

    /// As [`Self::merge`], with the settings of a cell of the sweep on top.
    pub fn merge_with(&self, cell: toml::Table) -> Result<ExperimentSpec, Box<figment::Error>> {
        let cell = Layer { origin: Origin::Default, source: None, values: cell };
        self.figment().merge(&cell).extract().map_err(Box::new)
    }

    fn figment(&self) -> Figment {
        let defaults = Figment::from(Serialized::defaults(ExperimentSpec::default()));
        self.layers.iter().fold(defaults, |figment, layer| figment.merge(layer))
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

/// The variables that name a setting: XDLREG_SECTION__KEY. Others, such as XDLREG_CACHE, are not for the spec.
fn environment() -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.strip_prefix(ENVIRONMENT_PREFIX).is_some_and(|rest| rest.contains("__")))
        .collect();
    variables.sort();
    variables
}

/// A value as TOML writes it; text that is no TOML value is a string, so that `--set data.growth_mode=eternal` works.
fn parse_value(text: &str) -> toml::Value {
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value").filter(|_| table.is_empty()))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn extended_files(source: &SourceFile, extends: Option<toml::Value>) -> Result<Vec<String>> {
    let files = match extends {
        None => return Ok(Vec::new()),
        Some(toml::Value::String(file)) => Some(vec![file]),
        Some(toml::Value::Array(files)) => {
            files.into_iter().map(|file| file.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        }
        Some(_) => None,
    };
    files.ok_or_else(|| {
        let (_, span) = source.locate(&["extends"]).unwrap_or((0..0, 0..0));
        let help = "write extends = \"base.toml\" or a list of files".to_owned();
        source.error(span, "`extends` does not name files".into(), "no file name".into(), Some(help))
    })
}
