//! The maps that a page shows on its own: images, what is known of them, and relevance.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::ReportError;
use super::embed;
use super::folder::Results;
use crate::data::{Mark, Region};
use crate::figure::by_target;
use crate::figure::study::{Explained, Run};
use crate::picture::Shading;
use crate::picture::colormap::{Colormap, shown_scale};

/// Samples of each run.
const SAMPLES: usize = 20;

/// What the page needs to draw heatmaps.
#[derive(Debug, Serialize)]
pub struct Gallery {
    /// What is predicted, and its unit.
    target: String,
    unit: String,
    /// What images are called, such as "pumpkin".
    image: String,
    /// The images of all samples, packed.
    images: String,
    samples: Vec<Shown>,
    runs: Vec<RunMaps>,
}

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    target: f64,
    /// The target with its unit.
    told: String,
    height: usize,
    width: usize,
    /// Where its pixels begin among those of all images.
    start: usize,
    /// Index of each pixel that is marked by a square, or within a user's region.
    squares: Vec<usize>,
    /// Row and column of each pixel that an arrow points at in turn.
    arrows: Vec<usize>,
    /// First row, row after the last, first column, column after the last, of each outline.
    outlines: Vec<[usize; 4]>,
    /// Names and pixels of what is known to matter: where each stretch of neighbouring pixels begins, counted from the end of
    /// the one before, and how long it is.
    regions: Vec<(String, Vec<usize>)>,
}

#[derive(Debug, Serialize)]
struct RunMaps {
    id: String,
    label: String,
    analyzer: String,
    /// The unit of its relevance.
    unit: String,
    /// The colours of its maps.
    colormap: Colormap,
    /// The maps, packed.
    maps: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    /// Index of its image among the shown samples.
    image: usize,
    /// Where its map begins among those of the run.
    start: usize,
    /// Index in the data set, as in tables and the names of heatmaps.
    sample: usize,
    prediction: f64,
    /// The prediction as it is told beside the target.
    predicted: String,
    /// Largest magnitude of the map in its unit.
    scale: f32,
    /// The relevance shown as 1 on the colour bar, in its unit.
    shown: f32,
    /// The sum over the map in its unit.
    sum: f64,
}

/// Gathers the maps of some runs.
pub fn gather(results: &Results, shown_runs: &[usize]) -> Result<Gallery, ReportError> {
    let mut samples: Vec<Shown> = Vec::new();
    let (mut images, mut pixels): (Vec<Vec<f32>>, usize) = (Vec::new(), 0);
    let mut known: HashMap<(String, u64), usize> = HashMap::new();
    let mut runs = Vec::new();
    for run in shown_runs.iter().map(|&index| &results.study.runs[index]) {
        let explained = by_target(run, SAMPLES);
        let (maps, scales) = embed::maps(explained.iter().map(|explained| explained.relevance.pixels));
        let (mut entries, mut start) = (Vec::new(), 0);
        for (explained, scale) in explained.iter().zip(scales) {
            let name =
                run.samples.get(explained.prediction.sample).map_or_else(String::new, |sample| sample.name.clone());
            let image = *known.entry((name.clone(), explained.prediction.target.to_bits())).or_insert_with(|| {
                let image = image(run, explained);
                samples.push(shown(name, run, explained, pixels));
                pixels += image.len();
                images.push(image);
                samples.len() - 1
            });
            entries.push(Entry {
                image,
                start,
                sample: explained.prediction.sample,
                prediction: explained.prediction.prediction,
                predicted: run.told(explained.prediction.prediction),
                scale,
                shown: shown_scale(explained.relevance, &Shading::default()),
                sum: explained.relevance.sum(),
            });
            start += explained.relevance.pixels.len();
        }
        runs.push(RunMaps {
            id: run.id.clone(),
            label: label(run, results),
            analyzer: run.analyzer.clone(),
            unit: run.unit.clone(),
            colormap: run.colormap,
            maps,
            entries,
        });
    }
    let words = results.study.words();
    Ok(Gallery {
        image: words.fill("{image}").to_lowercase(),
        target: words.target.name,
        unit: words.target.unit,
        images: embed::images(images.iter().map(Vec::as_slice)),
        samples,
        runs,
    })
}

/// What a run is called among the others.
fn label(run: &Run, results: &Results) -> String {
    if results.study.runs.len() == 1 {
        return run.analyzer.clone();
    }
    [run.label(), run.seeds()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The image in grey, from 0 to 1; black where it was not loaded.
fn image(run: &Run, explained: &Explained) -> Vec<f32> {
    /// Values beyond this are grey levels rather than intensities.
    const GREY_LEVELS: f32 = 1.5;
    let (sample, relevance) = (explained.prediction.sample, explained.relevance);
    let image = run.image(sample).filter(|image| (image.height, image.width) == (relevance.height, relevance.width));
    let Some(image) = image else { return vec![0.0; relevance.pixels.len()] };
    let brightest = image.pixels.iter().fold(0.0_f32, |most, &value| most.max(value));
    let most = if brightest > GREY_LEVELS { brightest } else { 1.0 };
    image.grey().iter().map(|value| value / most).collect()
}

/// Sorted pixels as pairs: how far a stretch of neighbours begins behind the end of the one before, and its length.
fn stretches(pixels: &[usize]) -> Vec<usize> {
    let (mut pairs, mut end): (Vec<usize>, usize) = (Vec::new(), 0);
    let sorted: BTreeSet<usize> = pixels.iter().copied().collect();
    for pixel in sorted {
        match pairs.last_mut() {
            Some(length) if pixel == end => *length += 1,
            _ => pairs.extend([pixel - end, 1]),
        }
        end = pixel + 1;
    }
    pairs
}

fn shown(name: String, run: &Run, explained: &Explained, start: usize) -> Shown {
    let (sample, target) = (explained.prediction.sample, explained.prediction.target);
    let (height, width) = (explained.relevance.height, explained.relevance.width);
    let truth = run.stored.as_ref().and_then(|stored| stored.dataset.truth.as_deref());
    let regions = truth.map(|truth| truth.regions(sample)).unwrap_or_default();
    let mut shown = Shown {
        name,
        target,
        told: run.words().value(target),
        height,
        width,
        start,
        squares: Vec::new(),
        arrows: Vec::new(),
        outlines: Vec::new(),
        regions: regions.into_iter().map(|Region { name, pixels }| (name.into_owned(), stretches(&pixels))).collect(),
    };
    for mark in run.marks(sample) {
        match mark {
            Mark::Square { row, col } => shown.squares.push(row * width + col),
            Mark::Arrow { row, col } => shown.arrows.extend([row, col]),
            Mark::Outline { rows, cols } => shown.outlines.push([rows[0], rows[1], cols[0], cols[1]]),
            Mark::Contour { pixels, .. } => shown.squares.extend(pixels),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_hold_every_pixel_once() {
        assert_eq!(stretches(&[5, 3, 4, 9, 0, 9]), [0, 1, 2, 3, 3, 1]);
        let pixels: Vec<usize> = (0..500).filter(|k| k * k % 7 < 3).collect();
        let (mut found, mut at) = (Vec::new(), 0);
        for pair in stretches(&pixels).chunks(2) {
            found.extend(at + pair[0]..at + pair[0] + pair[1]);
            at += pair[0] + pair[1];
        }
        assert_eq!(found, pixels);
        assert!(stretches(&[]).is_empty());
    }
}
