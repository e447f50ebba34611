//! Render: relevance maps -> pictures.

use super::{StageContext, StageError};
use crate::key::Key;
use crate::picture;
use crate::picture::HeatmapSettings;
use crate::picture::{Heatmap, Scale, Signs};
use crate::sim::Split;
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
    let samples: Vec<usize> = subset.range(data.len()).take(heatmaps.count).collect();

    let pointers: &[bool] = if heatmaps.pointers { &[false, true] } else { &[false] };
    let mut names = Vec::new();
    let mut pictures = Vec::new();
    for (index, &sample) in samples.iter().enumerate() {
        let age = Some(data.pumpkins[sample].age as f32);
        let prediction = Some(predictions[sample]);
        for &pointer in pointers {
            names.push(picture::file_name(sample, age, prediction, pointer));
            pictures.push(Heatmap {
                image: data.images.get(sample),
                relevance: maps.get(index),
                signs: pointer.then(|| Signs::from(&data.pumpkins[sample])),
                scale,
                title: picture::title(sample, age, prediction),
            });
        }
    }
    for (name, picture) in names.iter().zip(picture::render(&pictures, context.progress).map_err(StageError::failed)?) {
        draft.write(name, &picture).map_err(StageError::io(draft.folder()))?;
    }
    Ok(())
}
