//! What networks are trained for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Age in years.
    Regression,
    /// "young" or "old".
    Classification,
}
