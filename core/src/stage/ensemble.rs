//! Ensemble: maps of several networks -> their mean, their disagreement, and scores of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::StageError;
use crate::disk::{Folder, Replacement};
use crate::metric::statistics::mean;
use crate::metric::{ENSEMBLE_METRICS, EnsembleMetric, EnsembleSample, Moments};
use crate::raster::{Raster, RasterStack};
use crate::store::planes::{ArrayWriter, read_planes, read_shape};
use crate::task::Task;

/// Maps that are in memory at once, of all members together.
const MAPS: usize = 256;

/// A network of an ensemble, with what it says of the images that all members explain.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its maps, an `.npy` file.
    pub relevance: PathBuf,
    /// A prediction an image: its target, or the probability of the upper class.
    pub predictions: Vec<f32>,
    /// Which of its maps mean nothing, by their places.
    pub flawed: BTreeSet<usize>,
}

/// How far members agree about an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// Mean over members.
    pub prediction: f64,
    /// A value for each of [`metrics`]; NaN where it is not defined.
    pub scores: Vec<f64>,
}

/// The scores of ensembles that make sense for a task.
pub fn metrics(task: Task) -> impl Iterator<Item = &'static EnsembleMetric> {
    ENSEMBLE_METRICS.iter().filter(move |metric| metric.task.is_none_or(|of| of == task))
}

/// Writes mean and standard deviation (n - 1) over members of every map as float32, in the shape of the maps, into two files
/// of `folder`. Maps are read some images at a time.
///
/// # Errors
/// [`StageError`] where maps cannot be read or written, or are of other images.
pub fn combine(
    members: &[Member],
    task: Task,
    folder: &Folder,
    [mean_file, deviation_file]: [&str; 2],
) -> Result<Vec<Agreement>, StageError> {
    let shapes: Result<Vec<_>, _> = members.iter().map(|member| read_shape(&member.relevance)).collect();
    let shapes = shapes.map_err(StageError::failed)?;
    let shape = *shapes.first().ok_or_else(|| StageError::Failed("an ensemble without members".into()))?;
    let (count, image) = shape;
    if shapes.iter().any(|other| *other != shape) || members.iter().any(|member| member.predictions.len() != count) {
        return Err(StageError::Failed("the members of an ensemble explain other images".into()));
    }
    let create = |name: &str| {
        let begun = folder.begin(name).and_then(|file| ArrayWriter::new(file, &image.of_array(count)));
        begun.map_err(StageError::io(folder.path_of(name)))
    };
    let (mut means, mut deviations) = (create(mean_file)?, create(deviation_file)?);
    let batch = (MAPS / members.len()).max(1);
    let mut agreements = Vec::with_capacity(count);
    for first in (0..count).step_by(batch) {
        // Opened anew each time: there may be more members than files may be open.
        let read = |member: &Member| read_planes(&member.relevance, first..count.min(first + batch));
        let maps: Result<Vec<RasterStack>, _> = members.iter().map(read).collect();
        let maps = maps.map_err(StageError::failed)?;
        let images: Vec<(Agreement, Moments)> = (0..batch.min(count - first))
            .into_par_iter()
            .map(|index| agreement(members, &maps, first + index, index, task))
            .collect();
        for (agreement, moments) in images {
            let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
            means.write(&narrow(moments.mean())).map_err(StageError::io(folder.path_of(mean_file)))?;
            let deviation = narrow(&moments.deviation());
            deviations.write(&deviation).map_err(StageError::io(folder.path_of(deviation_file)))?;
            agreements.push(agreement);
        }
    }
    for (writer, name) in [(means, mean_file), (deviations, deviation_file)] {
        writer.finish().and_then(Replacement::commit).map_err(StageError::io(folder.path_of(name)))?;
    }
    Ok(agreements)
}

