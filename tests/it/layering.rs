//! The layering of the sources: who may use what.

use std::fs;

use crate::harness::{listing, repository};

/// The sources below `folder`: their paths and texts without line comments.
fn sources(folder: &str) -> Vec<(String, String)> {
    let names = listing(&repository(folder)).into_iter().filter(|name| name.ends_with(".rs"));
    names
        .map(|name| {
            let text = fs::read_to_string(repository(folder).join(&name)).expect("a source");
            (format!("{folder}/{name}"), text)
        })
        .collect()
}

/// Whether code of `text` uses `path` (such as `tch` or `crate::store`), comments aside.
fn uses(text: &str, path: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(path).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            let after = &line[start + path.len()..];
            let begins = !before.is_some_and(|c| word(c) || c == ':' || c == '"');
            begins && (after.starts_with("::") || after.starts_with(';') || after.starts_with(','))
        })
    })
}

/// Asserts that `dependency` is used below `allowed` alone, and is used there.
fn assert_used_only_in(dependency: &str, allowed: &[&str]) {
    let users: Vec<String> = ["src", "tensor/src", "examples", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| uses(text, dependency))
        .map(|(name, _)| name)
        .collect();
    assert!(!users.is_empty(), "{dependency} is used nowhere: the check itself does not work");
    for user in users {
        assert!(allowed.iter().any(|place| user.starts_with(place)), "{user} uses {dependency}");
    }
}

#[test]
fn each_dependency_has_its_place() {
    assert_used_only_in("tch", &["tensor/src/net/", "tensor/src/explain/", "tensor/src/stage/", "tensor/src/main.rs"]);
    assert_used_only_in("polars", &["src/store/table.rs", "src/store/tables.rs"]);
    assert_used_only_in("kuva", &["src/figure/"]);
    assert_used_only_in("indicatif", &["src/reporter/"]);
    assert_used_only_in("tiny_skia", &["src/figure/"]);
    assert_used_only_in("rustix", &["src/disk/"]);
    assert_used_only_in("signal_hook", &["src/cli/stop.rs", "src/runner/pause.rs"]);
    assert_used_only_in("console", &["src/reporter/", "src/terminal/"]);
    assert_used_only_in("textwrap", &["src/terminal/"]);
}

#[test]
fn domains_know_nothing_of_stages_and_runners() {
    for domain in ["sim", "metric", "figure", "explain"] {
        let sources = sources(&format!("src/{domain}"));
        assert!(!sources.is_empty());
        for (name, text) in sources {
            for upper in ["store", "stage", "runner", "cli", "reporter"] {
                assert!(!uses(&text, &format!("crate::{upper}")), "{name} uses {upper}");
            }
        }
    }
}

#[test]
fn what_is_below_knows_nothing_of_what_is_above() {
    for (lower, uppers) in [
        ("disk", &["error", "event", "spec", "store", "stage", "runner", "cli", "reporter"][..]),
        ("spec", &["stage", "runner", "cli", "reporter", "store"]),
        ("stage", &["runner", "cli", "reporter"]),
        ("store", &["runner", "cli", "reporter"]),
        ("runner", &["cli", "reporter"]),
        ("report", &["runner", "cli", "reporter"]),
        ("reporter", &["cli"]),
        ("terminal", &["runner", "cli", "reporter", "store", "stage", "report", "error", "event"]),
    ] {
        for (name, text) in sources(&format!("src/{lower}")) {
            for upper in uppers {
                assert!(!uses(&text, &format!("crate::{upper}")), "{name} uses {upper}");
            }
        }
    }
}

/// Who may reach files in other ways than through `disk`: what is outside of results folders and stores.
const OUTSIDE: [&str; 5] = [
    // The machine's own files.
    "src/machine.rs",
    "tensor/src/net/device.rs",
    // Specs.
    "src/spec/",
    // Files that a user named, to read,
    "src/store/source.rs",
    // and to write.
    "src/cli/files.rs",
];

/// Whether a line reaches for a file by its path.
fn reaches_a_file(line: &str) -> bool {
    let calls = |module: &str| {
        line.match_indices(module).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            let after = line[start + module.len()..].chars().next();
            before.is_none_or(|c| !c.is_alphanumeric()) && after.is_some_and(char::is_lowercase)
        })
    };
    !line.trim_start().starts_with("//") && (calls("fs::") || calls("File::") || calls("OpenOptions::"))
}

#[test]
fn results_and_stores_are_reached_through_disk_alone() {
    for (name, text) in ["src", "tensor/src"].into_iter().flat_map(sources) {
        let is_test = name.ends_with("tests.rs") || name.ends_with("test.rs");
        let is_outside = OUTSIDE.iter().any(|place| name.starts_with(place));
        if is_test || is_outside || name.starts_with("src/disk/") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines: Vec<&str> = code.lines().filter(|line| reaches_a_file(line)).collect();
        assert!(lines.is_empty(), "{name} goes around the module `disk`: {lines:#?}");
    }
    assert!(reaches_a_file("let x = std::fs::write(path, text);") && reaches_a_file("File::options()"));
    assert!(!reaches_a_file("use std::fs::{File, TryLockError};") && !reaches_a_file("ImageFile::open(path)"));
}

#[test]
fn files_stay_short() {
    for (name, text) in ["src", "tensor/src", "tests", "tensor/tests"].into_iter().flat_map(sources) {
        let lines = text.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines");
    }
}

#[test]
fn usage_is_found() {
    assert!(uses("use tch::{Tensor};", "tch") && uses("    let x = tch::no_grad(f);", "tch"));
    assert!(!uses("// use tch::Tensor;", "tch") && !uses("let batch::x = 1;", "tch"));
    assert!(uses("use crate::key::Key;", "crate::store") && !uses("use crate::storey::Key;", "crate::store"));
}
