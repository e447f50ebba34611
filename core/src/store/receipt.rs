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
    files: BTreeMap<String, Mark>,
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
    /// Writes a receipt called `name` for some files of the same folder.
    pub fn write(folder: &Folder, name: &str, files: &[String]) -> io::Result<()> {
        let mark = |file: &String| Ok((file.clone(), Mark::of(folder.open(file)?)?));
        let files = files.par_iter().map(mark).collect::<io::Result<_>>()?;
        let receipt = Self { xdlreg_version: env!("CARGO_PKG_VERSION").into(), files };
        folder.replace(name, &seal(&serde_json::to_vec(&receipt)?))
    }

    /// Whether there is a receipt called `name`, of this version, and all its files are as they were.
    pub fn holds(folder: &Folder, name: &str) -> bool {
        let read = || -> io::Result<Self> {
            let json = unseal(&folder.read(name)?).map_err(io::Error::other)?;
            Ok(serde_json::from_slice(&json)?)
        };
        read().is_ok_and(|receipt| {
            receipt.xdlreg_version == env!("CARGO_PKG_VERSION")
                && receipt.files.par_iter().all(|(name, mark)| mark.fits(folder, name).unwrap_or(false))
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
        Receipt::write(&own, "receipt", &names).unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.write("three", b"of no concern").unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.write("inner/two", b"contentS").unwrap();
        assert!(!Receipt::holds(&own, "receipt"));
        own.write("inner/two", b"contents").unwrap();
        assert!(Receipt::holds(&own, "receipt"));
        own.remove_file("one").unwrap();
        assert!(!Receipt::holds(&own, "receipt"));
        assert!(Receipt::write(&own, "receipt", &names).is_err());
    }

    /// Another version may have made other files of the same results.
    #[test]
    fn a_receipt_of_another_version_does_not_hold() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path());
        own.write("one", b"contents").unwrap();
        Receipt::write(&own, "receipt", &["one".to_owned()]).unwrap();
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
