//! The stages of a run.

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
