//! What later stages read of earlier ones.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Explained, StageContext, StageError, Trained, files};
use crate::alive;
use crate::data::Dataset;
use crate::key::Key;
use crate::metric::ledger::KeptRelevance;
use crate::raster::RasterStack;
use crate::stage_name::StageName;
use crate::store::{Entry, arrays, dataset};

impl StageContext<'_> {
    fn entry(&self, stage: StageName, key: &Key) -> Result<Entry, StageError> {
        // Its files are read to verify them.
        alive::during(|| self.verified.require(self.store, stage, key)).map_err(StageError::io(self.store.root()))
    }

    fn json<T: DeserializeOwned>(&self, stage: StageName, key: &Key, file: &str) -> Result<T, StageError> {
        let entry = self.entry(stage, key)?;
        let text = entry.folder.read(file).map_err(StageError::io(entry.file(file)))?;
        serde_json::from_slice(&text).map_err(StageError::failed)
    }

    /// The file of a data set.
    pub fn dataset_file(&self, key: &Key) -> Result<PathBuf, StageError> {
        Ok(self.entry(StageName::Simulate, key)?.file(files::DATA))
    }

    /// A data set, where it is in memory from a stage before.
    pub fn remembered_dataset(&self, key: &Key) -> Option<Arc<Dataset>> {
        self.memory.remembered(key)
    }

    /// A data set.
    pub fn dataset(&self, key: &Key) -> Result<Arc<Dataset>, StageError> {
        self.memory.dataset(key, || {
            let file = self.dataset_file(key)?;
            alive::during(|| dataset::load(&file)).map_err(StageError::failed)
        })
    }

    /// The weights file of a finished training.
    pub fn model(&self, key: &Key) -> Result<PathBuf, StageError> {
        Ok(self.entry(StageName::Train, key)?.file(files::MODEL))
    }

    /// Facts of a trained network.
    pub fn trained(&self, key: &Key) -> Result<Trained, StageError> {
        self.json(StageName::Train, key, files::TRAINED)
    }

    /// The prediction of every sample: its target, or the probability of the upper class.
    pub fn predictions(&self, key: &Key) -> Result<Vec<f32>, StageError> {
        let entry = self.entry(StageName::Train, key)?;
        arrays::read_vector(&entry.file(files::PREDICTIONS)).map_err(StageError::failed)
    }

    /// Facts of the maps of a finished explanation.
    pub fn explained(&self, key: &Key) -> Result<Explained, StageError> {
        self.json(StageName::Explain, key, files::EXPLAINED)
    }

    /// What the layers of a finished explanation kept of relevance: an entry for each layer of each image. Empty where
    /// no relevance was propagated from the prediction.
    pub fn ledger(&self, key: &Key) -> Result<Vec<KeptRelevance>, StageError> {
        let entry = self.entry(StageName::Explain, key)?;
        if !entry.has(files::LEDGER) {
            return Ok(Vec::new());
        }
        arrays::read_triples(&entry.file(files::LEDGER)).map_err(StageError::failed)
    }

    /// The maps of a finished explanation, a number a pixel, with the output that each one explains.
    pub fn relevance(&self, key: &Key) -> Result<(RasterStack, Vec<f32>), StageError> {
        let entry = self.entry(StageName::Explain, key)?;
        let maps = alive::during(|| arrays::read_stack(&entry.file(files::RELEVANCE))).map_err(StageError::failed)?;
        let outputs = arrays::read_vector(&entry.file(files::OUTPUTS)).map_err(StageError::failed)?;
        Ok((maps.folded(), outputs))
    }
}
