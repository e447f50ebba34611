//! Names of files: what may become a path, and what is half-written.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::{Deserialize, Deserializer, Error};

/// Whether `name` names something in a folder, and cannot lead out of it.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && name.chars().all(|c| c != '/' && c != '\\' && !c.is_control())
}

/// Whether `name` stays inside the folder that it is looked up in. A user's own files may be called anything else.
pub(super) fn stays_inside(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether `name` is made of plain names with / between them: a file below a folder.
pub fn is_relative(name: &str) -> bool {
    name.split('/').all(is_plain)
}

/// Reads a plain name, for `#[serde(deserialize_with)]`.
pub fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if is_plain(&name) { Ok(name) } else { Err(D::Error::custom(format!("{name:?} is not a file name"))) }
}

/// A new name for what is being written and will be called `name`. No other process that runs takes the same.
pub fn temporary(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Processes of several machines may have the same number.
    static PROCESS: LazyLock<u32> = LazyLock::new(|| (RandomState::new().build_hasher().finish() >> 16) as u32);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".{name}.{}-{:08x}-{count}.tmp", std::process::id(), *PROCESS)
}

/// Whether a name is one of [`temporary`], of this version or an earlier one.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out_of_their_folder() {
        for good in ["a", "a.b", ".lock", "..a", "events.jsonl", "a b", "ü"] {
            assert!(is_plain(good) && is_relative(good), "{good:?}");
        }
        for bad in ["", ".", "..", "/", "a/b", "/a", "a/", "..\\a", "a\nb", "a\0", "\u{1b}[2J"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
        assert!(is_relative("a/b.c/d"));
        assert!(stays_inside("line\nbreak") && stays_inside("a/back\\slash"));
        for bad in ["", "/a", "a//b", "a/../b", "../a", "a/..", "a/.", "./a", "a/"] {
            assert!(!is_relative(bad) && !stays_inside(bad), "{bad:?}");
        }
    }

    #[test]
    fn temporary_names_are_known_again_and_differ() {
        let (one, other) = (temporary("runs.parquet"), temporary("runs.parquet"));
        assert_ne!(one, other);
        assert!(is_plain(&one) && is_temporary(&one) && is_temporary(&other));
        assert!(is_temporary(".runs.parquet.tmp") && is_temporary(".runs.parquet.123.tmp"));
        assert!(!is_temporary("runs.tmp") && !is_temporary(".lock"));
    }
}
