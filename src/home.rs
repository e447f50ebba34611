//! `~` at the beginning of a path, which shells expand in many places but not behind a `=`.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// `~` and `~/x` as paths in the user's home folder; other paths as they are.
///
/// # Errors
/// Says why a path that begins with `~` cannot be expanded, and what to do. A folder that is really called so is
/// written `./~name`.
pub fn expand(path: &Path) -> Result<PathBuf, String> {
    expand_in(path, std::env::var_os("HOME"))
}

fn expand_in(path: &Path, home: Option<OsString>) -> Result<PathBuf, String> {
    let mut parts = path.components();
    let first = match parts.next() {
        Some(Component::Normal(first)) if first.as_encoded_bytes().starts_with(b"~") => first,
        _ => return Ok(path.to_owned()),
    };
    if first != "~" {
        let name = first.to_string_lossy();
        return Err(format!("{name} is not expanded: write the whole path, or ./{name} for a folder of that name"));
    }
    match home.filter(|home| !home.is_empty()) {
        Some(home) => Ok(Path::new(&home).join(parts.as_path())),
        None => Err("~ is not expanded, because HOME is not set: write the whole path".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_and_others_homes_are_refused() {
        let expanded = |path: &str| expand_in(Path::new(path), Some("/home/me".into()));
        for (path, is) in [
            ("~", "/home/me"),
            ("~/", "/home/me"),
            ("~/x/y", "/home/me/x/y"),
            ("~//x", "/home/me/x"),
            ("x/~", "x/~"),
            ("./~/x", "./~/x"),
            ("/~", "/~"),
            ("", ""),
            ("results", "results"),
        ] {
            assert_eq!(expanded(path), Ok(PathBuf::from(is)), "{path}");
        }
        for path in ["~other", "~other/x", "~~"] {
            assert!(expanded(path).unwrap_err().contains("is not expanded"), "{path}");
        }
        for home in [None, Some(OsString::new())] {
            assert!(expand_in(Path::new("~/x"), home.clone()).unwrap_err().contains("HOME is not set"));
            assert_eq!(expand_in(Path::new("x"), home), Ok(PathBuf::from("x")));
        }
    }
}
