//! Predict: a network and images from files -> predictions.

use std::ops::ControlFlow;
use std::path::Path;

use tch::Device;
use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::protocol::NetworkFile;
use xdlreg_core::raster::{self, Planes, RasterStack};
use xdlreg_core::stage::StageError;
use xdlreg_core::store::planes::ImageFile;
use xdlreg_core::store::{arrays, inputs};

use crate::net::{Network, adapt, adapt_to};

/// Images that are read at a time.
const BATCH: usize = 256;

/// Predicts images of a file with weights of a file; the predictions go to `out`.
pub fn predict_files(
    network: &NetworkFile,
    images: &Path,
    device: Device,
    out: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), StageError> {
    let (net, file) = open(network, images, device, progress)?;
    let predictions = predict(&net, &file)?;
    arrays::write_vector(&predictions, out).map_err(StageError::io(out))
}

/// The prediction for each image: its target, or the probability of the upper class. Images are in memory some at a time.
pub fn predict(net: &Network, images: &dyn Planes) -> Result<Vec<f32>, StageError> {
    let mut predictions = Vec::with_capacity(images.count());
    let shape = images.shape();
    let mut take = |pixels: &[f32]| {
        predictions.extend(net.predict(&RasterStack::of(shape, pixels.to_vec())));
        ControlFlow::Continue(())
    };
    images.visit(BATCH, &mut take).map_err(StageError::failed)?;
    Ok(predictions)
}

/// A network and images from files, which fit each other. What the user should know of either is told.
pub fn open(
    network: &NetworkFile,
    images: &Path,
    device: Device,
    progress: &dyn ProgressSink,
) -> Result<(Network, ImageFile), StageError> {
    let NetworkFile { weights, model } = network;
    let bytes = inputs::read_file(weights).map_err(|error| StageError::file(weights, error))?;
    let (adapted, file) = match model {
        // Its shapes follow from the images.
        Some(model) => {
            let file = ImageFile::open(images).map_err(StageError::failed)?;
            let layers = model.network(file.shape()).map_err(|error| {
                StageError::failed(format!("{}: images of {}: {error}", images.display(), file.shape()))
            })?;
            (adapt_to(&bytes, Some(&layers)).map_err(|error| StageError::file(weights, error))?, file)
        }
        None => {
            let adapted = adapt(&bytes).map_err(|error| StageError::file(weights, error))?;
            (adapted, ImageFile::open(images).map_err(StageError::failed)?)
        }
    };
    if let Some(note) = adapted.note {
        progress.report(Progress::Note { message: format!("{}: {note}", weights.display()) });
    }
    let net = Network::new(&adapted.weights, device);
    check_shape(&file, &net)?;
    let extent = raster::extent(&file).map_err(StageError::failed)?;
    if let Some(message) = file.note_on_scale(extent) {
        progress.report(Progress::Note { message });
    }
    Ok((net, file))
}

fn check_shape(images: &ImageFile, net: &Network) -> Result<(), StageError> {
    let (found, expected) = (images.shape(), net.spec().input);
    if found == expected {
        return Ok(());
    }
    let path = images.path().display();
    Err(StageError::failed(format!("{path}: images of {found}, but the network takes {expected}")))
}
