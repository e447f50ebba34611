//! What can stand in place of a file or a folder.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

use super::finished;
use crate::harness::{Scene, listing};
use crate::tree;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    LinkToFile,
    LinkToFolder,
    /// Whoever writes through it makes a file outside.
    LinkToNothing,
    LinkToItself,
    Pipe,
    /// Where a file should be.
    Folder,
    /// Where a folder should be, or another file.
    Text,
    /// A file of a tebibyte, which takes no room on disk.
    Huge,
    /// Zeros without end, like /dev/zero. Making one takes root, whom no permissions bind; others get a pipe.
    Device,
    Nobodys,
}

const KINDS: [Kind; 10] = [
    Kind::LinkToFile,
    Kind::LinkToFolder,
    Kind::LinkToNothing,
    Kind::LinkToItself,
    Kind::Pipe,
    Kind::Folder,
    Kind::Text,
    Kind::Huge,
    Kind::Device,
    Kind::Nobodys,
];

/// Names that a finished experiment does not have, but that some command makes or reads.
const FLEETING: &[&str] = &[
    "results/spec/.lock",
    "results/spec/.cancel",
    "results/spec/.runs.parquet.tmp",
    "results/spec/.report.html.tmp",
    "results/spec/models/.x.tmp",
    "results/.store/tmp",
    "results/.store/tmp/train-00112233445566778899aabbccddeeff",
    "results/.store/scratch",
    "results/.store/scratch/00112233445566778899aabbccddeeff",
    "results/.store/claims",
    "results/.store/claims/00112233445566778899aabbccddeeff",
    "results/.store/train/00112233445566778899aabbccddeeff",
    "results/other",
    "results/other/plan.json",
];

/// Every place of a finished experiment with everything that can stand there.
pub fn all() -> Vec<(String, Kind)> {
    let scene = &finished().scene;
    let mut places: Vec<String> =
        listing(&scene.path("results")).iter().map(|name| format!("results/{name}")).collect();
    for name in FLEETING {
        if !places.iter().any(|place| place == name) {
            places.push((*name).to_owned());
        }
    }
    places.iter().flat_map(|place| KINDS.map(|kind| (place.clone(), kind))).collect()
}

/// Puts something in a place, and removes what was there.
pub fn plant(scene: &Scene, place: &str, kind: Kind) {
    let path = scene.path(place);
    fs::create_dir_all(path.parent().expect("it lies in the scene")).expect("a folder");
    if kind == Kind::Nobodys {
        if path.exists() {
            let status = Command::new("chmod").arg("000").arg(&path).status().expect("chmod is there");
            assert!(status.success());
        }
        return;
    }
    tree::remove(&path);
    match kind {
        Kind::LinkToFile => symlink(scene.path("decoys/file.txt"), &path).expect("a link"),
        Kind::LinkToFolder => symlink(scene.path("decoys/folder"), &path).expect("a link"),
        Kind::LinkToNothing => symlink(scene.path("decoys/nothing"), &path).expect("a link"),
        Kind::LinkToItself => symlink(&path, &path).expect("a link"),
        Kind::Pipe => make("mkfifo", &[], &path),
        Kind::Folder => {
            fs::create_dir(&path).expect("a folder");
            symlink(scene.path("decoys/folder"), path.join("link")).expect("a link");
        }
        Kind::Text => fs::write(&path, "\x1b]52;c;Zm9v\x07 neither JSON nor a table\n").expect("a file"),
        Kind::Huge => File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file"),
        Kind::Device if is_root() => make("mknod", &["c", "1", "5"], &path),
        Kind::Device => make("mkfifo", &[], &path),
        Kind::Nobodys => {}
    }
}

fn make(program: &str, arguments: &[&str], path: &std::path::Path) {
    let status =
        Command::new(program).arg(path).args(arguments).status().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {}", path.display());
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id is there");
    id.stdout == b"0\n"
}
