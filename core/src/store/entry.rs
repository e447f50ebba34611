//! Entries: the files of a finished result, with a manifest that says what they are.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::seal::{Broken, seal, unseal};
use crate::disk::{Folder, is_relative};
use crate::format::{self, Unreadable};
use crate::key::Key;
use crate::stage_name::StageName;

pub(super) const MANIFEST: &str = "manifest.json";

/// What an entry is and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(default = "format::first")]
    pub format: u32,
    pub stage: StageName,
    pub key: Key,
    /// All that the key was computed from.
    pub inputs: Value,
    /// Every file by its path in the entry.
    #[serde(deserialize_with = "relative_names")]
    pub files: BTreeMap<String, FileRecord>,
    /// Wall-clock time that it took to make, in seconds.
    pub seconds: f64,
    /// Largest resident memory of the worker that made it, in bytes.
    pub peak_memory_bytes: u64,
    /// When it was made, in RFC 3339.
    pub created_at: String,
    /// On which machine.
    pub host: String,
}

/// Size and content of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    pub bytes: u64,
    pub blake3: String,
    /// When the file was last changed, in nanoseconds since 1970; negative before.
    pub changed_ns: i64,
}

/// How far stored results are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Not at all: every file is read, and its checksum is compared.
    #[default]
    Contents,
    /// A file of the recorded size and time of change is taken for unchanged.
    Times,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadManifest {
    #[error("its manifest cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its manifest is damaged: {0}")]
    Broken(#[from] Broken),
    #[error("its manifest is damaged: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Newer(#[from] format::Newer),
    #[error("its manifest is that of another result")]
    Other,
}

impl Manifest {
    /// Reads the manifest of the entry in `folder`, which must be that of `stage` and `key`.
    pub(super) fn read(folder: &Folder, stage: StageName, key: &Key) -> Result<Self, BadManifest> {
        let json = unseal(&folder.read(MANIFEST)?)?;
        let manifest = format::read(&json, |manifest: &Self| manifest.format).map_err(|error| match error {
            Unreadable::Newer(newer) => BadManifest::Newer(newer),
            Unreadable::Json(error) => BadManifest::Json(error),
        })?;
        if manifest.stage == stage && manifest.key == *key { Ok(manifest) } else { Err(BadManifest::Other) }
    }

    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        Ok(seal(&serde_json::to_vec_pretty(self)?))
    }

    /// The size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The first of the files in `folder` that is not as recorded, with what is wrong with it.
    pub(super) fn damage(&self, folder: &Folder, check: Check) -> Option<String> {
        self.files.par_iter().find_map_first(|(name, record)| match record.agrees(folder, name, check) {
            Ok(true) => None,
            Ok(false) => Some(format!("{name} has changed since it was made")),
            Err(error) => Some(format!("{name} cannot be read: {error}")),
        })
    }
}

/// The files of an entry come from a manifest that anyone may have written: their names must stay in its folder.
fn relative_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, FileRecord>, D::Error> {
    let files = BTreeMap::<String, FileRecord>::deserialize(deserializer)?;
    match files.keys().find(|name| !is_relative(name) || *name == MANIFEST) {
        Some(name) => Err(serde::de::Error::custom(format!("{name:?} cannot be a file of a result"))),
        None => Ok(files),
    }
}

/// A complete entry.
#[derive(Debug, Clone)]
pub struct Entry {
    pub folder: Folder,
    pub manifest: Manifest,
}

impl Entry {
    /// The path of one of the entry's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path_of(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.manifest.files.contains_key(name)
    }
}

impl FileRecord {
    pub(super) fn of(file: File) -> io::Result<Self> {
        let changed_ns = changed_ns(&file.metadata()?);
        let mut hasher = blake3::Hasher::new();
        let bytes = io::copy(&mut io::BufReader::with_capacity(1 << 17, file), &mut hasher)?;
        Ok(Self { bytes, blake3: hasher.finalize().to_hex().to_string(), changed_ns })
    }

    /// Whether a file somewhere has the recorded content.
    pub fn is_of(&self, folder: &Folder, name: &str) -> bool {
        self.agrees(folder, name, Check::Contents).unwrap_or(false)
    }

    /// Whether a file is as recorded.
    fn agrees(&self, folder: &Folder, name: &str, check: Check) -> io::Result<bool> {
        let file = folder.open(name)?;
        let about = file.metadata()?;
        if about.len() != self.bytes {
            return Ok(false);
        }
        if check == Check::Times && changed_ns(&about) == self.changed_ns {
            return Ok(true);
        }
        let found = Self::of(file)?;
        Ok(found.bytes == self.bytes && found.blake3 == self.blake3)
    }
}

/// When a file was last changed, in nanoseconds since 1970; negative before.
fn changed_ns(about: &Metadata) -> i64 {
    let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    match changed.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}
