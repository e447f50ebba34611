//! Train: data set -> network, with its history and predictions.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use tch::Device;
use xdlreg_core::disk::Folder;
use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::key::Key;
use xdlreg_core::net::{Adapted, EngineChoice, ModelSettings, TrainSettings, read_start};
use xdlreg_core::raster::ImageShape;
use xdlreg_core::stage::{self, StageContext, StageError, files};
use xdlreg_core::store::seal::{seal_bytes, unseal_bytes};
use xdlreg_core::store::{Draft, arrays};

use super::interrupt;
use crate::net::{KeptWeights, Network, TrainError, TrainState, Trained, Training, Weights, tensorboard};

/// Where a training stands, in its scratch folder.
const STATE: &str = "state.safetensors";

/// Trains into `draft`. After every epoch the state is stored, and an earlier one is gone on from.
#[allow(clippy::too_many_arguments, reason = "the fields of the job that it carries out")]
pub fn run(
    dataset: &Key,
    model: &ModelSettings,
    settings: &TrainSettings,
    start: Option<&str>,
    (device, engine): (Device, EngineChoice),
    threads: usize,
    key: &Key,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let data = context.dataset(dataset)?;
    let (images, targets, partition) = (&data.images, &data.targets, &data.partition);
    let start = start_of(model, images.shape(), start, context.progress)?;
    let training = Training { images, targets, partition, model, settings, start: start.as_ref(), device, engine };
    let scratch = context.store.scratch(key);
    scratch.make().map_err(StageError::io(scratch.path()))?;
    scratch.remove_temporary(false);
    let resume = resume(&scratch, context.progress);

    let all_threads = tch::get_num_threads();
    tch::set_num_threads(threads as i32);
    let mut unwritten = None;
    let trained = training.run(resume, context.progress, &mut |state: &TrainState| match scratch
        .replace(STATE, &seal_bytes(&state.to_bytes()))
    {
        // The signal only set a flag: the epoch is whole and stored.
        Ok(()) if interrupt::wanted() => ControlFlow::Break(()),
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            unwritten = Some(error);
            ControlFlow::Break(())
        }
    });
    tch::set_num_threads(all_threads);
    if let Some(error) = unwritten {
        return Err(StageError::io(scratch.path_of(STATE))(error));
    }
    let trained = trained.map_err(|error| match error {
        TrainError::Diverged { .. } => StageError::invalid(error),
        TrainError::Interrupted { .. } => StageError::stopped(error),
        error => StageError::failed(error),
    })?;
    let predictions = Network::new(&trained.weights, device).computed_by(engine).predict(images);
    save(&trained, &predictions, draft)
}

/// The weights that the settings name, where they do.
fn start_of(
    model: &ModelSettings,
    shape: ImageShape,
    checksum: Option<&str>,
    progress: &dyn ProgressSink,
) -> Result<Option<Weights>, StageError> {
    let Some(path) = &model.weights else { return Ok(None) };
    let network = model.network(shape).map_err(StageError::failed)?;
    let Adapted { weights, note } = read_start(Path::new(path), &network, checksum).map_err(StageError::failed)?;
    if let Some(note) = note {
        progress.report(Progress::Note { message: format!("{path}: {note}") });
    }
    Ok(Some(weights))
}

/// The state that an earlier attempt reached. One that cannot be read is told and not used.
fn resume(scratch: &Folder, progress: &dyn ProgressSink) -> Option<TrainState> {
    scratch.kind(STATE)?;
    let read = || -> Result<TrainState, Box<dyn std::error::Error>> {
        Ok(TrainState::from_bytes(unseal_bytes(&scratch.read(STATE)?)?)?)
    };
    match read() {
        Ok(state) => {
            progress.report(Progress::Note { message: format!("training goes on after epoch {}", state.epoch()) });
            Some(state)
        }
        Err(error) => {
            progress.report(Progress::Note { message: format!("training starts from the beginning: {error}") });
            None
        }
    }
}

fn save(trained: &Trained, predictions: &[f32], draft: &Draft) -> Result<(), StageError> {
    let write =
        |name: &str, contents: &[u8]| draft.write(name, contents).map_err(StageError::io(draft.folder().join(name)));
    write(files::MODEL, &trained.weights.to_bytes())?;
    write(files::EPOCHS, &serde_json::to_vec(&trained.history).map_err(StageError::failed)?)?;
    let output_bias = trained.weights.output_bias().map(f64::from);
    let facts = stage::Trained { epoch: trained.epoch, output_bias, engine: Some(trained.engine) };
    write(files::TRAINED, &serde_json::to_vec(&facts).map_err(StageError::failed)?)?;
    if let Some(KeptWeights { epoch, weights }) = &trained.checkpoint {
        write(&format!("{}/epoch-{epoch:03}.safetensors", files::CHECKPOINTS), &weights.to_bytes())?;
    }
    for (run, events) in tensorboard::event_files(&trained.history, SystemTime::now()) {
        write(&format!("{}/{run}", files::TENSORBOARD), &events)?;
    }
    let path = draft.file(files::PREDICTIONS).map_err(StageError::io(draft.folder()))?;
    arrays::write_vector(predictions, &path).map_err(StageError::io(path))
}
