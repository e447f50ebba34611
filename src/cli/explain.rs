//! `xdlreg-run explain`: relevance maps of images from a file.

use std::path::Path;
use std::sync::mpsc;

use super::ExplainArgs;
use super::files::{absolute, publish};
use crate::device::Device;
use crate::error::{EXIT_OK, Error, Result};
use crate::event::Progress;
use crate::machine;
use crate::protocol::{Reply, Request};
use crate::runner::{AwakeClock, Heard, NO_LOG, Worker, WorkerPlace, resolve_device};
use crate::spec::{Layers, Origin, check};
use crate::terminal::{print_line, tell_line};

pub fn run(args: &ExplainArgs) -> Result<u8> {
    let mut layers = Layers::from_sets(&args.sets)?;
    if let Some(name) = &args.analyzer {
        let value = toml::Value::String(name.clone());
        layers.push_value(Origin::CommandLine(format!("--analyzer {name}")), "explain.analyzer", value)?;
    }
    let spec = layers.merge()?;
    check(&layers, [spec.explain.validate(), spec.run.validate()].concat())?;
    resolve_device(spec.run.device)?;
    publish(&args.out, |temporary| {
        let request = Request::ExplainFiles {
            weights: absolute(&args.weights),
            images: absolute(&args.images),
            explain: spec.explain.clone(),
            out: absolute(temporary),
        };
        ask(&request, spec.run.device)
    })?;
    print_line(&format!("maps in {}", args.out.display()));
    Ok(EXIT_OK)
}

const HELP: &str = "weights: a .safetensors file with the names and shapes of results/NAME/models; images: an array \
                    [n, 98, 98] as .npy or .npz, such as `xdlreg-run simulate` writes";

/// Has a worker of its own fulfil one request. What the worker refuses is a mistake in the files given.
fn ask(request: &Request, device: Device) -> Result<()> {
    let (sender, receiver) = mpsc::sync_channel(64);
    let place = WorkerPlace { device, threads: machine::cores(), cores: Vec::new() };
    let mut worker = Worker::start(0, &place, Path::new(NO_LOG), sender, &AwakeClock::default())?;
    let lost = |worker: &mut Worker| Error::Failed { message: worker.epitaph(), help: None };
    worker.send(request).map_err(|_| lost(&mut worker))?;
    for (_, heard) in receiver {
        match heard {
            Heard::Reply(Reply::Done { .. }) => return Ok(()),
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
