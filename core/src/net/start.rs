//! The weights that a training starts from: looked at when an experiment is planned, and read when it begins.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::network::NetworkSpec;
use super::state_dict::{Adapted, adapt_to};
use super::weights::WeightsError;
use crate::disk;

/// Why a training cannot start from a file.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Unfit { path: PathBuf, source: Box<WeightsError> },
    #[error("{path}: the weights have changed since the experiment was planned; start it again")]
    Changed { path: PathBuf },
    /// What was said of the same file before.
    #[error("{0}")]
    Again(String),
}

/// The weights files that were looked at.
#[derive(Debug, Default)]
pub struct SeenWeights {
    /// Checksums by the paths of the files.
    checksums: HashMap<PathBuf, String>,
    /// What was found of a file for a network.
    fits: Vec<(PathBuf, NetworkSpec, Result<(), String>)>,
}

impl SeenWeights {
    /// A checksum of a file that holds the weights of `network`. A file is looked at once for a network.
    ///
    /// # Errors
    /// [`StartError`] for a file that cannot be read, or has other weights.
    pub fn look(&mut self, path: &Path, network: &NetworkSpec) -> Result<String, StartError> {
        let known = self.fits.iter().find(|(file, fitted, _)| file == path && fitted == network);
        if let (Some((_, _, fits)), Some(checksum)) = (known, self.checksums.get(path)) {
            return fits.clone().map(|()| checksum.clone()).map_err(StartError::Again);
        }
        let bytes = read(path)?;
        let checksum = checksum(&bytes);
        self.checksums.insert(path.to_owned(), checksum.clone());
        let fits = adapted(path, &bytes, network).map(drop);
        self.fits.push((path.to_owned(), network.clone(), fits.as_ref().map_err(ToString::to_string).copied()));
        fits.map(|()| checksum)
    }
}

/// The weights of `network` in a file that was looked at before, when it had this checksum.
///
/// # Errors
/// [`StartError`] where the file has changed since.
pub fn read_start(path: &Path, network: &NetworkSpec, expected: Option<&str>) -> Result<Adapted, StartError> {
    let bytes = read(path)?;
    if expected != Some(checksum(&bytes).as_str()) {
        return Err(StartError::Changed { path: path.to_owned() });
    }
    adapted(path, &bytes, network)
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    disk::read_linked(path).map_err(|source| StartError::Unreadable { path: path.to_owned(), source })
}

fn adapted(path: &Path, bytes: &[u8], network: &NetworkSpec) -> Result<Adapted, StartError> {
    adapt_to(bytes, Some(network))
        .map_err(|source| StartError::Unfit { path: path.to_owned(), source: Box::new(source) })
}

fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{ModelSettings, Weights};
    use crate::sim::SHAPE;

    #[test]
    fn what_is_in_a_file_counts_and_not_what_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["a.safetensors", "b.safetensors"].map(|name| folder.path().join(name));
        let network = ModelSettings::default().network(SHAPE).unwrap();
        let file = |value: f32| Weights::build(&network, |_, shape| vec![value; shape.iter().product()]).to_bytes();
        std::fs::write(&one, file(0.5)).unwrap();
        std::fs::write(&other, file(0.5)).unwrap();
        let mut seen = SeenWeights::default();
        let known = seen.look(&one, &network).unwrap();
        assert_eq!(seen.look(&other, &network).unwrap(), known);
        let read = read_start(&other, &network, Some(&known)).unwrap();
        assert!(read.weights.parameters().iter().all(|parameter| parameter.values.iter().all(|&value| value == 0.5)));
        std::fs::write(&one, file(0.25)).unwrap();
        assert!(matches!(read_start(&one, &network, Some(&known)), Err(StartError::Changed { .. })));
        assert_ne!(SeenWeights::default().look(&one, &network).unwrap(), known);
        let wide = ModelSettings { dense_units: 65, ..ModelSettings::default() }.network(SHAPE).unwrap();
        let told = seen.look(&one, &wide).unwrap_err().to_string();
        assert!(
            told.contains("\"dense.weight\"") && told.contains("[64, 512]") && told.contains("[65, 512]"),
            "{told}"
        );
        assert_eq!(seen.look(&one, &wide).unwrap_err().to_string(), told);
    }
}
