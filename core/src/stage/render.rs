//! Render: relevance maps -> pictures.

use super::{StageContext, StageError};
use crate::data::Split;
use crate::key::Key;
use crate::picture;
use crate::picture::HeatmapSettings;
use crate::picture::{Heatmap, Scale};
use crate::store::Draft;

/// Draws the first `heatmaps.count` explained samples into `draft`: plain, and with pointers where asked for.
pub fn run(
    (dataset, network, relevance): (&Key, &Key, &Key),
    subset: Split,
    heatmaps: &HeatmapSettings,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let data = context.dataset(dataset)?;
    let predictions = context.predictions(network)?;
    let (maps, _) = context.relevance(relevance)?;
    let unit = context.explained(relevance)?.meaning.units.of_relevance();
    let scale = if heatmaps.true_scale { Scale::True(Some(&unit)) } else { Scale::Relative };
    let samples: Vec<usize> = data.samples(subset).into_iter().take(heatmaps.count).collect();

    let truth = data.truth.as_deref();
    let pointers: &[bool] = if heatmaps.pointers && truth.is_some() { &[false, true] } else { &[false] };
    let mut names = Vec::new();
    let mut pictures = Vec::new();
    for (index, &sample) in samples.iter().enumerate() {
        let target = Some((data.target.name.as_str(), data.targets[sample]));
        let prediction = Some(predictions[sample]);
        for &pointer in pointers {
            let name = picture::file_name(sample, target, prediction, pointer);
            names.push(format!("{name}.{}", heatmaps.format.extension()));
            pictures.push(Heatmap {
                image: data.images.get(sample),
                relevance: maps.get(index),
                marks: truth.filter(|_| pointer).map(|truth| truth.marks(sample)).unwrap_or_default(),
                scale,
                title: picture::title(sample, target, prediction),
            });
        }
    }
    let files = picture::render(&pictures, heatmaps.format, context.progress).map_err(StageError::failed)?;
    for (name, picture) in names.iter().zip(files) {
        draft.write(name, &picture).map_err(StageError::io(draft.folder()))?;
    }
    Ok(())
}