/// What members say of image `image`, whose maps are the ones at `index` of `maps`.
fn agreement(members: &[Member], maps: &[RasterStack], image: usize, index: usize, task: Task) -> (Agreement, Moments) {
    let maps: Vec<Raster> = maps.iter().map(|maps| maps.get(index)).collect();
    let predictions: Vec<f64> = members.iter().map(|member| f64::from(member.predictions[image])).collect();
    let moments = Moments::of(maps.iter().copied());
    let sample = EnsembleSample { maps: &maps, predictions: &predictions, moments: &moments };
    // Nobody agrees with a map that means nothing.
    let flawed = members.iter().any(|member| member.flawed.contains(&image));
    let score = |metric: &EnsembleMetric| if flawed && metric.of_maps { f64::NAN } else { (metric.compute)(&sample) };
    let scores = metrics(task).map(score).collect();
    (Agreement { prediction: mean(predictions.iter().copied()), scores }, moments)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rand::RngExt;

    use super::*;
    use crate::seed::stream;
    use crate::store::arrays::{read_stack, write_stack};

    /// Many small maps of five members, so that they are read in several parts.
    fn members(folder: &Path, images: usize) -> (Vec<Member>, Vec<RasterStack>) {
        let mut rng = stream(1, "members", 0);
        (0..5)
            .map(|member| {
                let pixels = (0..images * 12).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
                let stack = RasterStack::new(3, 4, pixels);
                let relevance = folder.join(format!("{member}.npy"));
                write_stack(&stack, &relevance).unwrap();
                let predictions = (0..images).map(|image| (20 + image + member) as f32).collect();
                (Member { relevance, predictions, flawed: BTreeSet::new() }, stack)
            })
            .unzip()
    }

    #[test]
    fn files_hold_the_moments_of_every_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let (members, stacks) = members(folder.path(), 130);
        let own = Folder::at(folder.path());
        let agreements = combine(&members, Task::Regression, &own, ["e.mean.npy", "e.sd.npy"]).unwrap();
        let [means, deviations] = ["e.mean.npy", "e.sd.npy"].map(|name| read_stack(&own.path_of(name)).unwrap());
        assert_eq!((means.len(), means.height(), means.width(), agreements.len()), (130, 3, 4, 130));
        for (pixel, (&found, &deviation)) in means.pixels().iter().zip(deviations.pixels()).enumerate() {
            let values: Vec<f64> = stacks.iter().map(|stack| f64::from(stack.pixels()[pixel])).collect();
            let expected = values.iter().sum::<f64>() / 5.0;
            let variance = values.iter().map(|value| (value - expected).powi(2)).sum::<f64>() / 4.0;
            assert!(
                (f64::from(found) - expected).abs() < 1e-6 && (f64::from(deviation) - variance.sqrt()).abs() < 1e-6
            );
        }
        let of = |name: &str| metrics(Task::Regression).position(|metric| metric.about.name == name).unwrap();
        let last = &agreements[129];
        assert!((last.prediction - 151.0).abs() < 1e-9);
        assert!((last.scores[of("ensemble_prediction_sd")] - 2.5_f64.sqrt()).abs() < 1e-9);
        let relative = deviations.get(129).sum() * 5.0
            / stacks.iter().flat_map(|stack| stack.get(129).pixels).map(|&r| f64::from(r.abs())).sum::<f64>();
        assert!((last.scores[of("ensemble_relative_sd")] - relative).abs() < 1e-6);
        assert!(metrics(Task::Classification).all(|metric| metric.about.name != "ensemble_prediction_sd"));
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 7, "nothing half-written is left");
    }

    #[test]
    fn nobody_agrees_with_a_map_that_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut members, _) = members(folder.path(), 4);
        members[3].flawed.insert(2);
        let own = Folder::at(folder.path());
        let agreements = combine(&members, Task::Regression, &own, ["e.mean.npy", "e.sd.npy"]).unwrap();
        for (image, agreement) in agreements.iter().enumerate() {
            for (metric, score) in metrics(Task::Regression).zip(&agreement.scores) {
                let about_maps = metric.about.name != "ensemble_prediction_sd";
                assert_eq!(score.is_nan(), image == 2 && about_maps, "{} of image {image}", metric.about.name);
            }
        }
    }

    #[test]
    fn members_of_other_images_are_no_ensemble() {
        let folder = tempfile::tempdir().unwrap();
        let (mut both, _) = members(folder.path(), 4);
        write_stack(&RasterStack::zeros(3, 3, 4), &both[1].relevance).unwrap();
        let own = Folder::at(folder.path());
        let combined = |members: &[Member]| combine(members, Task::Regression, &own, ["e.mean.npy", "e.sd.npy"]);
        assert!(combined(&both).is_err());
        both[0].predictions.pop();
        assert!(combined(&both[..1]).is_err() && combined(&[]).is_err());
    }
}
