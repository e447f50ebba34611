//! Paths of files that a spec names, `data.table` and `model.weights`: as they are written, and from the root. A path starts at the folder of the spec that names it; one that
//! was typed behind `--set` or in the environment starts where the program does.

use std::path::Path;

use toml::Value;

use super::ExperimentSpec;
use super::explain_error::place;
use super::layers::{Layers, Origin, SWEEP};
use crate::error::Result;
use crate::home;
use crate::settings::Invalid;

/// The settings that are paths of files, and what to write there.
const KEYS: [(&str, &str); 2] =
    [("data.table", "write the path of a table"), ("model.weights", "write the path of a safetensors file")];

/// Puts paths from the root in place of those in a spec and its sweep, so that they mean the same in `spec.toml` of the results.
pub fn resolve(spec: &mut ExperimentSpec, sweep: Option<&mut Value>, layers: &Layers) -> Result<()> {
    let of_sweep = layers.origin(SWEEP);
    let mut sweep = sweep;
    for ((key, help), path) in KEYS.into_iter().zip([&mut spec.data.table, &mut spec.model.weights]) {
        let refuse = |message| place(layers, Invalid::new(key, message, help));
        if let Some(path) = path {
            *path = from_root(path, &layers.origin(key)).map_err(refuse)?;
        }
        if let Some(sweep) = sweep.as_deref_mut() {
            in_sweep(sweep, key, &of_sweep).map_err(refuse)?;
        }
    }
    Ok(())
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

/// All values of a key, wherever in a sweep it stands.
fn in_sweep(value: &mut Value, wanted: &str, origin: &Origin) -> Result<(), String> {
    match value {
        Value::Table(table) => table.iter_mut().try_for_each(|(key, value)| match key == wanted {
            true => all_paths(value, origin),
            false => in_sweep(value, wanted, origin),
        }),
        Value::Array(items) => items.iter_mut().try_for_each(|item| in_sweep(item, wanted, origin)),
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
