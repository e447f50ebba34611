//! Render: relevance maps -> pictures.

use super::{StageContext, StageError};
use crate::data::Split;
use crate::key::Key;
use crate::picture;
use crate::picture::HeatmapSettings;
use crate::picture::colormap::shown_scale;
use crate::picture::{Extent, Heatmap, Look, Scale, Shading};
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
    let clipped =
        Shading { quantile: heatmaps.clip_quantile.unwrap_or(Shading::default().quantile), ..Shading::default() };
    let most = match heatmaps.scale {
        None | Some(Extent::Image) => None,
        Some(Extent::Run) => Some(maps.iter().map(|map| shown_scale(map, &clipped)).fold(0.0, f32::max)),
        Some(Extent::Relevance(most)) => Some(most as f32),
    };
    let colormap = heatmaps.colormap.unwrap_or_default();
    let shading = Shading { colormap, most, ..clipped };
    // Maps whose colours mean the same relevance say how much it is.
    let in_unit = heatmaps.true_scale || most.is_some();
    let labels = if in_unit { Scale::True(Some(&unit)) } else { Scale::Relative };
    let look = Look { labels, colormap, bar: heatmaps.colorbar.unwrap_or(true) };
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
                shading,
                look,
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
