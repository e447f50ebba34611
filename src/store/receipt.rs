//! Receipts: which files were made together, with their checksums, so that a later start knows whether they still are as
//! they were made.

use std::collections::BTreeMap;
use std::io;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::entry::FileRecord;
use super::seal::{seal, unseal};
use crate::disk::Folder;

/// Files of a folder, as a program of some version left them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    xdlreg_version: String,
    /// The BLAKE3 checksum of each.
    files: BTreeMap<String, String>,
}

impl Receipt {
    /// The files of `folder` with these names, as they are now.
    fn of<'a>(folder: &Folder, names: impl ParallelIterator<Item = &'a String>) -> io::Result<Self> {
        let digest = |name: &String| Ok((name.clone(), FileRecord::of(folder.open(name)?)?.blake3));
        let files = names.map(digest).collect::<io::Result<_>>()?;
        Ok(Self { xdlreg_version: env!("CARGO_PKG_VERSION").into(), files })
    }

    /// Writes a receipt called `name` for some files of the same folder.
    pub fn write(folder: &Folder, name: &str, files: &[String]) -> io::Result<()> {
        folder.replace(name, &seal(&serde_json::to_vec(&Self::of(folder, files.par_iter())?)?))
    }

    /// Whether there is a receipt called `name`, of this version, and all its files are as they were.
    pub fn holds(folder: &Folder, name: &str) -> bool {
        let check = || -> io::Result<bool> {
            let json = unseal(&folder.read(name)?).map_err(io::Error::other)?;
            let receipt: Self = serde_json::from_slice(&json)?;
            Ok(Self::of(folder, receipt.files.par_iter().map(|(name, _)| name))? == receipt)
        };
        check().unwrap_or(false)
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
}
