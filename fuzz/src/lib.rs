//! Fuzz targets: each takes arbitrary bytes, reads them as one kind of input, and asserts what must hold of whatever was
//! accepted. Under libFuzzer (`src/main.rs`) the bytes are guided by coverage; under `cargo test` (`tests/properties.rs`)
//! they are the committed corpus and mutations of it.

mod files;
mod folders;
mod images;
mod messages;
mod specs;

use std::fs;
use std::path::{Path, PathBuf};

/// A kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Reads the bytes; panics where a promise is broken. It may write below the scratch folder, which is its own.
    pub run: fn(&[u8], &Scratch),
    /// Longest input that is worth trying, in bytes.
    pub max_len: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "spec", run: specs::text, max_len: 4096 },
    Target { name: "layers", run: specs::layers, max_len: 2048 },
    Target { name: "sweep", run: specs::sweep, max_len: 1024 },
    Target { name: "npy", run: files::npy, max_len: 4096 },
    Target { name: "npz", run: files::npz, max_len: 8192 },
    Target { name: "npz_arrays", run: files::npz_arrays, max_len: 8192 },
    Target { name: "safetensors", run: files::safetensors, max_len: 8192 },
    Target { name: "parquet", run: files::parquet, max_len: 8192 },
    Target { name: "table", run: images::table, max_len: 8192 },
    Target { name: "pictures", run: images::pictures, max_len: 4096 },
    Target { name: "events", run: folders::events, max_len: 4096 },
    Target { name: "plan", run: folders::plan, max_len: 8192 },
    Target { name: "manifest", run: folders::manifest, max_len: 4096 },
    Target { name: "requests", run: messages::requests, max_len: 4096 },
    Target { name: "replies", run: messages::replies, max_len: 2048 },
];

/// A folder for the files that a target makes of its input, in memory where the system offers that.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, in place of what was there.
    pub fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the scratch folder")).expect("a folder");
        fs::write(&path, contents).expect("a file");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything that a target of this name is tried on first.
pub fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder).into_iter().flatten().map(|item| item.expect("an item of the corpus").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file of the corpus"))).collect()
}
