//! The store: finished results under their keys, each complete or absent.
//!
//! An entry is written to a temporary folder and renamed, so an interrupted worker leaves nothing half-written.
//! A hit needs the manifest and every file, each with its checksum; what is damaged is reported and made again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::draft;
use super::entry::{BadManifest, Check, Entry, MANIFEST, Manifest};
use crate::disk::{Folder, Kind};
use crate::format::Newer;
use crate::key::Key;
use crate::stage_name::StageName;

/// How many entries tell how long a stage takes.
const TYPICAL: usize = 100;

/// Unfinished work that later attempts may go on from.
const SCRATCH: &str = "scratch";

/// What the store knows of a key.
#[derive(Debug)]
pub enum Lookup {
    Hit(Box<Entry>),
    Miss,
    /// There is something, but it cannot be trusted; the reason in one line.
    Corrupt(String),
    /// A later version of the programs made it. It is not damaged, so it is left alone.
    Newer(Newer),
}

/// Something in the folder of a stage.
#[derive(Debug)]
pub enum Found {
    Entry(Manifest),
    /// What is not known to be an entry is left alone.
    Unknown {
        path: PathBuf,
        /// In one line.
        reason: String,
    },
}

/// A content-addressed folder of results.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    folder: Folder,
}

impl Store {
    /// The store at a place. The store itself must not be a link; what is above it may.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let folder = match (root.parent(), root.file_name().and_then(|name| name.to_str())) {
            (Some(parent), Some(name)) => Folder::at(parent).folder(name),
            _ => Folder::at(&root),
        };
        Self { root, folder }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether there is a store. A link in its place is an error.
    pub fn exists(&self) -> io::Result<bool> {
        self.folder.exists()
    }

    fn entry(&self, stage: StageName, key: &Key) -> Folder {
        self.folder.folder(stage.name()).folder(key.as_str())
    }

    /// Folder for unfinished work of a key that a later attempt may go on from.
    pub fn scratch(&self, key: &Key) -> Folder {
        self.folder.folder(SCRATCH).folder(key.as_str())
    }

    /// Removes the unfinished work of a key.
    pub fn remove_scratch(&self, key: &Key) -> io::Result<()> {
        self.folder.folder(SCRATCH).remove_all(key.as_str())
    }

    /// The keys of which there is unfinished work.
    pub fn scratch_keys(&self) -> io::Result<Vec<Key>> {
        let items = self.folder.folder(SCRATCH).list()?.into_iter();
        Ok(items.filter(|item| item.kind == Kind::Folder).filter_map(|item| Key::parse(&item.name)).collect())
    }

    /// Looks an entry up, and checks its files.
    pub fn lookup(&self, stage: StageName, key: &Key, check: Check) -> Lookup {
        let folder = self.entry(stage, key);
        let manifest = match Manifest::read(&folder, stage, key) {
            Ok(manifest) => manifest,
            Err(BadManifest::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return match folder.exists() {
                    Ok(false) => Lookup::Miss,
                    _ => Lookup::Corrupt("it has no manifest".into()),
                };
            }
            Err(BadManifest::Newer(newer)) => return Lookup::Newer(newer),
            Err(error) => return Lookup::Corrupt(error.to_string()),
        };
        match manifest.damage(&folder, check) {
            Some(reason) => Lookup::Corrupt(reason),
            None => Lookup::Hit(Box::new(Entry { folder, manifest })),
        }
    }

    /// Whether there is an entry, without a look at its files' contents.
    pub fn contains(&self, stage: StageName, key: &Key) -> bool {
        self.entry(stage, key).kind(MANIFEST) == Some(Kind::File)
    }

    /// Everything in the folder of a stage, each read when it is asked for. An entry counts as such where its folder and its
    /// manifest agree.
    ///
    /// # Errors
    /// Fails where the folder cannot be listed; a link in its place is not followed.
    pub fn survey(&self, stage: StageName) -> io::Result<impl Iterator<Item = Found>> {
        let folder = self.folder.folder(stage.name());
        Ok(folder.list()?.into_iter().map(move |item| {
            let unknown = |reason: String| Found::Unknown { path: folder.path_of(&item.name), reason };
            match (Key::parse(&item.name), item.kind) {
                (None, _) => unknown("its name is not a key".into()),
                (_, Kind::Link) => unknown("it is a link".into()),
                (Some(key), _) => match Manifest::read(&folder.folder(&item.name), stage, &key) {
                    Ok(manifest) => Found::Entry(manifest),
                    Err(error) => unknown(error.to_string()),
                },
            }
        }))
    }

    /// What the entries of a stage say of themselves. Those that cannot be read are left out.
    pub fn manifests(&self, stage: StageName) -> impl Iterator<Item = Manifest> {
        self.survey(stage).into_iter().flatten().filter_map(|found| match found {
            Found::Entry(manifest) => Some(manifest),
            Found::Unknown { .. } => None,
        })
    }

    /// The median time in seconds that entries of `stages` took to make; nothing of a stage that has none.
    pub fn typical_seconds(&self, stages: impl IntoIterator<Item = StageName>) -> BTreeMap<StageName, f64> {
        let mut typical = BTreeMap::new();
        for stage in stages {
            let mut seconds: Vec<f64> = self.manifests(stage).take(TYPICAL).map(|manifest| manifest.seconds).collect();
            seconds.sort_by(f64::total_cmp);
            if let Some(&median) = seconds.get(seconds.len() / 2) {
                typical.insert(stage, median);
            }
        }
        typical
    }

    /// A complete entry that a later stage builds on; all its checksums are verified.
    pub fn require(&self, stage: StageName, key: &Key) -> io::Result<Entry> {
        match self.lookup(stage, key, Check::Contents) {
            Lookup::Hit(entry) => Ok(*entry),
            Lookup::Miss => Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {stage} result {key}"))),
            Lookup::Newer(newer) => Err(io::Error::other(format!("the {stage} result {key}: {newer}"))),
            Lookup::Corrupt(reason) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the {stage} result {key} is damaged: {reason}"),
            )),
        }
    }

    /// Removes an entry, or whatever is in its place.
    pub fn discard(&self, stage: StageName, key: &Key) -> io::Result<()> {
        self.folder.folder(stage.name()).remove_all(key.as_str())
    }

    /// Removes the drafts and claims that interrupted workers left behind; those of a living one stay.
    pub fn remove_abandoned(&self) {
        let drafts = self.folder.folder(draft::FOLDER);
        for item in drafts.list().unwrap_or_default() {
            let key = item.name.rsplit_once('-').and_then(|(_, key)| Key::parse(key));
            if let Some(key) = key
                && let Ok(Some(_lock)) = self.lock_key(&key)
            {
                // What cannot be removed is only untidy.
                let _ = drafts.remove_all(&item.name);
            }
        }
        self.remove_used_scratch();
        // One that died before it had a draft.
        self.remove_abandoned_claims();
    }

    /// Removes the unfinished work of keys whose result is complete: a worker died after it had published the result.
    fn remove_used_scratch(&self) {
        for key in self.scratch_keys().unwrap_or_default() {
            let complete = |stage: StageName| matches!(self.lookup(stage, &key, Check::Contents), Lookup::Hit(_));
            if let Ok(Some(_lock)) = self.lock_key(&key)
                && StageName::ALL.into_iter().any(complete)
            {
                let _ = self.remove_scratch(&key);
            }
        }
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
