//! Texts that were written without quotes and became dates or numbers.

use toml::Value;

use super::explain_error::at;
use super::layers::{Layer, Layers, SWEEP};
use super::takes::Takes;
use crate::error::{Error, Result};
use crate::shown::shown;

/// So many mistakes are shown at once.
const SHOWN: usize = 10;

/// Refuses what is not text where a key takes text alone, and dates everywhere: no setting is one. Naming all of them at
/// once, with the quotes, is more use than the first wrong type.
pub fn refuse(layers: &Layers) -> Result<()> {
    let mut errors = Vec::new();
    for layer in layers.iter() {
        for (key, value) in &layer.values {
            visit(layer, value, &mut vec![key], &mut errors);
        }
    }
    Error::all(errors)
}

fn visit<'a>(layer: &'a Layer, value: &'a Value, path: &mut Vec<&'a str>, errors: &mut Vec<Error>) {
    match value {
        Value::Table(inner) => {
            for (key, value) in inner {
                path.push(key);
                visit(layer, value, path, errors);
                path.pop();
            }
        }
        Value::Array(items) => {
            // Asked once, because a list may have very many elements.
            let takes = takes(&[&path[..], &["0"]].concat());
            for (index, item) in items.iter().enumerate() {
                let index = index.to_string();
                // The path outlives no index, so elements get one of their own.
                let mut own: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
                match item {
                    Value::Table(_) | Value::Array(_) => visit(layer, item, &mut own, errors),
                    scalar => check(layer, scalar, &own, takes, errors),
                }
            }
        }
        scalar => check(layer, scalar, path, takes(path), errors),
    }
}

fn takes(path: &[&str]) -> Takes {
    if path[0] == SWEEP { Takes::default() } else { Takes::at(path) }
}

fn check(layer: &Layer, scalar: &Value, path: &[&str], takes: Takes, errors: &mut Vec<Error>) {
    let wrong = !scalar.is_str() && (takes.is_text() || scalar.is_datetime());
    if wrong && errors.len() < SHOWN {
        errors.push(unquoted(layer, scalar, path, takes));
    }
}

fn unquoted(layer: &Layer, value: &Value, path: &[&str], takes: Takes) -> Error {
    let written = layer.source.as_ref().and_then(|source| source.written(path));
    let written = written.map_or_else(|| value.to_string(), str::to_owned);
    let kind = match value {
        Value::Datetime(_) => "a date or time",
        Value::Boolean(_) => "true or false",
        _ => "a number",
    };
    let (key, written) = (shown(&path.join(".")), shown(&written));
    let last = shown(path.last().copied().unwrap_or_default());
    let (message, help) = match takes {
        takes if takes.is_text() || takes.is_unknown() => {
            let message = format!("{key} takes text, but {written} without quotes is {kind}");
            (message, format!("quote it: {last} = \"{written}\""))
        }
        takes => (
            format!("{key}: expected {}, found the date {written}", takes.expected()),
            format!("write {}", takes.expected()),
        ),
    };
    at(layer, path, false, message, "not text".into(), help)
}
