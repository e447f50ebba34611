//! One cell: the settings in which a run differs from the spec outside of the sweep.

use std::fmt;
use std::sync::Arc;

use toml::Value;

use super::Place;

/// A key with one of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Dotted, such as "data.target_bias".
    pub key: String,
    pub value: Value,
    /// Where the value is written.
    pub place: Place,
}

/// The assignments of one cell, in the order of the dimensions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellSettings {
    pub assignments: Vec<Arc<Assignment>>,
    /// Which of the replicates it is, from 0, where there are such.
    pub replicate: Option<u64>,
}

impl CellSettings {
    /// The value of a key, where it varies.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).map(|assignment| &assignment.value)
    }

    /// The assignment of a key, or of the table or list that it lies in.
    pub fn find(&self, key: &str) -> Option<&Arc<Assignment>> {
        self.assignments.iter().find(|assignment| {
            let rest = key.strip_prefix(&assignment.key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Lays the assignments over a tree of settings.
    pub fn apply(&self, tree: &mut toml::Table) {
        for assignment in &self.assignments {
            set(tree, &assignment.key, assignment.value.clone());
        }
    }
}

/// "data.target_bias = 30, model.seed = 1".
impl fmt::Display for CellSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, assignment) in self.assignments.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} = {}", assignment.key, assignment.value)?;
        }
        Ok(())
    }
}

/// The value of a dotted key in a tree.
pub fn get<'a>(tree: &'a toml::Table, key: &str) -> Option<&'a Value> {
    let mut segments = key.split('.');
    let first = tree.get(segments.next()?)?;
    segments.try_fold(first, |value, segment| value.as_table()?.get(segment))
}

/// Sets a dotted key in a tree; what stands in the way of its tables is replaced.
fn set(tree: &mut toml::Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            tree.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = tree.entry(section).or_insert_with(|| Value::Table(toml::Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(toml::Table::new());
            }
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}
