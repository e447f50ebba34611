//! Simulate: settings -> data set.

use std::io;
use std::path::Path;

use super::{StageContext, StageError, files};
use crate::alive;
use crate::event::ProgressSink;
use crate::sim::{GrowthMode, PumpkinSettings, ages_of, simulate_parts};
use crate::store::{Draft, pumpkins};

/// Draws the data set into `draft`.
pub fn run(data: &PumpkinSettings, draft: &Draft, context: &StageContext) -> Result<(), StageError> {
    let ages = ages_of(data).map_err(StageError::failed)?;
    let path = draft.file(files::DATA).map_err(StageError::io(draft.folder()))?;
    draw_into(&path, &ages, data.growth_mode, data.seed, context.progress).map_err(StageError::io(path))
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
