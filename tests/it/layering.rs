//! The layering of the sources: who may use what.
//!
//! Sources are read as tokens, so every form of import counts: `use crate::{a, b::c}`, `super::super::a`, and paths inside
//! expressions and macros.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proc_macro2::{TokenStream, TokenTree};

use crate::harness::{listing, repository};

/// The modules of the domain, from the lowest layer to the highest. A module uses those of lower layers only.
const CORE: &[&[&str]] = &[
    &["alive", "clock", "disk", "escape", "guard", "machine", "raster", "seed"],
    &["shown", "terminal", "settings"],
    &["data", "device", "exit", "format", "key", "stage_name", "task"],
    &["event", "unit"],
    &["sim"],
    &["net"],
    &["explain", "metric", "picture"],
    &["store"],
    &["source"],
    &["stage"],
    &["plan", "protocol"],
];

/// The modules of the front end, likewise.
const FRONT: &[&[&str]] = &[
    &["excerpt", "home"],
    &["error"],
    &["figure", "spec", "tables"],
    &["comparison", "report"],
    &["runner"],
    &["reporter"],
    &["cli", "simulation"],
];

/// The modules of the tensor side, likewise.
const TENSOR: &[&[&str]] = &[&["net"], &["explain"], &["requeue", "stage", "throttled"], &["serve"], &["task"]];

/// A source and what it uses of its own crate, as paths from the crate's root.
struct Source {
    /// `["runner", "plan"]` for `runner/plan.rs`, `["runner"]` for `runner/mod.rs`.
    module: Vec<String>,
    uses: BTreeSet<Vec<String>>,
}

/// The sources below a folder: their paths and texts.
fn texts(folder: &str) -> Vec<(String, String)> {
    let names = listing(&repository(folder)).into_iter().filter(|name| name.ends_with(".rs"));
    let read = |name: &String| fs::read_to_string(repository(folder).join(name)).expect("a source");
    names.map(|name| (format!("{folder}/{name}"), read(&name))).collect()
}

/// The sources of a crate, tests in files of their own included.
fn sources(root: &str) -> Vec<Source> {
    let parse = |(path, text): (String, String)| {
        let inside = path.strip_prefix(root).expect("it lies there").trim_start_matches('/').trim_end_matches(".rs");
        let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
        module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        let uses = uses(&text, &module);
        Source { module, uses }
    };
    texts(root).into_iter().map(parse).collect()
}

/// What a source uses of its own crate.
fn uses(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    collect(text.parse().expect("Rust"), module, &mut found);
    found
}

/// Collects the paths of a stream of tokens in a module.
fn collect(stream: TokenStream, module: &[String], found: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" => {
                // `mod name { ... }`
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner = [module, &[name.to_string()]].concat();
                    collect(body.stream(), &inner, found);
                    at += 3;
                    continue;
                }
            }
            TokenTree::Ident(word) if word == "crate" && is_path(&tokens, at + 1) => {
                at = tree(&tokens, at + 3, &[], found);
                continue;
            }
            TokenTree::Ident(word) if word == "super" && is_path(&tokens, at + 1) => {
                let mut base = module;
                while matches!(&tokens[at], TokenTree::Ident(word) if word == "super") && is_path(&tokens, at + 1) {
                    base = &base[..base.len().saturating_sub(1)];
                    at += 3;
                }
                at = tree(&tokens, at, base, found);
                continue;
            }
            TokenTree::Group(group) => collect(group.stream(), module, found),
            _ => {}
        }
        at += 1;
    }
}

fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    is_colon(at) && is_colon(at + 1)
}

/// Collects the paths of a use tree, or of a path in an expression; returns where it ends.
fn tree(tokens: &[TokenTree], mut at: usize, base: &[String], found: &mut BTreeSet<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => {
                path.push(word.to_string());
                at += 1;
                if is_path(tokens, at) {
                    at += 2;
                    continue;
                }
            }
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',')) {
                    tree(part, 0, &path, found);
                }
                return at + 1;
            }
            _ => {}
        }
        found.insert(path);
        return at;
    }
}

