//! Which of many runs are shown with figures and maps of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::ReportError;
use super::folder::Results;
use super::rows;
use crate::figure::study::{Run, Stored, Study};
use crate::store::{arrays, dataset, pumpkins};

/// Runs with figures of their own.
const FIGURE_RUNS: usize = 6;
/// Runs whose maps are in the gallery.
const GALLERY_RUNS: usize = 32;
/// Of those, how many may come from the first setting, whose seeds make an ensemble.
const ENSEMBLE_RUNS: usize = 8;
/// Maps are loaded up to this many bytes.
const MAP_BYTES: u64 = 1_500_000_000;

/// Which runs of a study are shown.
pub struct Chosen {
    /// Runs with figures of their own, as indices into the study.
    pub figures: Vec<usize>,
    /// Runs whose maps are shown, as far as there is room for them.
    wanted: Vec<usize>,
}

/// What of a results folder is loaded for figures and gallery.
pub struct Loaded {
    /// Runs whose maps are loaded, as indices into the study.
    pub gallery: Vec<usize>,
    /// The files whose contents make a difference, beside the tables.
    pub sources: Vec<String>,
}

/// Chooses the `wanted` runs, by their ids, and others so that as many settings as possible are seen.
pub fn choose(study: &Study, wanted: &[String]) -> Result<Chosen, ReportError> {
    let find = |id: &String| study.runs.iter().position(|run| run.id == *id);
    let mut order = wanted
        .iter()
        .map(|id| find(id).ok_or_else(|| ReportError::NoRun(id.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for run in spread(study) {
        if !order.contains(&run) {
            order.push(run);
        }
    }
    let shown = order.iter().take(GALLERY_RUNS.max(wanted.len())).copied().collect();
    let figures = order.into_iter().take(FIGURE_RUNS.max(wanted.len())).collect();
    Ok(Chosen { figures, wanted: shown })
}

impl Chosen {
    /// Loads what tables tell of runs, the maps of those that are shown, and the images that these explain.
    pub fn load(&self, results: &mut Results) -> Result<Loaded, ReportError> {
        let whole: HashSet<usize> = self.figures.iter().chain(&self.wanted).copied().collect();
        rows::load(&mut results.study, &results.path, &whole)?;
        let (mut gallery, mut bytes) = (Vec::new(), 0);
        for &index in &self.wanted {
            let Some(path) = results.relevance(&results.study.runs[index].id)? else { continue };
            let Ok(size) = path.metadata().map(|file| file.len()) else { continue };
            if bytes + size > MAP_BYTES && !gallery.is_empty() {
                break;
            }
            bytes += size;
            results.study.runs[index].maps = Some(Arc::new(arrays::read_stack(&path)?.folded()));
            gallery.push(index);
        }
        load_explained_images(results, &gallery)?;
        let runs = &results.study.runs;
        let maps = self.wanted.iter().map(|&run| format!("relevance/{}.npy", runs[run].id));
        let keys: BTreeSet<&str> = self.figures.iter().chain(&gallery).map(|&run| runs[run].dataset.as_str()).collect();
        let sources = maps.chain(keys.into_iter().map(|key| format!("datasets/{key}.npz"))).collect();
        Ok(Loaded { gallery, sources })
    }
}

/// Loads of each data set the images that some runs explain: those of a data set whole would take the more memory the more of
/// them there are.
fn load_explained_images(results: &mut Results, runs: &[usize]) -> Result<(), ReportError> {
    let mut of_datasets: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &index in runs {
        of_datasets.entry(results.study.runs[index].dataset.clone()).or_default().push(index);
    }
    for indices in of_datasets.into_values() {
        let of = |index: &usize| &results.study.runs[*index];
        let Some(stored) = load_dataset(results, of(&indices[0]))? else { continue };
        let explained = indices.iter().map(of).flat_map(|run| run.predictions_of(run.subset));
        let samples: BTreeSet<usize> =
            explained.map(|row| row.sample).filter(|&at| at < stored.dataset.len()).collect();
        let stored = Arc::new(stored.show(samples.into_iter().collect()));
        for index in indices {
            check_maps(results, &results.study.runs[index], &stored)?;
            results.study.runs[index].stored = Some(Arc::clone(&stored));
        }
    }
    Ok(())
}

/// The data set of a run, whole; nothing where it is not in the folder.
pub fn load_dataset(results: &Results, run: &Run) -> Result<Option<Stored>, ReportError> {
    let Some(path) = results.dataset(run)? else { return Ok(None) };
    let pumpkins = run.simulation().map(|_| pumpkins::load_pumpkins(&path)).transpose()?;
    let dataset = dataset::load(&path)?;
    if dataset.len() != run.samples.len() {
        let reason = format!("it has {} samples, but samples.parquet has {}", dataset.len(), run.samples.len());
        return Err(ReportError::Unreadable { path, reason });
    }
    Ok(Some(Stored { dataset, pumpkins, shown: None }))
}

/// Files of a results folder may be swapped or damaged: figures and the gallery take the maps of a run, if they were loaded, for maps of
/// the images of its data set.
///
/// # Errors
/// [`ReportError`] if maps and images differ in height or width.
pub fn check_maps(results: &Results, run: &Run, stored: &Stored) -> Result<(), ReportError> {
    let Some(maps) = &run.maps else { return Ok(()) };
    let (maps, images) = (maps.shape(), stored.dataset.images.shape().folded());
    if maps == images {
        return Ok(());
    }
    let path = results.path.join(format!("relevance/{}.npy", run.id));
    let reason = format!("it has maps of {maps}, but the images of the data set have {images}");
    Err(ReportError::Unreadable { path, reason })
}

/// Runs in the order in which they deserve to be shown: one of each setting, some more of the first setting, the rest.
fn spread(study: &Study) -> Vec<usize> {
    let places: HashMap<*const Run, usize> =
        study.runs.iter().enumerate().map(|(at, run)| (&raw const *run, at)).collect();
    let place = |run: &Run| places[&(&raw const *run)];
    let groups: Vec<Vec<usize>> =
        study.groups().into_iter().map(|(_, runs)| runs.into_iter().map(place).collect()).collect();
    let firsts: Vec<usize> = groups.iter().map(|group| group[0]).collect();
    let room = GALLERY_RUNS - ENSEMBLE_RUNS + 1;
    // Spread over all settings, where there are too many of them.
    let evenly = |most: usize| {
        let (all, count) = (&firsts, most.min(firsts.len()));
        (0..count).map(move |k| all[k * all.len() / count])
    };
    let mut order: Vec<usize> = evenly(FIGURE_RUNS).collect();
    let first_setting = groups.iter().flat_map(|group| group.iter().take(ENSEMBLE_RUNS)).take(ENSEMBLE_RUNS);
    for run in evenly(room).chain(first_setting.copied()).chain(groups.iter().flatten().copied()) {
        if !order.contains(&run) && order.len() < GALLERY_RUNS {
            order.push(run);
        }
    }
    order
}
