//! One cell: the settings in which a run differs from the spec outside of the sweep.

use std::fmt;
use std::sync::Arc;

use toml::Value;

use super::Place;
use crate::shown::shown;
use crate::spec::merge::{Misplaced, set};

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

    /// Whether a key varies, or any part of its value.
    pub fn varies(&self, key: &str) -> bool {
        let inside =
            |assignment: &Assignment| assignment.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        self.find(key).is_some() || self.assignments.iter().any(|assignment| inside(assignment))
    }

    /// Lays the assignments over a tree of settings.
    ///
    /// # Errors
    /// An element of a list that is not there, with the assignment that names it.
    pub fn apply(&self, tree: &mut toml::Table) -> Result<(), (&Assignment, Misplaced)> {
        self.assignments.iter().try_for_each(|assignment| {
            set(tree, &assignment.key, assignment.value.clone()).map_err(|misplaced| (&**assignment, misplaced))
        })
    }
}

/// "data.target_bias = 30, model.seed = 1".
impl fmt::Display for CellSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, assignment) in self.assignments.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let (key, value) = (shown(&assignment.key), shown(&assignment.value.to_string()));
            write!(f, "{comma}{key} = {value}")?;
        }
        Ok(())
    }
}
