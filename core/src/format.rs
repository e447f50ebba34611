//! The version of the formats in which plans, events and the entries of a store are written.

use serde::Deserialize;
use thiserror::Error;

/// Raised whenever an earlier version of the programs would misunderstand what this one writes.
pub const FORMAT: u32 = 1;

/// The format of what was written before formats were counted.
pub fn first() -> u32 {
    1
}

/// Something that a later version of the programs wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it has format {0}, and this version of xdlreg reads format {FORMAT} at most: use the version that wrote it")]
pub struct Newer(pub u32);

/// Refuses JSON whose member `format` is newer, whatever else it holds.
///
/// # Errors
/// [`Newer`]. What is not JSON, or has no format, is for others to judge.
pub fn check(json: &[u8]) -> Result<(), Newer> {
    #[derive(Deserialize)]
    struct Format {
        #[serde(default = "first")]
        format: u32,
    }
    match serde_json::from_slice(json) {
        Ok(Format { format }) if format > FORMAT => Err(Newer(format)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_format_is_refused() {
        for fair in ["", "{}", "[1]", r#"{"format":1,"new":[]}"#, r#"{"format":"2"}"#, r#"{"format":0}"#] {
            assert_eq!(check(fair.as_bytes()), Ok(()), "{fair}");
        }
        let refused = check(br#"{"unheard":{"of":1},"format":2}"#).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it has format 2, and this version of xdlreg reads format 1 at most: use the version that wrote it"
        );
    }
}
