//! Simulate: settings -> data set.

use super::{StageContext, StageError, files};
use crate::sim::{DataSettings, simulate};
use crate::store::{Draft, dataset};

/// Draws the data set into `draft`.
pub fn run(data: &DataSettings, draft: &Draft, context: &StageContext) -> Result<(), StageError> {
    let drawn = simulate(data, context.progress).map_err(StageError::failed)?;
    let path = draft.file(files::DATA).map_err(StageError::io(draft.folder()))?;
    dataset::save(&drawn, &path).map_err(StageError::failed)
}
