//! Drafts: entries while they are written.

use std::io;
use std::path::PathBuf;

use rayon::prelude::*;
use serde_json::Value;

use super::entry::{Check, FileRecord, MANIFEST, Manifest};
use super::{Lookup, Store};
use crate::disk::{Folder, Kind, temporary};
use crate::format::FORMAT;
use crate::key::Key;
use crate::machine;
use crate::stage_name::StageName;

/// Where drafts are, in the store.
pub(super) const FOLDER: &str = "tmp";

/// An entry being written.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    /// Of the folder, in the store.
    name: String,
    folder: Folder,
    stage: StageName,
    key: Key,
}

impl Store {
    /// Starts an entry: an empty folder to write files into. The caller holds the key's claim.
    pub fn draft(&self, stage: StageName, key: &Key) -> io::Result<Draft> {
        // Two processes may believe that they have the claim, where locks cannot be trusted: each has a draft of its own, and
        // the first one that is complete is the result.
        let unique = temporary("draft").replace(['.', '-'], "");
        let name = format!("{FOLDER}/{stage}-{unique}-{key}");
        let folder = self.folder().folder(&name);
        folder.make()?;
        Ok(Draft { store: self.clone(), name, folder, stage, key: key.clone() })
    }
}

impl Draft {
    /// Path for a file of the entry; folders in `name` are made.
    pub fn file(&self, name: &str) -> io::Result<PathBuf> {
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.folder.folder(folder).make()?;
        }
        Ok(self.folder.path_of(name))
    }

    /// Writes a file of the entry; folders in `name` are made.
    pub fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        self.file(name)?;
        self.folder.write(name, contents)
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path()
    }

    /// Makes the entry visible, complete with checksums, and on the disk. Where another process was faster, its entry stays.
    pub fn publish(self, inputs: Value, seconds: f64, peak_memory_bytes: u64) -> io::Result<()> {
        let (files, folders) = self.contents()?;
        let record = |name: String| {
            let file = self.folder.open(&name)?;
            self.folder.sync_file(&name, &file)?;
            Ok((name, FileRecord::of(file)?))
        };
        let manifest = Manifest {
            format: FORMAT,
            stage: self.stage,
            key: self.key.clone(),
            inputs,
            files: files.into_par_iter().map(record).collect::<io::Result<_>>()?,
            seconds,
            peak_memory_bytes,
            created_at: crate::clock::now(),
            host: machine::host(),
        };
        self.folder.write(MANIFEST, &manifest.to_bytes()?)?;
        self.folder.sync_file(MANIFEST, &self.folder.open(MANIFEST)?)?;
        folders.iter().try_for_each(Folder::sync)?;
        self.move_into_place()
    }

    fn move_into_place(&self) -> io::Result<()> {
        self.store.folder().folder(self.stage.name()).make()?;
        let target = format!("{}/{}", self.stage, self.key);
        let moved = self.store.folder().rename(&self.name, &target);
        if moved.is_ok() {
            return Ok(());
        }
        match self.store.lookup(self.stage, &self.key, Check::Contents) {
            Lookup::Hit(_) => return Ok(()),
            Lookup::Newer(newer) => return Err(io::Error::other(newer)),
            // What is in its place cannot be used.
            Lookup::Miss | Lookup::Corrupt(_) => {}
        }
        self.store.discard(self.stage, &self.key)?;
        self.store.folder().rename(&self.name, &target)
    }

    /// The files by their names in the draft, and all its folders, inner ones first.
    fn contents(&self) -> io::Result<(Vec<String>, Vec<Folder>)> {
        fn walk(root: &Folder, inside: &str, files: &mut Vec<String>, folders: &mut Vec<Folder>) -> io::Result<()> {
            let folder = if inside.is_empty() { root.clone() } else { root.folder(inside) };
            for item in folder.list()? {
                let name = if inside.is_empty() { item.name } else { format!("{inside}/{}", item.name) };
                match item.kind {
                    Kind::Folder => walk(root, &name, files, folders)?,
                    _ => files.push(name),
                }
            }
            folders.push(folder);
            Ok(())
        }
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        walk(&self.folder, "", &mut files, &mut folders)?;
        Ok((files, folders))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `publish` there is nothing left to remove; a leftover is only untidy and goes at the next start.
        let _ = self.store.folder().remove_all(&self.name);
    }
}
