//! Folders as a whole: copied, photographed, compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies a folder with its links and times, in place of what was there.
pub fn copy(from: &Path, to: &Path) {
    remove(to);
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp is there");
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}

/// Removes whatever is there, folders of which somebody took the permissions included.
pub fn remove(path: &Path) {
    let status = Command::new("rm").args(["-rf", "--"]).arg(path).status().expect("rm is there");
    assert!(status.success(), "rm -rf {}", path.display());
}

/// What a file system has at a path, as far as it must not change: kind and permissions, and content or target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    mode: u32,
    content: Vec<u8>,
}

/// Everything below a folder, and the folder itself. Links are not followed; of other files than plain ones nothing is read.
pub fn photograph(folder: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        let content = if about.is_symlink() {
            fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
        } else if about.is_file() {
            fs::read(&path).expect("a file")
        } else {
            Vec::new()
        };
        if about.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|item| item.expect("an item").path()));
        }
        seen.insert(path, Seen { mode: about.mode(), content });
    }
    seen
}

/// Every plain file below a folder by its path from there, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let names = crate::harness::listing(folder);
    names
        .into_iter()
        .filter(|name| fs::symlink_metadata(folder.join(name)).is_ok_and(|about| about.is_file()))
        .collect()
}

/// Asserts that nothing but what `allowed` names differs between two photographs.
#[track_caller]
pub fn assert_unchanged(before: &BTreeMap<PathBuf, Seen>, after: &BTreeMap<PathBuf, Seen>, what: &str) {
    let gone: Vec<&PathBuf> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    let new: Vec<&PathBuf> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    let changed: Vec<&PathBuf> = before
        .iter()
        .filter(|(path, seen)| after.get(*path).is_some_and(|now| now != *seen))
        .map(|(path, _)| path)
        .collect();
    assert!(
        gone.is_empty() && new.is_empty() && changed.is_empty(),
        "{what}\ngone: {gone:?}\nnew: {new:?}\nchanged: {changed:?}"
    );
}
