//! Receipts: which files were made together, with their checksums, so that a later start knows whether they still are as
//! they were made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::entry::FileRecord;
use super::seal::{seal, unseal};
use crate::disk::Folder;

/// Files of a folder, as a program of some version left them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    xdlreg_version: String,
    /// Nothing for a file that was missing, and must be missing still.
    files: BTreeMap<String, Option<Mark>>,
}

/// How a file is known again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    bytes: u64,
    blake3: String,
}

impl Mark {
    fn of(file: File) -> io::Result<Self> {
        let FileRecord { bytes, blake3, .. } = FileRecord::of(file)?;
        Ok(Self { bytes, blake3 })
    }

    /// Whether a file is as it was. The size comes first: what took the file's place may be too large to be read.
    fn fits(&self, folder: &Folder, name: &str) -> io::Result<bool> {
        let file = folder.open(name)?;
        Ok(file.metadata()?.len() == self.bytes && Self::of(file)? == *self)
    }
}

impl Receipt {
    /// A receipt that begins with what something is about to be made of, as it is now. A source may be missing: what is made
    /// without it is not what would be made with it.
    pub fn of(folder: &Folder, sources: &[String]) -> io::Result<Self> {
        let mut receipt = Self { xdlreg_version: env!("CARGO_PKG_VERSION").into(), files: BTreeMap::new() };
        receipt.add_sources(folder, sources)?;
        Ok(receipt)
    }

    /// Adds further sources, as in [`Receipt::of`].
    pub fn add_sources(&mut self, folder: &Folder, sources: &[String]) -> io::Result<()> {
        let mark = |name: &String| match folder.open(name).and_then(Mark::of) {
            Ok(mark) => Ok((name.clone(), Some(mark))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((name.clone(), None)),
            Err(error) => Err(error),
        };
        self.files.extend(sources.par_iter().map(mark).collect::<io::Result<Vec<_>>>()?);
        Ok(())
    }

    /// Adds the files that were made, all of which are there, and writes the receipt as `name` into the same folder.
    pub fn write(mut self, folder: &Folder, name: &str, made: &[String]) -> io::Result<()> {
        let mark = |file: &String| Ok((file.clone(), Some(Mark::of(folder.open(file)?)?)));
        self.files.extend(made.par_iter().map(mark).collect::<io::Result<Vec<_>>>()?);
        folder.replace(name, &seal(&serde_json::to_vec(&self)?))
    }

    /// Whether there is a receipt called `name`, of this version, and all its files are as they were.
    pub fn holds(folder: &Folder, name: &str) -> bool {
        let read = || -> io::Result<Self> {
            let json = unseal(&folder.read(name)?).map_err(io::Error::other)?;
            Ok(serde_json::from_slice(&json)?)
        };
        read().is_ok_and(|receipt| {
            receipt.xdlreg_version == env!("CARGO_PKG_VERSION")
                && receipt.files.par_iter().all(|(name, mark)| match mark {
                    Some(mark) => mark.fits(folder, name).unwrap_or(false),
                    None => folder.kind(name).is_none(),
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_holds_as_long_as_its_files_are_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        own.folder("inner").make().unwrap();
        let names = ["one".to_owned(), "inner/two".to_owned()];
        for name in &names {
            own.write(name, b"contents").unwrap();
        }
        assert!(!Receipt::holds(&own, "receipt"));
        let write = || Receipt::of(&own, &[]).and_then(|receipt| receipt.write(&own, "receipt", &names));
        write().unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.write("three", b"of no concern").unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.write("inner/two", b"contentS").unwrap();
        assert!(!Receipt::holds(&own, "receipt"));
        own.write("inner/two", b"contents").unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.remove_file("one").unwrap();
        assert!(!Receipt::holds(&own, "receipt"));
        assert!(write().is_err());
    }

    /// What is made without a source is not what would be made with it, and what becomes of a source later is no excuse.
    #[test]
    fn a_receipt_knows_the_sources_as_they_were_before() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        let sources = ["there".to_owned(), "missing".to_owned()];
        own.write("there", b"before").unwrap();
        let receipt = Receipt::of(&own, &sources).unwrap();
        own.write("made", b"of these").unwrap();
        receipt.write(&own, "receipt", &["made".to_owned()]).unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.write("missing", b"").unwrap();
        assert!(!Receipt::holds(&own, "receipt"), "it has come");
        own.remove_file("missing").unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        let receipt = Receipt::of(&own, &sources).unwrap();
        own.write("there", b"after").unwrap();
        receipt.write(&own, "receipt", &["made".to_owned()]).unwrap();
        assert!(!Receipt::holds(&own, "receipt"), "it changed while something was made of it");
    }

    /// Another version may have made other files of the same results.
    #[test]
    fn a_receipt_of_another_version_does_not_hold() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        own.write("one", b"contents").unwrap();
        Receipt::of(&own, &[]).unwrap().write(&own, "receipt", &["one".to_owned()]).unwrap();
        let mut receipt: Receipt = serde_json::from_slice(&unseal(&own.read("receipt").unwrap()).unwrap()).unwrap();
        let rewrite = |receipt: &Receipt| {
            own.replace("receipt", &seal(&serde_json::to_vec(receipt).unwrap())).unwrap();
            Receipt::holds(&own, "receipt")
        };
        assert!(rewrite(&receipt));
        receipt.xdlreg_version = "0.0.1".to_owned();
        assert!(!rewrite(&receipt));
    }
}
