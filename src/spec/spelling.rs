//! Values as people type them, and how a spec spells them.
//!
//! A value of `--set` or of the environment is text. What it means is decided by what its key takes, never guessed from
//! the text alone: `2024-06-01` is a name where a name is wanted.

use std::ops::Range;

use toml::Value;

use super::takes::Takes;
use crate::shown::shown;

/// Why a text is no value of a key: what was expected and found, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    pub message: String,
    pub help: String,
}

/// The value that `text` stands for under `key`, which takes `takes`. White space around it is not part of it. Text in
/// quotes is the text between them; lists and tables are written as in TOML.
pub fn read(key: &str, text: &str, takes: Takes) -> Result<Value, Misspelt> {
    let text = text.trim();
    if let Some(quoted) = toml_value(text).filter(Value::is_str) {
        return Ok(quoted);
    }
    if takes.is_text() {
        return Ok(Value::String(text.to_owned()));
    }
    if takes.is_unknown() {
        return Ok(toml_value(text).unwrap_or_else(|| Value::String(text.to_owned())));
    }
    if text.starts_with(['[', '{']) {
        return toml_value(text).ok_or_else(|| Misspelt {
            message: format!("{key}: {} is not a complete list or table", shown(text)),
            help: "write lists as [\"a\", \"b\"] and tables as { key = 1 }, with texts in quotes".into(),
        });
    }
    let value = (takes.whole && !takes.number).then(|| whole(text).map(Value::Integer)).flatten();
    let value = value.or_else(|| takes.number.then(|| number(text)).flatten());
    let value = value.or_else(|| takes.truth.then(|| truth(text).map(Value::Boolean)).flatten());
    match value {
        Some(value) => Ok(value),
        None if takes.text => Ok(Value::String(text.to_owned())),
        None => Err(misspelt(key, text, takes)),
    }
}

fn misspelt(key: &str, text: &str, takes: Takes) -> Misspelt {
    let expected = takes.expected();
    let message = match text {
        "" => format!("{key}: expected {expected}, found nothing"),
        text => format!("{key}: expected {expected}, found {}", shown(text)),
    };
    if takes.whole && !takes.number && is_large(text) {
        let help = format!("use at most {}, the largest whole number of a spec", i64::MAX);
        return Misspelt { message, help };
    }
    let (before, commented) = match text.split_once('#') {
        Some((before, _)) => (before.trim(), true),
        None => (text, false),
    };
    let plain: String = before.chars().filter(|&c| c != '_' && c != '\'').collect();
    let guess = [before.to_owned(), plain.clone(), plain.replace(',', "."), plain.trim_start_matches('0').to_owned()];
    let guess = guess.into_iter().find_map(|guess| spelled(&guess, takes));
    let help = match guess {
        Some(guess) if commented => format!("write {guess} without a comment"),
        Some(guess) => format!("write {guess}"),
        None => format!("write {expected}"),
    };
    Misspelt { message, help }
}

/// A whole number that is too large to be one in TOML.
fn is_large(text: &str) -> bool {
    let digits = text.trim_start_matches('+');
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() >= 19 && whole(digits).is_none()
}

/// The value as a spec spells it, if `text` is one that the key takes.
fn spelled(text: &str, takes: Takes) -> Option<String> {
    if takes.whole && !takes.number {
        return whole(text).map(|value| value.to_string());
    }
    if takes.number {
        return number(text).map(|value| value.to_string());
    }
    takes.truth.then(|| truth(text).map(|value| value.to_string())).flatten()
}

fn toml_value(text: &str) -> Option<Value> {
    let mut table = toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?;
    let value = table.remove("value")?;
    // A newline in the text may have begun another key.
    table.is_empty().then_some(value)
}

/// A whole number: as TOML writes it, or a number such as `1e1` or `10.0` that is whole.
pub fn whole(text: &str) -> Option<i64> {
    match toml_value(text) {
        _ if text.contains(['#', '\n']) => None,
        Some(Value::Integer(value)) => Some(value),
        Some(Value::Float(value)) => exact(value),
        _ => exact(decimal(text)?),
    }
}

/// The whole number that a float is, where it stands for one number alone.
fn exact(value: f64) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// A number: as TOML writes it, or with nothing before or after its point, as Python and C write it.
pub fn number(text: &str) -> Option<Value> {
    match toml_value(text) {
        _ if text.contains(['#', '\n']) => None,
        Some(value @ (Value::Integer(_) | Value::Float(_))) => Some(value),
        _ => decimal(text).map(Value::Float),
    }
}

fn decimal(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    // Python and YAML read 07 and 0_7 in different ways, or not at all.
    let octal = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let known = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let named = ["inf", "infinity", "nan"].contains(&digits.to_ascii_lowercase().as_str());
    ((known && !octal) || named).then(|| text.parse().ok()).flatten()
}

/// A truth value: as TOML, Python or YAML write it.
pub fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// What to say about TOML that breaks at `span`, and how to write what was probably meant.
pub fn broken_toml(text: &str, span: &Range<usize>, message: &str) -> (String, Option<String>) {
    if message.contains("recurs") {
        let label = "keys, lists or tables are nested too deeply here".to_owned();
        return (label, Some("no setting lies more than a few levels deep".into()));
    }
    let label = match message.lines().next().unwrap_or_default() {
        "" => "TOML breaks here".to_owned(),
        line if line.contains("too large") => "this number is too large".to_owned(),
        line => shown(line),
    };
    let start = (0..=span.start.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let help = line.split_once('=').and_then(|(key, value)| {
        let (key, value) = (key.trim(), value.split('#').next().unwrap_or_default().trim());
        let bare = !value.is_empty() && !value.contains(['"', '\'', '[', '{', ',', '=']);
        let meant = match (number(value), truth(value)) {
            _ if is_large(value) => {
                return Some(format!("use at most {}, the largest whole number of a spec", i64::MAX));
            }
            (Some(number), _) => number.to_string(),
            (_, Some(truth)) => truth.to_string(),
            _ if bare => format!("\"{value}\""),
            _ => return None,
        };
        (meant != value && key.len() + value.len() < 100).then(|| format!("write {} = {}", shown(key), shown(&meant)))
    });
    (label, help)
}
