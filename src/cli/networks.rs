//! Networks that are named on the command line, and the worker that computes them.

use std::path::Path;
use std::sync::mpsc;

use super::args::WhichNetworkArgs;
use super::files::absolute;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::event::Progress;
use crate::machine;
use crate::protocol::{NetworkFile, Reply, Request};
use crate::runner::{AwakeClock, Heard, NO_LOG, Worker, WorkerPlace};
use crate::spec::{ExperimentSpec, Layers, check, merged};
use crate::terminal::tell_line;

/// The settings under which a verb works, and the layers that they come from: the spec where there is one, and `--set`.
pub fn settings(network: &WhichNetworkArgs, sets: &[String]) -> Result<(ExperimentSpec, Layers)> {
    match &network.spec {
        Some(spec) => merged(spec, sets),
        None => {
            let layers = Layers::from_sets(sets)?;
            Ok((layers.merge()?, layers))
        }
    }
}

/// The files of a network.
pub fn file(network: &WhichNetworkArgs, spec: &ExperimentSpec, layers: &Layers) -> Result<NetworkFile> {
    if network.spec.is_none() {
        let weights = network.weights.as_deref().expect("one of both is required");
        return Ok(NetworkFile { weights: absolute(weights), model: None });
    }
    let mut model = spec.model.clone();
    if let Some(weights) = &network.weights {
        model.weights = Some(absolute(weights).to_string_lossy().into_owned());
    }
    check(layers, model.validate())?;
    match &model.weights {
        Some(weights) => Ok(NetworkFile { weights: weights.into(), model: Some(Box::new(model)) }),
        None => {
            Err(Error::usage("the spec does not say where the weights are", "add model.weights to it, or --weights"))
        }
    }
}

const HELP: &str = "weights: a .safetensors file with the names and shapes of results/NAME/models, or of the layers in a \
                    spec; images: an array [n, 98, 98] as .npy or .npz, such as `xdlreg-run simulate` writes";

/// Has a worker of its own fulfil one request, and returns its first predictions. What the worker refuses is a mistake in the files given.
pub fn ask(request: &Request, device: Device) -> Result<Vec<f32>> {
    let (sender, receiver) = mpsc::sync_channel(64);
    let place = WorkerPlace { device, threads: machine::cores(), cores: Vec::new() };
    let mut worker = Worker::start(0, &place, Path::new(NO_LOG), sender, &AwakeClock::default())?;
    let mut predicted = Vec::new();
    let lost = |worker: &mut Worker| Error::Failed { message: worker.epitaph(), help: None };
    worker.send(request).map_err(|_| lost(&mut worker))?;
    for (_, heard) in receiver {
        match heard {
            Heard::Reply(Reply::Done { .. }) => return Ok(predicted),
            Heard::Reply(Reply::Predicted { first }) => predicted = first,
            Heard::Reply(Reply::Failed { reason } | Reply::NoDevice { reason }) => {
                return Err(Error::usage(reason, HELP));
            }
            // The files are in order; the settings lead nowhere with them.
            Heard::Reply(Reply::Invalid { reason }) => return Err(Error::Usage { message: reason, help: None }),
            Heard::Reply(Reply::Progress(Progress::Note { message })) => tell_line(&format!("note: {message}")),
            Heard::Closed => break,
            Heard::Reply(_) | Heard::Garbled(_) => {}
        }
    }
    Err(lost(&mut worker))
}
