//! Explain: network and images -> relevance maps.

use std::path::Path;

use tch::Device;
use xdlreg::event::ProgressSink;
use xdlreg::raster::{RasterStack, SIDE};
use xdlreg::spec::ExplainSettings;
use xdlreg::stage::{StageContext, StageError, files};
use xdlreg::store::inputs::read_images;
use xdlreg::store::{Draft, Key, arrays};

use crate::explain::{ExplainError, RelevanceMaps, explain};
use crate::net::{PumpkinNet, Weights};

/// Explains the chosen subset of a data set into `draft`.
pub fn run(
    dataset: &Key,
    network: &Key,
    settings: &ExplainSettings,
    device: Device,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let data = context.dataset(dataset)?;
    let net = load(&context.model(network)?, device)?;
    let images = data.images.slice(settings.subset.range(data.len()));
    let explained = explain(&net, &images, settings, context.progress).map_err(|error| match error {
        ExplainError::NotFinite { .. } => StageError::invalid(error),
        error => StageError::failed(error),
    })?;
    let file = |name| draft.file(name).map_err(StageError::io(draft.folder()));
    let (maps, outputs) = (file(files::RELEVANCE)?, file(files::OUTPUTS)?);
    arrays::write_stack(&explained.maps, &maps).map_err(StageError::io(maps))?;
    arrays::write_vector(&explained.outputs, &outputs).map_err(StageError::io(outputs))
}

/// Explains images of a file with weights of a file; the maps go to `out`.
pub fn explain_files(
    weights: &Path,
    images: &Path,
    settings: &ExplainSettings,
    device: Device,
    out: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), StageError> {
    let net = load(weights, device)?;
    let (stack, _) = read_images(images).map_err(StageError::failed)?;
    check_size(&stack, images)?;
    let RelevanceMaps { maps, .. } = explain(&net, &stack, settings, progress).map_err(StageError::failed)?;
    arrays::write_stack(&maps, out).map_err(StageError::io(out))
}

fn check_size(images: &RasterStack, path: &Path) -> Result<(), StageError> {
    let (height, width) = (images.height(), images.width());
    if (height, width) == (SIDE, SIDE) {
        return Ok(());
    }
    Err(StageError::Failed(format!(
        "{}: images of {height} x {width} pixels, but the network reads {SIDE} x {SIDE}",
        path.display()
    )))
}

pub(super) fn load(path: &Path, device: Device) -> Result<PumpkinNet, StageError> {
    let bytes = std::fs::read(path).map_err(StageError::io(path))?;
    let weights =
        Weights::from_bytes(&bytes).map_err(|error| StageError::Failed(format!("{}: {error}", path.display())))?;
    Ok(PumpkinNet::new(&weights, device))
}