/// What a crate's modules use against the order of its layers: "store uses stage".
fn violations(sources: &[Source], layers: &[&[&str]]) -> Vec<String> {
    let layer = |module: &str| layers.iter().position(|modules| modules.contains(&module));
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.module.is_empty()) {
        let own = &source.module[0];
        let Some(own_layer) = layer(own) else {
            found.insert(format!("{own} has no layer"));
            continue;
        };
        for used in source.uses.iter().filter_map(|path| path.first()).filter(|used| *used != own) {
            // What a crate takes over from a lower crate has no layer of its own.
            if layer(used).is_some_and(|layer| layer >= own_layer) {
                found.insert(format!("{} uses {used}", source.module.join("::")));
            }
        }
    }
    found.into_iter().collect()
}

#[test]
fn modules_use_lower_layers_alone() {
    for (root, layers) in [("core/src", CORE), ("src", FRONT), ("tensor/src", TENSOR)] {
        let sources: Vec<Source> =
            sources(root).into_iter().filter(|source| source.module.first().is_none_or(|name| name != "bin")).collect();
        assert!(sources.len() > 20 && sources.iter().any(|source| source.uses.len() > 3), "{root} is read");
        assert_eq!(violations(&sources, layers), [""; 0], "{root}");
    }
}

/// The edges that once made a circle of eight modules are found in any form.
#[test]
fn every_form_of_import_is_found() {
    let module = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    for (from, code) in [
        ("event", "use crate::stage::StageName;"),
        ("event", "use crate::{seed, store::{Draft, Entry}};"),
        ("store::draft", "fn name() -> &'static str { crate::stage::Job::name() }"),
        ("store::draft", "use super::super::stage;"),
        ("store::draft", "#[cfg(test)] mod tests { use super::super::super::stage::Job; }"),
        ("sim::settings", "fn f() { println!(\"{}\", crate::store::LIMIT) }"),
        ("settings", "use super::explain;"),
        ("explain::rule", "use {crate::store as memory, std::fmt};"),
        ("metric", "pub(crate) use crate::protocol::*;"),
    ] {
        let source = Source { module: module(from), uses: uses(code, &module(from)) };
        assert_eq!(violations(&[source], CORE).len(), 1, "{code}");
    }
    let fair = "// crate::stage\nuse crate::{disk::Folder, event}; const X: &str = \"crate::stage::Job\"; use self::planes::Image;";
    let source = Source { module: module("store"), uses: uses(fair, &module("store")) };
    assert_eq!(violations(&[source], CORE), [""; 0]);
    let unknown = Source { module: module("newcomer"), uses: BTreeSet::new() };
    assert_eq!(violations(&[unknown], CORE), ["newcomer has no layer"]);
}

/// A handful of files of one folder may be two sides of one thing. More of them can only be understood together.
const LARGEST_CIRCLE: usize = 4;

