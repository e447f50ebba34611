//! The maps that a page shows on its own: pumpkins, signs and relevance.

use std::collections::HashMap;

use serde::Serialize;

use super::ReportError;
use super::choice::Chosen;
use super::embed;
use super::folder::Results;
use crate::figure::by_age;
use crate::figure::study::{Explained, Run};
use crate::picture::colormap::shown_scale;
use crate::sim::SIDE;
use crate::sim::{Pumpkin, Without};

/// Pumpkins of each run.
const PUMPKINS: usize = 20;

/// What the page needs to draw heatmaps.
#[derive(Debug, Serialize)]
pub struct Gallery {
    /// Height and width of an image in pixels.
    side: usize,
    /// The images of all pumpkins, packed.
    images: String,
    pumpkins: Vec<Shown>,
    runs: Vec<RunMaps>,
}

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    age: f64,
    /// Row and column of each lesion in turn.
    lesions: Vec<u16>,
    /// Index of each atrophied pixel.
    atrophies: Vec<usize>,
    /// First row, row after the last, first column, column after the last.
    tumour: Option<[u16; 4]>,
}

#[derive(Debug, Serialize)]
struct RunMaps {
    id: String,
    label: String,
    analyzer: String,
    /// The unit of its relevance.
    unit: String,
    /// The maps, packed.
    maps: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    pumpkin: usize,
    /// Index in the data set, as in tables and the names of heatmaps.
    sample: usize,
    prediction: f64,
    /// Largest magnitude of the map in its unit.
    scale: f32,
    /// The relevance shown as 1 on the colour bar, in its unit.
    shown: f32,
    /// The sum over the map in its unit.
    sum: f64,
}

/// Gathers the maps of the chosen runs.
pub fn gather(results: &Results, chosen: &Chosen) -> Result<Gallery, ReportError> {
    let mut pumpkins: Vec<Shown> = Vec::new();
    let mut images: Vec<Vec<f32>> = Vec::new();
    let mut known: HashMap<(String, u64), usize> = HashMap::new();
    let mut runs = Vec::new();
    for run in chosen.gallery.iter().map(|&index| &chosen.study.runs[index]) {
        let explained = by_age(run, PUMPKINS);
        let (maps, scales) = embed::maps(explained.iter().map(|explained| explained.relevance.pixels));
        let mut entries = Vec::new();
        for (explained, scale) in explained.iter().zip(scales) {
            let name =
                run.samples.get(explained.prediction.sample).map_or_else(String::new, |sample| sample.name.clone());
            let pumpkin = *known.entry((name.clone(), explained.prediction.age.to_bits())).or_insert_with(|| {
                let pumpkin = run.pumpkin(explained.prediction.sample);
                images.push(image(pumpkin.as_ref()));
                pumpkins.push(shown(name, explained, pumpkin.as_ref()));
                pumpkins.len() - 1
            });
            entries.push(Entry {
                pumpkin,
                sample: explained.prediction.sample,
                prediction: explained.prediction.prediction,
                scale,
                shown: shown_scale(explained.relevance),
                sum: explained.relevance.sum(),
            });
        }
        runs.push(RunMaps {
            id: run.id.clone(),
            label: label(run, results),
            analyzer: run.analyzer.clone(),
            unit: run.unit.clone(),
            maps,
            entries,
        });
    }
    Ok(Gallery { side: SIDE, images: embed::images(images.iter().map(Vec::as_slice)), pumpkins, runs })
}

/// What a run is called among the others.
fn label(run: &Run, results: &Results) -> String {
    if results.study.runs.len() == 1 {
        return run.analyzer.clone();
    }
    [run.label(), run.seeds()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The pumpkin's image; black where it cannot be drawn again.
fn image(pumpkin: Option<&Pumpkin>) -> Vec<f32> {
    pumpkin.map_or_else(|| vec![0.0; SIDE * SIDE], |pumpkin| pumpkin.redraw(Without::Nothing))
}

fn shown(name: String, explained: &Explained, pumpkin: Option<&Pumpkin>) -> Shown {
    let lesions = pumpkin.map_or(&[][..], |pumpkin| &pumpkin.lesions);
    let atrophies = pumpkin.map_or(&[][..], |pumpkin| &pumpkin.atrophies);
    Shown {
        name,
        age: explained.prediction.age,
        lesions: lesions.iter().flat_map(|lesion| [lesion.row, lesion.col]).collect(),
        atrophies: atrophies.iter().map(|pixel| pixel.index()).collect(),
        tumour: pumpkin.and_then(|pumpkin| pumpkin.tumour).map(|t| [t.row0, t.row1, t.col0, t.col1]),
    }
}
