//! A setting that cannot be.

use thiserror::Error;

/// One value of a specification that is well-formed but cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {message}")]
pub struct Invalid {
    /// Dotted key, such as `data.target_bias`.
    pub key: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub help: String,
}

impl Invalid {
    pub fn new(key: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), help: help.into() }
    }
}
