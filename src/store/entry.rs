//! The store: finished results under their keys, each complete or absent.
//!
//! An entry is written to a temporary folder and renamed, so an interrupted worker leaves nothing half-written.
//! A hit needs the manifest and the checksum of every file; what is corrupt is reported and made again. A file that has
//! the size and the time of change under which its checksum was taken need not be read for that again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key::Key;
use crate::machine;
use crate::stage::StageName;

const MANIFEST: &str = "manifest.json";

/// How many entries tell how long a stage takes.
const TYPICAL: usize = 100;

/// What an entry is and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub stage: StageName,
    pub key: Key,
    /// All that the key was computed from.
    pub inputs: Value,
    /// Every file by its path in the entry.
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
pub struct FileRecord {
    pub bytes: u64,
    pub blake3: String,
    /// When the file was last changed, in nanoseconds since 1970.
    pub changed_ns: u64,
}

impl Manifest {
    /// The size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// A complete entry.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: PathBuf,
    pub manifest: Manifest,
}

impl Entry {
    /// The path of one of the entry's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.manifest.files.contains_key(name)
    }
}

/// What the store knows of a key.
#[derive(Debug)]
pub enum Lookup {
    Hit(Box<Entry>),
    Miss,
    /// There is something, but it cannot be trusted; the reason in one line.
    Corrupt(String),
}

/// A content-addressed folder of results.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, stage: StageName, key: &Key) -> PathBuf {
        self.root.join(stage.name()).join(key.as_str())
    }

    /// Folder for unfinished work of a key that a later attempt may go on from.
    pub fn scratch(&self, key: &Key) -> PathBuf {
        self.root.join("scratch").join(key.as_str())
    }

    /// Looks an entry up. Files that were touched since they were made are verified by their checksums.
    pub fn lookup(&self, stage: StageName, key: &Key) -> Lookup {
        self.look(stage, key, FileRecord::untouched_or_same)
    }

    /// Looks an entry up and verifies the checksums of all its files.
    pub fn verify(&self, stage: StageName, key: &Key) -> Lookup {
        self.look(stage, key, FileRecord::same)
    }

    fn look(&self, stage: StageName, key: &Key, good: fn(&FileRecord, &Path) -> io::Result<bool>) -> Lookup {
        let path = self.path(stage, key);
        let text = match fs::read(path.join(MANIFEST)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Lookup::Miss,
            Err(error) => return Lookup::Corrupt(format!("its manifest cannot be read: {error}")),
        };
        let manifest: Manifest = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(error) => return Lookup::Corrupt(format!("its manifest is damaged: {error}")),
        };
        if manifest.key != *key || manifest.stage != stage {
            return Lookup::Corrupt("its manifest names another key".into());
        }
        for (name, record) in &manifest.files {
            match good(record, &path.join(name)) {
                Ok(true) => {}
                Ok(false) => return Lookup::Corrupt(format!("{name} has changed since it was made")),
                Err(error) => return Lookup::Corrupt(format!("{name} cannot be read: {error}")),
            }
        }
        Lookup::Hit(Box::new(Entry { path, manifest }))
    }

    /// Whether there is an entry, without a look at its files' contents.
    pub fn contains(&self, stage: StageName, key: &Key) -> bool {
        self.path(stage, key).join(MANIFEST).exists()
    }

    /// What the entries of a stage say of themselves, in no order. Those that cannot be read are left out.
    pub fn manifests(&self, stage: StageName) -> impl Iterator<Item = Manifest> {
        let folders = fs::read_dir(self.root.join(stage.name())).into_iter().flatten().flatten();
        folders.filter_map(|folder| serde_json::from_slice(&fs::read(folder.path().join(MANIFEST)).ok()?).ok())
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
        match self.verify(stage, key) {
            Lookup::Hit(entry) => Ok(*entry),
            Lookup::Miss => Err(io::Error::new(io::ErrorKind::NotFound, format!("no {} result {key}", stage.name()))),
            Lookup::Corrupt(reason) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("the {} result {key}: {reason}", stage.name())))
            }
        }
    }

    /// Removes an entry that cannot be trusted.
    pub fn discard(&self, stage: StageName, key: &Key) -> io::Result<()> {
        fs::remove_dir_all(self.path(stage, key))
    }

    /// Removes the drafts that interrupted workers left behind; what is claimed by a living one stays.
    pub fn remove_abandoned_drafts(&self) {
        for folder in fs::read_dir(self.root.join("tmp")).into_iter().flatten().flatten() {
            let name = folder.file_name().to_string_lossy().into_owned();
            let key = name.rsplit_once('-').and_then(|(_, key)| Key::parse(key));
            if let Some(key) = key
                && let Ok(Some(_claim)) = self.claim(&key)
            {
                // What cannot be removed is only untidy.
                let _ = fs::remove_dir_all(folder.path());
            }
        }
    }

    /// Starts an entry: an empty folder to write files into. The caller holds the key's claim.
    pub fn draft(&self, stage: StageName, key: &Key) -> io::Result<Draft> {
        let folder = self.root.join("tmp").join(format!("{}-{key}", stage.name()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Draft { folder, target: self.path(stage, key), stage, key: key.clone() })
    }
}

