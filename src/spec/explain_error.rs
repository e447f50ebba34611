//! From what serde found to what a user can act on: the place in the file, the near miss, the way out.

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::Serialized;

use super::ExperimentSpec;
use super::layers::{Layer, Layers, Origin};
use crate::error::Error;
use crate::settings::Invalid;
use crate::settings::near_miss;
use crate::shown::shown;

/// "did you mean `epochs`?" with all that would be allowed.
fn suggestion(name: &str, allowed: &[&str]) -> String {
    let list = allowed.join(", ");
    match near_miss(name, allowed.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? Allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}

/// Puts an error at the place in a layer where its key was written.
pub fn at(layer: &Layer, path: &[&str], point_at_key: bool, message: String, label: String, help: String) -> Error {
    match (&layer.source, &layer.origin) {
        (Some(source), origin) => match source.locate(path) {
            Some((key, value)) => source.error(if point_at_key { key } else { value }, message, label, Some(help)),
            None => Error::usage(format!("{origin}: {message}"), help),
        },
        (None, Origin::Default) => Error::usage(message, help),
        (None, origin) => Error::usage(format!("{origin}: {message}"), help),
    }
}

/// Puts an error into the strongest layer that has the key.
fn in_strongest(layers: &Layers, path: &[&str], at_key: bool, message: String, label: String, help: String) -> Error {
    match layers.strongest(path) {
        Some(layer) => at(layer, path, at_key, message, label, help),
        None => Error::usage(message, help),
    }
}

/// A setting that cannot be carried out, at the place where it (or else its section) was written.
pub fn place(layers: &Layers, invalid: Invalid) -> Error {
    let path: Vec<&str> = invalid.key.split('.').collect();
    let written = (1..=path.len()).rev().map(|end| &path[..end]).find(|path| layers.strongest(path).is_some());
    let label = if written.is_some_and(|path| path.len() > 1) { invalid.message.clone() } else { "here".into() };
    let (path, at_key) = (written.unwrap_or(&path), written.is_some_and(|path| path.len() == 1));
    in_strongest(layers, path, at_key, invalid.to_string(), label, invalid.help)
}

/// What serde found, in a user's words.
pub struct Finding {
    /// The key, from the top of the spec.
    pub path: Vec<String>,
    pub message: String,
    pub label: String,
    pub help: String,
    /// Whether the key is at fault rather than its value.
    pub at_key: bool,
}

/// A value of the wrong type or an unknown key.
pub fn explain(layers: &Layers, error: &figment::Error) -> Error {
    let Finding { path, message, label, help, at_key } = find(error);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    in_strongest(layers, &path, at_key, message, label, help)
}

/// The spec that a tree of values makes. Figment finds the key of what does not fit, wherever it lies.
pub fn extract(tree: &toml::Table) -> Result<ExperimentSpec, Box<figment::Error>> {
    Figment::from(Serialized::defaults(tree)).extract().map_err(Box::new)
}

/// Says what is wrong, and with which key.
pub fn find(error: &figment::Error) -> Finding {
    let mut path: Vec<String> = error.path.clone();
    let key = |path: &[String]| shown(&path.join("."));
    let (message, label, help, at_key) = match &error.kind {
        Kind::UnknownField(name, allowed) => {
            // Whether the path already ends with the unknown key depends on how deep it lies.
            path.pop_if(|last| last == name);
            let section = if path.is_empty() { "the spec".to_owned() } else { format!("[{}]", key(&path)) };
            path.push(name.clone());
            let help = suggestion(name, allowed);
            (format!("unknown key `{}` in {section}", shown(name)), "unknown key".to_owned(), help, true)
        }
        Kind::UnknownVariant(name, allowed) => {
            let message = format!("{}: unknown value \"{}\"", key(&path), shown(name));
            (message, "unknown value".to_owned(), suggestion(name, allowed), false)
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            let (expected, found) = (plain(expected), describe(actual));
            let message = format!("{}: expected {expected}, found {found}", key(&path));
            let help = match (expected, actual) {
                (WHOLE, Actual::Float(value)) if value.fract() == 0.0 && *value >= 0.0 => format!("write {value}"),
                _ => format!("write {expected}"),
            };
            (message, format!("expected {expected}"), help, false)
        }
        Kind::InvalidLength(count, expected) => {
            let message = format!("{}: expected {expected}, found {count} values", key(&path));
            (message, format!("expected {expected}"), format!("write {expected}"), false)
        }
        other => {
            let text = shown(&other.to_string());
            (format!("{}: {text}", key(&path)), text, "see `xdlreg-run schema` for what is allowed".into(), false)
        }
    };
    Finding { path, message, label, help, at_key }
}

const WHOLE: &str = "a whole number, 0 or more";

/// Rust's type names, in a user's words.
fn plain(expected: &str) -> &str {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => WHOLE,
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        _ if expected.starts_with("struct ") => "a table of settings",
        _ => expected,
    }
}

fn describe(actual: &Actual) -> String {
    match actual {
        Actual::Str(text) => format!("the text \"{}\"", shown(text)),
        Actual::Signed(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Float(value) => format!("{value:?}"),
        Actual::Bool(value) => value.to_string(),
        Actual::Seq => "a list".into(),
        Actual::Map => "a table".into(),
        other => shown(&other.to_string()),
    }
}
