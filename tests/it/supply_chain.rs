//! What the project is made of: locked dependencies, and a list of all code that the compiler cannot check.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{listing, repository};

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Sources of this project, by path.
fn sources() -> Vec<(String, String)> {
    let folders = ["core", "src", "tensor", "fuzz", "tests", "benches", "examples"];
    let of_folder = |folder: &'static str| {
        let names = listing(&repository(folder)).into_iter();
        names
            .filter(|name| name.ends_with(".rs") && !name.starts_with("target/"))
            .map(move |name| format!("{folder}/{name}"))
    };
    folders.into_iter().flat_map(of_folder).map(|path| (path.clone(), read(&path))).collect()
}

/// How often code without comments has `unsafe` in front of a block, and of a function, trait or implementation.
fn unsafe_code(text: &str) -> (usize, usize) {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.fold((0, 0), |(blocks, items), line| {
        let words = |what: &str| line.match_indices(what).count();
        let declared =
            ["unsafe fn ", "unsafe trait ", "unsafe impl ", "unsafe extern "].into_iter().map(words).sum::<usize>();
        (blocks + words("unsafe {"), items + declared)
    })
}

#[test]
fn the_inventory_of_unsafe_code_is_complete() {
    let found: BTreeMap<String, (usize, usize)> = sources()
        .into_iter()
        .filter(|(path, _)| path != "tests/it/supply_chain.rs")
        .map(|(path, text)| (path, unsafe_code(&text)))
        .filter(|(_, counts)| *counts != (0, 0))
        .collect();
    let rows = read("docs/reliability.md");
    let listed: BTreeMap<String, (usize, usize)> = rows
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("| `")?.split(" | ").collect();
            let number = |cell: &&str| cell.trim_end_matches([' ', '|']).parse().ok();
            Some((cells[0].strip_suffix('`')?.to_owned(), (number(cells.get(1)?)?, number(cells.get(2)?)?)))
        })
        .collect();
    assert!(found.len() > 10 && found == listed, "docs/reliability.md lists\n{listed:#?}\nand there is\n{found:#?}");
}

#[test]
fn unsafe_code_is_found() {
    assert_eq!(unsafe_code("let x = unsafe { f() };\n// unsafe { no }\npub unsafe fn g() {\n    unsafe {\n"), (2, 1));
}

#[test]
fn every_dependency_is_locked_by_its_checksum() {
    let lock: toml::Table = toml::from_str(&read("Cargo.lock")).expect("a lock file");
    let packages = lock["package"].as_array().expect("packages");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        match package.get("source").and_then(|source| source.as_str()) {
            None => assert!(name.starts_with("xdlreg"), "{name} comes from nowhere"),
            Some(source) => {
                assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}");
                assert_eq!(package["checksum"].as_str().map(str::len), Some(64), "{name}");
            }
        }
    }
    assert!(packages.len() > 100);
}
