//! Explain: network and images -> relevance maps.

use std::fs;
use std::path::Path;

use tch::Device;
use xdlreg::event::ProgressSink;
use xdlreg::raster::{RasterStack, SIDE};
use xdlreg::sim::{Dataset, Split};
use xdlreg::spec::{ExplainSettings, Reference};
use xdlreg::stage::{self, StageContext, StageError, files};
use xdlreg::store::inputs::read_images;
use xdlreg::store::{Draft, Key, arrays};

use crate::explain::{ExplainError, Ledger, RelevanceMaps, Samples, explain};
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
    let known = Known::of(&data, settings);
    let explained = explain(&net, &images, settings, known.samples(), context.progress).map_err(refused)?;
    let file = |name| draft.file(name).map_err(StageError::io(draft.folder()));
    let (maps, outputs) = (file(files::RELEVANCE)?, file(files::OUTPUTS)?);
    arrays::write_stack(&explained.maps, &maps).map_err(StageError::io(maps))?;
    arrays::write_vector(&explained.outputs, &outputs).map_err(StageError::io(outputs))?;
    let facts = stage::Explained {
        reference: explained.reference,
        layers: explained.ledger.as_ref().map(|ledger| ledger.layers.clone()).unwrap_or_default(),
    };
    let path = file(files::EXPLAINED)?;
    fs::write(&path, serde_json::to_vec(&facts).map_err(StageError::failed)?).map_err(StageError::io(path))?;
    if let Some(Ledger { layers, taken }) = &explained.ledger {
        let kept: Vec<f32> =
            taken.iter().flat_map(|t| [t.bias, t.stabiliser, t.rest]).map(|kept| kept as f32).collect();
        let path = file(files::LEDGER)?;
        arrays::write_array(&[images.len(), layers.len(), 3], &kept, &path).map_err(StageError::io(path))?;
    }
    Ok(())
}

/// The training samples that a reference is taken from, where there is such a one.
#[derive(Default)]
pub struct Known(Option<(RasterStack, Vec<f32>)>);

impl Known {
    pub fn of(data: &Dataset, settings: &ExplainSettings) -> Self {
        let training = Split::Train.range(data.len());
        Self(Self::needed(settings).then(|| (data.images.slice(training.clone()), data.ages()[training].to_vec())))
    }

    pub fn needed(settings: &ExplainSettings) -> bool {
        settings.reference.is_some_and(Reference::needs_samples)
    }

    pub fn samples(&self) -> Option<Samples<'_>> {
        self.0.as_ref().map(|(images, ages)| Samples { images, ages })
    }
}

/// Settings that lead nowhere make a run invalid, not failed.
fn refused(error: ExplainError) -> StageError {
    match error {
        ExplainError::UnknownAnalyzer { .. } | ExplainError::NoRule { .. } | ExplainError::ImageSize { .. } => {
            StageError::failed(error)
        }
        error => StageError::invalid(error),
    }
}

/// Explains images of a file with weights of a file; the maps go to `out`. References are taken from the same file,
/// where it knows ages.
pub fn explain_files(
    weights: &Path,
    images: &Path,
    settings: &ExplainSettings,
    device: Device,
    out: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), StageError> {
    let net = load(weights, device)?;
    let (stack, pumpkins) = read_images(images).map_err(StageError::failed)?;
    check_size(&stack, images)?;
    let ages: Option<Vec<f32>> = pumpkins.map(|pumpkins| pumpkins.iter().map(|pumpkin| pumpkin.age as f32).collect());
    let samples = ages.as_deref().map(|ages| Samples { images: &stack, ages });
    let RelevanceMaps { maps, .. } = explain(&net, &stack, settings, samples, progress).map_err(StageError::failed)?;
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
