//! `model.weights`: paths as they are written, and from the root. A path starts at the folder of the spec that names it; one that
//! was typed behind `--set` or in the environment starts where the program does.

use std::path::Path;

use toml::Value;

use super::ExperimentSpec;
use super::explain_error::place;
use super::layers::{Layers, Origin, SWEEP};
use crate::error::Result;
use crate::home;
use crate::settings::Invalid;

const KEY: &str = "model.weights";

/// Puts paths from the root in place of those in a spec and its sweep, so that they mean the same in `spec.toml` of the results.
pub fn resolve(spec: &mut ExperimentSpec, sweep: Option<&mut Value>, layers: &Layers) -> Result<()> {
    let refuse = |message| place(layers, Invalid::new(KEY, message, "write the path of a safetensors file"));
    if let Some(weights) = &mut spec.model.weights {
        *weights = from_root(weights, &layers.origin(KEY)).map_err(refuse)?;
    }
    match sweep {
        Some(sweep) => in_sweep(sweep, &layers.origin(SWEEP)).map_err(refuse),
        None => Ok(()),
    }
}

/// A path from the root; an empty one, which is refused later, as it is.
fn from_root(path: &str, origin: &Origin) -> Result<String, String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let path = home::expand(Path::new(path))?;
    let folder = match origin {
        Origin::File(file) => file.parent(),
        _ => None,
    };
    let path = folder.unwrap_or(Path::new("")).join(path);
    let path = std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    path.into_os_string().into_string().map_err(|_| "the path is not text in UTF-8".into())
}

/// All values of the key, wherever in a sweep it stands.
fn in_sweep(value: &mut Value, origin: &Origin) -> Result<(), String> {
    match value {
        Value::Table(table) => table.iter_mut().try_for_each(|(key, value)| match key.as_str() {
            KEY => all_paths(value, origin),
            _ => in_sweep(value, origin),
        }),
        Value::Array(items) => items.iter_mut().try_for_each(|item| in_sweep(item, origin)),
        _ => Ok(()),
    }
}

fn all_paths(value: &mut Value, origin: &Origin) -> Result<(), String> {
    match value {
        Value::String(path) => {
            *path = from_root(path, origin)?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| all_paths(item, origin)),
        Value::Table(table) => table.iter_mut().try_for_each(|(_, value)| all_paths(value, origin)),
        _ => Ok(()),
    }
}
