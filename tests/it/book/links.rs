//! No link is dead: files exist, and so do the headings that anchors name.

use std::path::Path;

use super::{Page, pages};
use crate::harness::repository;

/// What links and pictures of a text point to.
pub fn targets(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target)).collect()
}

/// The anchors of headings, as GitHub and mdBook make them: lower case, hyphens for spaces, no punctuation.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect();
    headings.map(|heading| -> String { anchor(heading) }).map(|anchor| anchor.replace(' ', "-")).collect()
}

#[track_caller]
fn check(page: &Page, target: &str) {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(&page.path).parent().expect("a file lies in a folder");
    let path = if file.is_empty() { page.path.clone() } else { folder.join(file).to_string_lossy().into_owned() };
    assert!(repository(&path).exists(), "{}: there is no {path} for the link to {target}", page.path);
    if page.path.starts_with("docs/") {
        assert!(!file.contains(".."), "{}: {target} is outside of the book, where the link is dead", page.path);
    }
    if !anchor.is_empty() {
        let anchors = anchors(&Page::read(&path).text);
        assert!(anchors.iter().any(|one| one == anchor), "{}: {path} has no heading #{anchor}: {anchors:?}", page.path);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut all = pages();
    all.push(Page::read("CONTRIBUTING.md"));
    let mut checked = 0;
    for page in &all {
        for target in targets(&page.text).into_iter().filter(|target| !target.starts_with("http")) {
            check(page, target);
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn a_dead_anchor_is_noticed() {
    let page = Page { path: "docs/tutorial.md".to_owned(), text: String::new() };
    let dead = std::panic::catch_unwind(|| check(&page, "scores.md#no-such-heading"));
    assert!(dead.is_err());
    assert_eq!(anchors("# What `x` adds, up to\n## A-b_c"), ["what-x-adds-up-to", "a-b_c"]);
}
