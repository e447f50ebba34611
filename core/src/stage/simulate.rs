//! Simulate: a source -> data set.

use std::io;
use std::path::Path;

use super::{StageContext, StageError, files};
use crate::alive;
use crate::event::ProgressSink;
use crate::sim::{GrowthMode, ages_of, simulate_parts};
use crate::source::{self, Source};
use crate::store::{Draft, dataset, pumpkins};

/// Makes the data set in `draft`: draws pumpkins, or reads files.
pub fn run(source: &Source, draft: &Draft, context: &StageContext) -> Result<(), StageError> {
    let path = draft.file(files::DATA).map_err(StageError::io(draft.folder()))?;
    match source {
        Source::Pumpkins(data) => {
            let ages = ages_of(data).map_err(StageError::failed)?;
            draw_into(&path, &ages, data.growth_mode, data.seed, context.progress).map_err(StageError::io(path))
        }
        Source::Files(files) => {
            let (dataset, masks) = source::read(files).map_err(StageError::failed)?;
            alive::during(|| dataset::save(&dataset, masks.as_ref(), &path)).map_err(StageError::io(path))
        }
    }
}

/// Draws pumpkins of these ages (years) into a file, while it is written.
pub fn draw_into(
    path: &Path,
    ages: &[u32],
    growth_mode: GrowthMode,
    seed: u64,
    progress: &dyn ProgressSink,
) -> io::Result<()> {
    alive::during(|| {
        pumpkins::save_drawn(path, ages.len(), growth_mode, |write| {
            simulate_parts(ages, growth_mode, seed, progress, write)
        })
    })
}
