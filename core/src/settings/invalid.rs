//! A setting that cannot be.

use thiserror::Error;

/// One value of a specification that is well-formed but cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.sentence())]
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

    /// The message behind its key, unless the key is its subject already.
    fn sentence(&self) -> String {
        match self.message.strip_prefix(&self.key) {
            Some(rest) if rest.starts_with(' ') => self.message.clone(),
            _ => format!("{}: {}", self.key, self.message),
        }
    }
}
