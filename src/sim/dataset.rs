//! A data set: many pumpkins, drawn in parallel.

use std::sync::Mutex;

use rayon::prelude::*;
use thiserror::Error;

use super::ages::draw_ages;
use super::pumpkin::{Pumpkin, Without};
use super::settings::{DataSettings, GrowthMode};
use crate::event::{Progress, ProgressSink};
use crate::raster::{RasterStack, SIDE};
use crate::seed;
use crate::spec::Invalid;

/// Pumpkins and their images.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    pub growth_mode: GrowthMode,
    /// `[sample, row, column]`, intensities from 0 to 1 or slightly more.
    pub images: RasterStack,
    /// The record of every sample.
    pub pumpkins: Vec<Pumpkin>,
}

impl Dataset {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.pumpkins.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pumpkins.is_empty()
    }

    /// The age in years of every sample.
    pub fn ages(&self) -> Vec<f32> {
        self.pumpkins.iter().map(|pumpkin| pumpkin.age as f32).collect()
    }
}

/// Why no pumpkins were drawn.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SimulateError {
    #[error("{}", .0.iter().map(Invalid::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Invalid>),
    #[error("the images of {count} pumpkins do not fit into memory")]
    Memory { count: usize },
}

/// Draws the ages of a data set and then its pumpkins, on the current thread pool.
///
/// The same settings give the same bits on any number of threads. Any number of samples will do here, even if it is
/// too small to be split.
pub fn simulate(settings: &DataSettings, progress: &dyn ProgressSink) -> Result<Dataset, SimulateError> {
    let problems = settings.problems_of_ages();
    if !problems.is_empty() {
        return Err(SimulateError::Settings(problems));
    }
    simulate_ages(&draw_ages(settings), settings.growth_mode, settings.seed, progress)
}

/// Draws a pumpkin of each of the given ages (years), on the current thread pool.
pub fn simulate_ages(
    ages: &[u32],
    growth_mode: GrowthMode,
    seed: u64,
    progress: &dyn ProgressSink,
) -> Result<Dataset, SimulateError> {
    let count = ages.len();
    let area = SIDE * SIDE;
    let mut pixels = zeros(count, area).ok_or(SimulateError::Memory { count })?;
    // Small enough for threads to share evenly and for steady progress, large enough to cost nothing.
    let chunk = (count / 100).clamp(8, 512);
    let done = Mutex::new(0);
    let pumpkins: Vec<Vec<Pumpkin>> = pixels
        .par_chunks_mut(chunk * area)
        .zip(ages.par_chunks(chunk))
        .enumerate()
        .map(|(index, (images, ages))| {
            let first = index * chunk;
            let pumpkins = ages
                .iter()
                .zip(images.chunks_exact_mut(area))
                .enumerate()
                .map(|(offset, (&age, image))| {
                    let own_seed = seed::derive(seed, "pumpkin", (first + offset) as u64);
                    let pumpkin = Pumpkin::draw(age, growth_mode, own_seed);
                    pumpkin.paint(Without::Nothing, image);
                    pumpkin
                })
                .collect();
            // Reported under the lock, so that progress never goes back.
            let mut done = done.lock().expect("no thread panics while it reports");
            *done += ages.len();
            progress.report(Progress::Step { done: *done as u64, total: count as u64, unit: "pumpkins".into() });
            pumpkins
        })
        .collect();
    let pumpkins = pumpkins.into_iter().flatten().collect();
    Ok(Dataset { growth_mode, images: RasterStack::new(SIDE, SIDE, pixels), pumpkins })
}

/// `count * area` zeros, or nothing where memory does not suffice.
fn zeros(count: usize, area: usize) -> Option<Vec<f32>> {
    let len = count.checked_mul(area)?;
    // Asking first turns an abort into an error; the zeros themselves come from the system, page by page.
    Vec::<f32>::new().try_reserve_exact(len).ok()?;
    Some(vec![0.0; len])
}
