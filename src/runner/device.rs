//! Which device the work will be done on. Decided before anything is planned, because keys tell CPU and CUDA apart.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::protocol::Reply;
use super::worker::{Heard, Worker};
use crate::error::{Error, Result};
use crate::machine;
use crate::spec::Device;
use crate::stage::Compute;

/// Loading CUDA on a busy machine can take a while.
const PATIENCE: Duration = Duration::from_secs(120);

/// The device for a request, with a line for the user where "auto" found no CUDA.
pub fn resolve(device: Device) -> Result<(Compute, Option<String>)> {
    match device {
        Device::Cpu => return Ok((Compute::Cpu, None)),
        Device::Auto if !machine::has_nvidia_driver() => {
            return Ok((Compute::Cpu, Some("no NVIDIA driver on this machine: computing on the CPU".into())));
        }
        Device::Cuda(_) if !machine::has_nvidia_driver() => {
            return Err(Error::usage(
                format!("run.device = \"{device}\", but this machine has no NVIDIA driver"),
                "use run.device = \"cpu\", or \"auto\" to take CUDA where it is found",
            ));
        }
        Device::Auto | Device::Cuda(_) => {}
    }
    // Only a worker can load CUDA: ask one.
    let (sender, receiver) = mpsc::channel();
    let mut worker = Worker::start(0, device, 1, Path::new(NOWHERE), sender)?;
    match receiver.recv_timeout(PATIENCE) {
        Ok((_, Heard::Reply(Reply::Ready { compute, note, .. }))) => Ok((compute, note)),
        Ok((_, Heard::Reply(Reply::NoDevice { reason }))) => {
            Err(Error::usage(reason, "use run.device = \"cpu\", or \"auto\" to take CUDA where it is found"))
        }
        Ok(_) => Err(Error::Failed { message: worker.epitaph(), help: None }),
        Err(_) => Err(Error::Failed { message: "the worker did not answer within two minutes".into(), help: None }),
    }
}

#[cfg(unix)]
const NOWHERE: &str = "/dev/null";
#[cfg(not(unix))]
const NOWHERE: &str = "NUL";
