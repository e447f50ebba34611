//! What is predicted: its name and its unit.

use serde::{Deserialize, Serialize};

/// What a network of a regression puts out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Such as "age".
    pub name: String,
    /// Such as "years"; empty where it has none.
    pub unit: String,
}

impl Target {
    pub fn new(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { name: name.into(), unit: unit.into() }
    }

    /// What quantities of its kind are measured in: the unit, or the target itself where it has none.
    pub fn unit_name(&self) -> &str {
        if self.unit.is_empty() { &self.name } else { &self.unit }
    }

    /// "70 years", "70" where there is no unit.
    pub fn with_unit(&self, value: impl std::fmt::Display) -> String {
        if self.unit.is_empty() { value.to_string() } else { format!("{value} {}", self.unit) }
    }

    /// A label of an axis: "age in years", "score" where there is no unit.
    pub fn label(&self) -> String {
        self.label_of(&self.name)
    }

    /// The same of another quantity in the target's unit: "prediction in years".
    pub fn label_of(&self, quantity: &str) -> String {
        if self.unit.is_empty() { quantity.to_owned() } else { format!("{quantity} in {}", self.unit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_told_where_there_is_one() {
        let (age, score) = (Target::new("age", "years"), Target::new("score", ""));
        assert_eq!((age.with_unit(70), score.with_unit(0.5)), ("70 years".into(), "0.5".into()));
        assert_eq!((age.label(), score.label()), ("age in years".into(), "score".into()));
        assert_eq!(age.label_of("error"), "error in years");
    }
}
