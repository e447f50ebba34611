//! README and the book in docs/: links lead somewhere, reference pages match the programs, and every spec and command is
//! executed.

mod examples;
mod links;
mod reference;

use std::fs;

use crate::harness::{listing, repository};

/// A page: its path from the root of the repository, and its text.
struct Page {
    path: String,
    text: String,
}

impl Page {
    fn read(path: &str) -> Self {
        let text = fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path: path.to_owned(), text }
    }

    /// Blocks between fences: the number of the line before the block, the language, and the contents.
    fn blocks(&self) -> Vec<(usize, &str, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(language) = line.strip_prefix("```") else { continue };
            let contents = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            blocks.push((number + 1, language, contents.flat_map(|line| [line, "\n"]).collect()));
        }
        blocks
    }
}

/// README, then the pages of the book in the order of its summary.
fn pages() -> Vec<Page> {
    let summary = Page::read("docs/SUMMARY.md");
    let named = links::targets(&summary.text).into_iter().map(|name| format!("docs/{name}"));
    std::iter::once("README.md".to_owned()).chain(named).map(|path| Page::read(&path)).collect()
}

#[test]
fn every_page_is_in_the_summary_once() {
    let mut named: Vec<String> = pages().into_iter().skip(1).map(|page| page.path).collect();
    named.sort();
    let pages = listing(&repository("docs")).into_iter().filter(|name| name.ends_with(".md") && name != "SUMMARY.md");
    assert_eq!(named, pages.map(|name| format!("docs/{name}")).collect::<Vec<_>>());
}

#[test]
fn readme_is_short() {
    let lines = Page::read("README.md").text.lines().count();
    assert!(lines <= 150, "README has {lines} lines; move some of them to docs/");
}
