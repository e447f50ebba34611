//! Which of many runs are shown with figures and maps of their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::ReportError;
use super::folder::Results;
use crate::figure::study::{Run, Stored, Study};
use crate::store::dataset::{self, DatasetError};
use crate::store::{arrays, pumpkins};

/// Runs with figures of their own.
const FIGURE_RUNS: usize = 6;
/// Runs whose maps are in the gallery.
const GALLERY_RUNS: usize = 32;
/// Of those, how many may come from the first setting, whose seeds make an ensemble.
const ENSEMBLE_RUNS: usize = 8;
/// Maps are loaded up to this many bytes.
const MAP_BYTES: u64 = 1_500_000_000;

/// The runs of a study, with the maps of some of them.
pub struct Chosen {
    pub study: Study,
    /// Runs with figures of their own, as indices into the study.
    pub figures: Vec<usize>,
    /// Runs whose maps are loaded, as indices into the study.
    pub gallery: Vec<usize>,
    /// Runs whose maps are shown where they are there.
    wanted: Vec<usize>,
    /// Data sets that are shown where they are there.
    datasets: Vec<String>,
}

impl Chosen {
    /// The files whose contents make a difference, beside the tables.
    pub fn sources(&self) -> Vec<String> {
        let maps = self.wanted.iter().map(|&run| format!("relevance/{}.npy", self.study.runs[run].id));
        maps.chain(self.datasets.iter().map(|key| format!("datasets/{key}.npz"))).collect()
    }
}

/// Chooses the `wanted` runs, by their ids, and others so that as many settings as possible are seen; loads their maps.
pub fn choose(results: &Results, wanted: &[String]) -> Result<Chosen, ReportError> {
    let mut study = results.study.clone();
    let find = |id: &String| study.runs.iter().position(|run| run.id == *id);
    let mut order = wanted
        .iter()
        .map(|id| find(id).ok_or_else(|| ReportError::NoRun(id.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for run in spread(&study) {
        if !order.contains(&run) {
            order.push(run);
        }
    }
    let (mut gallery, mut bytes) = (Vec::new(), 0);
    let shown: Vec<usize> = order.iter().take(GALLERY_RUNS.max(wanted.len())).copied().collect();
    for &index in &shown {
        let Some(path) = results.relevance(&study.runs[index].id)? else { continue };
        let Ok(size) = path.metadata().map(|file| file.len()) else { continue };
        if bytes + size > MAP_BYTES && !gallery.is_empty() {
            break;
        }
        bytes += size;
        study.runs[index].maps = Some(Arc::new(arrays::read_stack(&path)?.folded()));
        gallery.push(index);
    }
    let figures: Vec<usize> = order.into_iter().take(FIGURE_RUNS.max(wanted.len())).collect();
    let datasets = load_datasets(results, &mut study, figures.iter().chain(&gallery))?;
    Ok(Chosen { study, figures, gallery, wanted: shown, datasets })
}

/// Loads the data sets of some runs, each once. Returns their keys.
fn load_datasets<'a>(
    results: &Results,
    study: &mut Study,
    runs: impl Iterator<Item = &'a usize>,
) -> Result<Vec<String>, ReportError> {
    let mut loaded: BTreeMap<String, Option<Arc<Stored>>> = BTreeMap::new();
    for &index in runs {
        let run = &study.runs[index];
        if !loaded.contains_key(&run.dataset) {
            let read = |path: PathBuf| -> Result<Arc<Stored>, DatasetError> {
                let pumpkins = run.simulation().map(|_| pumpkins::load_pumpkins(&path)).transpose()?;
                Ok(Arc::new(Stored { dataset: dataset::load(&path)?, pumpkins }))
            };
            let stored = results.dataset(run)?.map(read).transpose()?;
            loaded.insert(run.dataset.clone(), stored);
        }
        study.runs[index].stored = loaded[&study.runs[index].dataset].clone();
    }
    Ok(loaded.into_keys().collect())
}

/// Runs in the order in which they deserve to be shown: one of each setting, some more of the first setting, the rest.
fn spread(study: &Study) -> Vec<usize> {
    let groups: Vec<Vec<usize>> =
        study.groups().into_iter().map(|(_, runs)| runs.iter().map(|run| index(study, run)).collect()).collect();
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

fn index(study: &Study, run: &Run) -> usize {
    study.runs.iter().position(|known| std::ptr::eq(known, run)).expect("a run of this study")
}
