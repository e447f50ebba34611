//! What is wrong with a user's data, told all at once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a row stands in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Of a text: the line on which the row begins, counted from 1 at the header.
    Line(u64),
    /// Of a table without lines: the row, counted from 1.
    Row(u64),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// None where it is about no row in particular.
    pub place: Option<Place>,
    pub column: Option<String>,
    /// With the file that it is about.
    pub message: String,
}

/// All that is wrong with a data set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadData {
    /// Of the table.
    pub path: String,
    /// At least one.
    pub problems: Vec<Problem>,
    pub help: String,
}

/// More problems than these are counted, not told.
const TOLD: usize = 20;

impl BadData {
    /// A single problem of the table as a whole.
    pub fn whole(path: impl fmt::Display, message: impl fmt::Display, help: impl Into<String>) -> Self {
        let problem = Problem { place: None, column: None, message: message.to_string() };
        Self { path: path.to_string(), problems: vec![problem], help: help.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place, &self.column) {
            (Some(place), Some(column)) => write!(f, "{place}, column `{column}`: ")?,
            (Some(place), None) => write!(f, "{place}: ")?,
            (None, Some(column)) => write!(f, "column `{column}`: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for BadData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        if let [problem] = &self.problems[..] {
            return problem.fmt(f);
        }
        write!(f, "{} rows or files cannot be used", self.problems.len())?;
        for problem in self.problems.iter().take(TOLD) {
            write!(f, "; {problem}")?;
        }
        match self.problems.len().checked_sub(TOLD) {
            Some(more) if more > 0 => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_problems_are_told_up_to_a_limit() {
        let problem = |line| Problem {
            place: Some(Place::Line(line)),
            column: Some("file".into()),
            message: "is missing".into(),
        };
        let told = |count: u64| {
            BadData { path: "t.csv".into(), problems: (2..2 + count).map(problem).collect(), help: String::new() }
                .to_string()
        };
        assert_eq!(told(1), "t.csv: line 2, column `file`: is missing");
        assert!(
            told(3).starts_with("t.csv: 3 rows or files cannot be used; line 2, column `file`: is missing; line 3")
        );
        assert!(told(25).ends_with("line 21, column `file`: is missing; and 5 more"));
        assert_eq!(BadData::whole("t.csv", "is empty", "").to_string(), "t.csv: is empty");
    }
}
