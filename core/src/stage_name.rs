//! The names of the stages: entries of the store, events and tables are ordered by them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The five stages, in the order of the data's flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    Simulate,
    Train,
    Explain,
    Evaluate,
    Render,
}

impl StageName {
    pub const ALL: [Self; 5] = [Self::Simulate, Self::Train, Self::Explain, Self::Evaluate, Self::Render];

    pub fn name(self) -> &'static str {
        match self {
            Self::Simulate => "simulate",
            Self::Train => "train",
            Self::Explain => "explain",
            Self::Evaluate => "evaluate",
            Self::Render => "render",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
