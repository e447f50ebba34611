//! Many pumpkins, drawn in parallel.

use std::sync::Arc;

use rayon::prelude::*;
use thiserror::Error;

use super::ages::draw_ages;
use super::pumpkin::{Pumpkin, Without};
use super::settings::{GrowthMode, PumpkinSettings};
use super::truth::PumpkinTruth;
use super::{SHAPE, SIDE};
use crate::data::{Dataset, Partition, Target};
use crate::event::{Progress, ProgressSink};
use crate::raster::RasterStack;
use crate::seed;
use crate::settings::Invalid;

/// Pumpkins and their images.
#[derive(Debug, Clone, PartialEq)]
pub struct PumpkinSet {
    pub growth_mode: GrowthMode,
    /// `[sample, row, column]`, intensities from 0 to 1 or slightly more.
    pub images: RasterStack,
    /// The record of every sample.
    pub pumpkins: Vec<Pumpkin>,
}

impl PumpkinSet {
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

/// What is predicted of a pumpkin.
pub fn age() -> Target {
    Target::new("age", "years")
}

/// A data set whose target is the age, whose partition is the order of the pumpkins, and whose signs are all known.
impl From<PumpkinSet> for Dataset {
    fn from(set: PumpkinSet) -> Self {
        Self {
            targets: set.ages(),
            target: age(),
            partition: Partition::in_order(set.len()),
            names: set.pumpkins.iter().map(|pumpkin| pumpkin.name.clone()).collect(),
            images: set.images,
            truth: Some(Arc::new(PumpkinTruth(set.pumpkins))),
            atlas: None,
            grouping: None,
        }
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

/// Pumpkins that are drawn between two reports of progress, and that are in memory at once where they are passed on: two
/// parts of them stay in the cache.
const PART: usize = 128;

/// Pixels of an image.
const AREA: usize = SIDE * SIDE;

/// The ages in years of a data set, one a sample.
pub fn ages_of(settings: &PumpkinSettings) -> Result<Vec<u32>, SimulateError> {
    let problems = settings.problems_of_ages();
    if problems.is_empty() { Ok(draw_ages(settings)) } else { Err(SimulateError::Settings(problems)) }
}

/// Draws the ages of a data set and then its pumpkins, on the current thread pool.
///
/// The same settings give the same bits on any number of threads. Any number of samples will do here, even if it is
/// too small to be split.
pub fn simulate(settings: &PumpkinSettings, progress: &dyn ProgressSink) -> Result<PumpkinSet, SimulateError> {
    simulate_ages(&ages_of(settings)?, settings.growth_mode, settings.seed, progress)
}

/// Draws a pumpkin of each of the given ages (years), on the current thread pool.
pub fn simulate_ages(
    ages: &[u32],
    growth_mode: GrowthMode,
    seed: u64,
    progress: &dyn ProgressSink,
) -> Result<PumpkinSet, SimulateError> {
    let count = ages.len();
    let mut pixels = room(count, AREA).ok_or(SimulateError::Memory { count })?;
    let pumpkins = simulate_parts(ages, growth_mode, seed, progress, |images| {
        pixels.extend_from_slice(images);
        Ok(())
    })?;
    Ok(PumpkinSet { growth_mode, images: RasterStack::of(SHAPE, pixels), pumpkins })
}

/// As [`simulate_ages`], with few images in memory at once: `take` gets those of each part, `[count, 98, 98]`, while the
/// next is drawn. Returns the records.
///
/// # Errors
/// The first of `take`.
pub fn simulate_parts<E: Send>(
    ages: &[u32],
    growth_mode: GrowthMode,
    seed: u64,
    progress: &dyn ProgressSink,
    mut take: impl FnMut(&[f32]) -> Result<(), E> + Send,
) -> Result<Vec<Pumpkin>, E> {
    let mut pumpkins = Vec::with_capacity(ages.len());
    let (mut drawn, mut next) = (Vec::new(), Vec::new());
    for part in ages.chunks(PART) {
        next.resize(part.len() * AREA, 0.0);
        let (taken, members) =
            rayon::join(|| take(&drawn), || draw_part(&mut next, part, pumpkins.len(), growth_mode, seed));
        taken?;
        pumpkins.extend(members);
        std::mem::swap(&mut drawn, &mut next);
        let (done, total) = (pumpkins.len() as u64, ages.len() as u64);
        progress.report(Progress::Step { done, total, unit: "pumpkins".into() });
    }
    take(&drawn)?;
    Ok(pumpkins)
}

/// Paints the members of a data set from `first` on.
fn draw_part(images: &mut [f32], ages: &[u32], first: usize, growth_mode: GrowthMode, seed: u64) -> Vec<Pumpkin> {
    let members = images.par_chunks_exact_mut(AREA).zip(ages).enumerate();
    members
        .map(|(offset, (image, &age))| {
            let pumpkin = draw_member(age, growth_mode, seed, first + offset);
            pumpkin.paint(Without::Nothing, image);
            pumpkin
        })
        .collect()
}

/// The pumpkin at `index` of the data set with this seed, drawn alone: the same as there.
pub fn draw_member(age: u32, growth_mode: GrowthMode, seed: u64, index: usize) -> Pumpkin {
    Pumpkin::draw(age, growth_mode, seed::derive(seed, "pumpkin", index as u64))
}

/// Room for `count * area` values, or nothing where memory does not suffice: asking first turns an abort into an error.
fn room(count: usize, area: usize) -> Option<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count.checked_mul(area)?).ok()?;
    Some(values)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::event::silent;
    use crate::sim::Distribution;

