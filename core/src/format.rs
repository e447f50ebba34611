//! The version of the formats in which plans, events and the entries of a store are written.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Raised whenever an earlier version of the programs would misunderstand what this one writes.
pub const FORMAT: u32 = 2;

/// The format of what was written before formats were counted.
pub fn first() -> u32 {
    1
}

/// Something that a later version of the programs wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it has format {0}, and this version of xdlreg reads format {FORMAT} at most: use the version that wrote it")]
pub struct Newer(pub u32);

/// Why something that was written cannot be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    #[error("{0}")]
    Newer(#[source] Newer),
    #[error("{0}")]
    Json(#[source] serde_json::Error),
}

/// Reads JSON that says its format, in a single pass where nothing is wrong with it.
///
/// # Errors
/// [`Unreadable::Newer`] whenever the format is newer, whatever else the JSON holds.
pub fn read<T: DeserializeOwned>(json: &[u8], format: impl Fn(&T) -> u32) -> Result<T, Unreadable> {
    match serde_json::from_slice(json) {
        Ok(value) if format(&value) > FORMAT => Err(Unreadable::Newer(Newer(format(&value)))),
        Ok(value) => Ok(value),
        // What is newer may have members that this version does not know.
        Err(error) => Err(check(json).map_or_else(Unreadable::Newer, |()| Unreadable::Json(error))),
    }
}

/// Refuses JSON whose member `format` is newer. What is not JSON, or has no format, is for others to judge.
fn check(json: &[u8]) -> Result<(), Newer> {
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
    fn what_is_read_is_of_a_format_that_is_known() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            format: u32,
        }
        let read = |json: &str| read(json.as_bytes(), |written: &Written| written.format);
        for known in 1..=FORMAT {
            assert_eq!(read(&format!(r#"{{"format":{known}}}"#)).unwrap().format, known);
        }
        let later = FORMAT + 1;
        for newer in [format!(r#"{{"format":{later}}}"#), format!(r#"{{"format":{later},"unheard":1}}"#)] {
            assert!(matches!(read(&newer), Err(Unreadable::Newer(Newer(found))) if found == later), "{newer}");
        }
        for damaged in ["", "{}", r#"{"format":1,"unheard":1}"#] {
            assert!(matches!(read(damaged), Err(Unreadable::Json(_))), "{damaged}");
        }
    }

    #[test]
    fn only_a_newer_format_is_refused() {
        for fair in ["", "{}", "[1]", r#"{"format":1,"new":[]}"#, r#"{"format":"3"}"#, r#"{"format":0}"#] {
            assert_eq!(check(fair.as_bytes()), Ok(()), "{fair}");
        }
        let refused = check(br#"{"unheard":{"of":1},"format":3}"#).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it has format 3, and this version of xdlreg reads format 2 at most: use the version that wrote it"
        );
    }
}