/// Larger groups of files that use each other in a circle. A folder's `mod.rs`, which lists and joins what is below it,
/// takes no part.
fn circles(root: &str) -> Vec<Vec<String>> {
    let sources = sources(root);
    let is_test = |name: &str| name.ends_with("tests") || name.ends_with("test");
    let files: BTreeMap<Vec<String>, &Source> = sources
        .iter()
        .filter(|source| source.module.last().is_some_and(|name| !is_test(name)))
        .map(|source| (source.module.clone(), source))
        .collect();
    let folders: BTreeSet<&[String]> = files.keys().map(|module| &module[..module.len() - 1]).collect();
    let target = |path: &Vec<String>| {
        (1..=path.len())
            .rev()
            .map(|end| &path[..end])
            .find(|module| files.contains_key(*module))
            .map(<[String]>::to_vec)
    };
    let edges: BTreeMap<&Vec<String>, Vec<Vec<String>>> = files
        .iter()
        .filter(|(module, _)| !folders.contains(&module[..]))
        .map(|(module, source)| (module, source.uses.iter().filter_map(target).collect()))
        .collect();
    let reach = |start: &Vec<String>| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(module) = next.pop() {
            for used in edges.get(&module).into_iter().flatten() {
                if edges.contains_key(used) && seen.insert(used.clone()) {
                    next.push(used.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
        edges.keys().map(|module| (*module, reach(module))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, seen) in &reached {
        let circle = seen.iter().filter(|other| reached[*other].contains(*module)).map(|other| other.join("::"));
        let circle: Vec<String> = circle.collect();
        if circle.len() > LARGEST_CIRCLE {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

#[test]
fn files_do_not_use_each_other_in_large_circles() {
    let found: Vec<Vec<String>> = ["core/src", "src", "tensor/src"].into_iter().flat_map(circles).collect();
    assert_eq!(found, Vec::<Vec<String>>::new());
}

/// Asserts that `dependency` is used below `allowed` alone, and is used there.
fn assert_used_only_in(dependency: &str, allowed: &[&str]) {
    let uses =
        |text: &str| text.parse::<TokenStream>().expect("Rust").into_iter().any(|token| names(&token, dependency));
    let users: Vec<String> = ["core/src", "src", "tensor/src", "examples", "benches"]
        .into_iter()
        .flat_map(texts)
        .filter(|(_, text)| uses(text))
        .map(|(name, _)| name)
        .collect();
    assert!(!users.is_empty(), "{dependency} is used nowhere: the check itself does not work");
    for user in users {
        assert!(allowed.iter().any(|place| user.starts_with(place)), "{user} uses {dependency}");
    }
}

/// Whether a word occurs in code.
fn names(token: &TokenTree, word: &str) -> bool {
    match token {
        TokenTree::Group(group) => group.stream().into_iter().any(|token| names(&token, word)),
        TokenTree::Ident(name) => name == word,
        _ => false,
    }
}

#[test]
fn each_dependency_has_its_place() {
    assert_used_only_in(
        "tch",
        &["tensor/src/net/", "tensor/src/explain/", "tensor/src/stage/", "tensor/src/serve.rs", "tensor/src/task.rs"],
    );
    assert_used_only_in("polars", &["src/tables/"]);
    assert_used_only_in("kuva", &["src/figure/"]);
    assert_used_only_in("miette", &["src/error.rs", "src/excerpt.rs"]);
    assert_used_only_in("indicatif", &["src/reporter/"]);
    assert_used_only_in("tiny_skia", &["core/src/picture/"]);
    assert_used_only_in("rustix", &["core/src/disk/"]);
    assert_used_only_in("signal_hook", &["src/cli/stop.rs", "src/runner/pause.rs", "tensor/src/stage/interrupt.rs"]);
    assert_used_only_in("textwrap", &["core/src/terminal/"]);
}

/// Who may reach files in other ways than through `disk`: what is outside of results folders and stores.
const OUTSIDE: [&str; 5] = [
    // The machine's own files.
    "core/src/machine.rs",
    "tensor/src/net/device.rs",
    // Specs.
    "src/spec/",
    // Files that a user named, to read,
    "core/src/store/source.rs",
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
    for (name, text) in ["core/src", "src", "tensor/src"].into_iter().flat_map(texts) {
        let is_test = name.ends_with("tests.rs") || name.ends_with("test.rs");
        let is_outside = OUTSIDE.iter().any(|place| name.starts_with(place));
        if is_test || is_outside || name.starts_with("core/src/disk/") {
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
    for (name, text) in ["core/src", "src", "tensor/src", "tests", "tensor/tests"].into_iter().flat_map(texts) {
        let lines = text.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines");
    }
}