    fn settings(growth_mode: GrowthMode) -> PumpkinSettings {
        PumpkinSettings { n_samples: 230, growth_mode, seed: 3, ..PumpkinSettings::default() }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        for mode in GrowthMode::ALL {
            let with = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| simulate(&settings(mode), &silent)).unwrap()
            };
            let alone = with(1);
            assert!(alone == with(3), "{mode:?}");
            let other = PumpkinSettings { seed: 4, ..settings(mode) };
            assert!(alone != simulate(&other, &silent).unwrap(), "{mode:?}");
        }
    }

    #[test]
    fn parts_are_those_of_the_whole() {
        let ages: Vec<u32> = (0..2 * PART as u32 + 3).map(|index| 20 + index % 61).collect();
        let whole = simulate_ages(&ages, GrowthMode::Human, 5, &silent).unwrap();
        let mut pixels = Vec::new();
        let mut take = |images: &[f32]| {
            assert!(images.len() <= PART * AREA);
            pixels.extend_from_slice(images);
            Ok::<(), ()>(())
        };
        let pumpkins = simulate_parts(&ages, GrowthMode::Human, 5, &silent, &mut take).unwrap();
        assert!(pumpkins == whole.pumpkins && pixels == whole.images.pixels());
        let refuse = |images: &[f32]| if images.is_empty() { Ok(()) } else { Err("full") };
        assert_eq!(simulate_parts(&ages, GrowthMode::Human, 5, &silent, refuse), Err("full"));
        assert_eq!(simulate_parts(&[], GrowthMode::Human, 5, &silent, |_| Ok::<(), ()>(())), Ok(Vec::new()));
    }

    /// Whatever part a pumpkin is drawn in, it has random numbers of its own.
    #[test]
    fn every_pumpkin_is_the_one_of_its_index() {
        let ages = vec![60; 2 * PART + 2];
        let pumpkins = simulate_ages(&ages, GrowthMode::NoGrowth, 5, &silent).unwrap().pumpkins;
        for (index, pumpkin) in pumpkins.iter().enumerate() {
            assert_eq!(*pumpkin, draw_member(60, GrowthMode::NoGrowth, 5, index), "pumpkin {index}");
        }
        let mut names: Vec<&String> = pumpkins.iter().map(|pumpkin| &pumpkin.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ages.len(), "two pumpkins have the same random numbers");
    }

    #[test]
    fn every_image_follows_from_its_record() {
        for mode in GrowthMode::ALL {
            let dataset = simulate(&settings(mode), &silent).unwrap();
            for (image, pumpkin) in dataset.images.iter().zip(&dataset.pumpkins) {
                assert_eq!(image.pixels, pumpkin.redraw(Without::Nothing), "{}", pumpkin.name);
            }
        }
    }

    #[test]
    fn further_samples_leave_the_first_as_they_are() {
        let many = simulate_ages(&[50; 30], GrowthMode::Human, 1, &silent).unwrap();
        let few = simulate_ages(&[50; 4], GrowthMode::Human, 1, &silent).unwrap();
        assert_eq!(few.pumpkins, many.pumpkins[..4]);
        assert!(few.images == many.images.slice(0..4));
        assert_ne!(many.pumpkins[0].height, many.pumpkins[1].height);
        assert!(simulate_ages(&[], GrowthMode::Human, 1, &silent).unwrap().is_empty());
    }

    #[test]
    fn progress_only_grows_and_ends_complete() {
        let seen = Mutex::new(Vec::new());
        let record = |progress| match progress {
            Progress::Step { done, total, unit } => {
                assert_eq!((total, unit.as_str()), (230, "pumpkins"));
                seen.lock().unwrap().push(done);
            }
            other => panic!("{other:?}"),
        };
        simulate(&settings(GrowthMode::Eternal), &record).unwrap();
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted() && seen.last() == Some(&230), "{seen:?}");
    }

    #[test]
    fn settings_that_cannot_be_and_sets_beyond_memory_are_errors() {
        let biased = PumpkinSettings { distribution: Distribution::Biased, ..settings(GrowthMode::Human) };
        let error = simulate(&biased, &silent).unwrap_err();
        assert!(error.to_string().starts_with("data.target_bias"), "{error}");
        assert!(room(usize::MAX / 4, 8).is_none() && room(usize::MAX / 16, 1).is_none());
    }
}