/// An entry being written.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
    target: PathBuf,
    stage: StageName,
    key: Key,
}

impl Draft {
    /// Path for a file of the entry; folders in `name` are made.
    pub fn file(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(path)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the entry visible, complete with checksums. Where another process was faster, its entry stays.
    pub fn publish(self, inputs: Value, seconds: f64, peak_memory_bytes: u64) -> io::Result<()> {
        let mut files = BTreeMap::new();
        record_files(&self.folder, &self.folder, &mut files)?;
        let manifest = Manifest {
            stage: self.stage,
            key: self.key.clone(),
            inputs,
            files,
            seconds,
            peak_memory_bytes,
            created_at: crate::clock::now(),
            host: machine::host(),
        };
        let text = serde_json::to_vec_pretty(&manifest)?;
        let path = self.folder.join(MANIFEST);
        fs::write(&path, text)?;
        fs::File::open(&path)?.sync_all()?;
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::rename(&self.folder, &self.target) {
            Err(_) if self.target.join(MANIFEST).exists() => fs::remove_dir_all(&self.folder),
            renamed => renamed,
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `publish` there is nothing left to remove; a leftover is only untidy and goes at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl FileRecord {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let changed_ns = changed_ns(&file.metadata()?);
        let mut hasher = blake3::Hasher::new();
        let bytes = io::copy(&mut io::BufReader::with_capacity(1 << 16, file), &mut hasher)?;
        Ok(Self { bytes, blake3: hasher.finalize().to_hex().to_string(), changed_ns })
    }

    /// Whether the file has the recorded content.
    fn same(&self, path: &Path) -> io::Result<bool> {
        let found = Self::of(path)?;
        Ok(found.bytes == self.bytes && found.blake3 == self.blake3)
    }

    fn untouched_or_same(&self, path: &Path) -> io::Result<bool> {
        let about = fs::metadata(path)?;
        Ok(about.len() == self.bytes && (changed_ns(&about) == self.changed_ns || self.same(path)?))
    }
}

/// When a file was last changed, in nanoseconds since 1970; 0 where the system does not tell.
fn changed_ns(about: &fs::Metadata) -> u64 {
    let changed = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    changed.map_or(0, |since| since.as_nanos() as u64)
}

fn record_files(root: &Path, folder: &Path, files: &mut BTreeMap<String, FileRecord>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.is_dir() {
            record_files(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).expect("it lies below the root").to_string_lossy().replace('\\', "/");
            files.insert(name, FileRecord::of(&path)?);
        }
    }
    Ok(())
}

/// Writes a file so that readers see the old one or the new one, never a part.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(format!(
        ".{}.{}.tmp",
        path.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    fs::write(&temporary, contents)?;
    fs::rename(&temporary, path)
}

/// A name beside `path` for what is being written where one process writes: the next one takes the same, so that
/// nothing is left of one that was killed.
pub fn temporary(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.tmp", path.file_name().unwrap_or_default().to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(store: &Store) -> Key {
        let inputs = json!({"n": 1});
        let key = Key::of(&inputs);
        let draft = store.draft(StageName::Simulate, &key).unwrap();
        fs::write(draft.file("inner/data.txt").unwrap(), "hello").unwrap();
        draft.publish(inputs, 1.5, 7).unwrap();
        key
    }

    #[test]
    fn an_entry_is_absent_until_published_and_then_verified() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let key = Key::of(&json!({"n": 1}));
        assert!(matches!(store.lookup(StageName::Simulate, &key), Lookup::Miss));
        drop(store.draft(StageName::Simulate, &key).unwrap());
        assert!(matches!(store.lookup(StageName::Simulate, &key), Lookup::Miss));
        assert_eq!(stored(&store), key);
        let Lookup::Hit(entry) = store.lookup(StageName::Simulate, &key) else { panic!("it was published") };
        assert_eq!(fs::read_to_string(entry.file("inner/data.txt")).unwrap(), "hello");
        assert!(matches!(store.lookup(StageName::Train, &key), Lookup::Miss));
    }

    #[test]
    fn what_was_changed_or_cut_is_not_a_hit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let key = stored(&store);
        let file = store.path(StageName::Simulate, &key).join("inner/data.txt");
        fs::write(&file, "hellO").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
        fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        assert!(
            matches!(store.lookup(StageName::Simulate, &key), Lookup::Corrupt(reason) if reason.contains("data.txt"))
        );
        fs::remove_file(&file).unwrap();
        assert!(matches!(store.lookup(StageName::Simulate, &key), Lookup::Corrupt(_)));
        store.discard(StageName::Simulate, &key).unwrap();
        assert!(matches!(store.lookup(StageName::Simulate, &key), Lookup::Miss));
    }
}
