//! Conditions on a cell, as `when` and `exclude` write them.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::block::plain;
use super::cell::CellSettings;
use super::{Place, Written};
use crate::error::Result;
use crate::shown::shown;
use crate::spec::merge::get;

/// A key that varies only where a condition holds.
#[derive(Debug)]
pub struct When {
    pub key: String,
    pub condition: Condition,
    pub place: Place,
}

impl When {
    /// Reads a table of key -> condition, each after those that its condition depends on.
    pub fn read(written: Written, place: &Place, table: &Table) -> Result<Vec<Self>> {
        let mut whens = Vec::new();
        for (key, condition) in table {
            let place = [place.clone(), vec![key.clone()]].concat();
            let Value::Table(condition) = condition else {
                let key = shown(key);
                let help = format!("write when = {{ \"{key}\" = {{ \"data.distribution\" = \"biased\" }} }}");
                return Err(written.mistake(&place, format!("when: {key} has no condition"), help));
            };
            whens.push(Self { key: key.clone(), condition: Condition::new(plain(condition)), place });
        }
        Self::order(written, whens)
    }

    fn order(written: Written, mut waiting: Vec<Self>) -> Result<Vec<Self>> {
        let mut ordered = Vec::new();
        while !waiting.is_empty() {
            let keys: BTreeSet<String> = waiting.iter().map(|when| when.key.clone()).collect();
            let depends = |when: &Self| when.condition.parts.iter().any(|(key, _)| keys.contains(key));
            let (later, now): (Vec<Self>, Vec<Self>) = waiting.into_iter().partition(depends);
            if now.is_empty() {
                let circle = later.iter().map(|when| when.key.as_str()).collect::<Vec<_>>().join(" and ");
                let message = format!("when: {circle} depend on each other");
                return Err(written.mistake(&later[0].place, message, "let one of them vary unconditionally"));
            }
            ordered.extend(now);
            waiting = later;
        }
        Ok(ordered)
    }

    /// Takes keys away from the cells that do not meet their conditions. Where a key does not vary, its value in `base`
    /// counts.
    ///
    /// # Errors
    /// A condition that no cell meets.
    pub fn apply(written: Written, whens: &[Self], cells: &mut [CellSettings], base: &Table) -> Result<()> {
        let mut met = vec![false; whens.len()];
        for cell in cells {
            for (when, met) in whens.iter().zip(&mut met) {
                if when.condition.holds(|key| cell.get(key).or_else(|| get(base, key))) {
                    *met = true;
                } else {
                    cell.assignments.retain(|assignment| assignment.key != when.key);
                }
            }
        }
        match whens.iter().zip(&met).find_map(|(when, met)| (!met).then_some(when)) {
            None => Ok(()),
            Some(when) => {
                let message = format!("when: {} never varies, because no cell has {}", when.key, when.condition);
                Err(written.mistake(&when.place, message, "let a cell meet the condition, or remove the key"))
            }
        }
    }
}

/// Keys with the values that each may have; all must match.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    pub parts: Vec<(String, Vec<Value>)>,
}

impl Condition {
    /// From flattened key -> value or list of values.
    pub fn new(parts: Vec<(String, Value)>) -> Self {
        let allowed = |value| match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        Self { parts: parts.into_iter().map(|(key, value)| (key, allowed(value))).collect() }
    }

    /// Whether it holds where `look_up` gives the value of a key.
    pub fn holds<'a>(&self, look_up: impl Fn(&str) -> Option<&'a Value>) -> bool {
        self.parts
            .iter()
            .all(|(key, allowed)| look_up(key).is_some_and(|value| allowed.iter().any(|allowed| equal(value, allowed))))
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (key, allowed)) in self.parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let values = allowed.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
            write!(f, "{comma}{key} = {values}")?;
        }
        Ok(())
    }
}

/// Equal values; 55 and 55.0 are.
fn equal(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(whole) => Some(*whole as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
