//! Tests of the whole way from text to a resolved spec.

mod any_text;
mod every_key;
mod typed;

use std::ffi::OsString;
use std::path::Path;

use super::{ResolvedSpec, SourceFile};
use crate::error::{EXIT_USAGE, Error};

/// What a spec with this text resolves to, under variables and options.
fn resolve(text: &str, environment: &[(&str, &str)], sets: &[String]) -> Result<ResolvedSpec, Error> {
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    ResolvedSpec::from_file(SourceFile::new(Path::new("spec.toml"), text.to_owned()), &environment, sets, None)
}

/// As [`resolve`], with one `--set`.
fn set(text: &str, set: &str) -> Result<ResolvedSpec, Error> {
    resolve(text, &[], &[set.to_owned()])
}

/// What a user is told, on one line; nothing where nothing is wrong.
#[track_caller]
fn said(result: Result<ResolvedSpec, Error>) -> String {
    let Err(error) = result else { return String::new() };
    assert_eq!(error.exit_code(), EXIT_USAGE, "{error}");
    let text = error.render(false);
    assert!(text.len() < 30_000, "a message of {} bytes", text.len());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control character in {text:?}");
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// The resolved spec, read again, must be the same spec.
#[track_caller]
fn survives(resolved: &ResolvedSpec) {
    let text = resolved.to_toml();
    let again = resolve(&text, &[], &[]).unwrap_or_else(|error| panic!("{}\n{text}", error.render(false)));
    assert_eq!(again.spec, resolved.spec, "{text}");
    let specs = |resolved: &ResolvedSpec| resolved.cells.iter().map(|cell| cell.spec.clone()).collect::<Vec<_>>();
    assert_eq!(specs(&again), specs(resolved), "{text}");
}
