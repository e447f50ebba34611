//! Which device the work will be done on. Decided before anything is planned, because keys tell CPU and CUDA apart.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::awake::AwakeClock;
use super::worker::{Heard, NO_LOG, Worker, WorkerPlace};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::machine;
use crate::protocol::Reply;
use crate::stage::Compute;

/// Loading CUDA on a busy machine can take a while.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many lines are passed over that are not replies.
const MOST_GARBLED: usize = 100;

/// Where an experiment computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub compute: Compute,
    /// The devices that its workers share: one CPU, or the GPUs.
    pub devices: Vec<Device>,
    /// A line for the user where "auto" found no CUDA.
    pub note: Option<String>,
}

impl Resolved {
    fn cpu(note: Option<String>) -> Self {
        Self { compute: Compute::Cpu, devices: vec![Device::Cpu], note }
    }
}

impl Resolved {
    /// Where a runner computes that helps with a plan of another: on a device of the plan's kind, since keys tell CPU and CUDA
    /// apart.
    ///
    /// # Errors
    /// [`Error::Usage`] where this machine has no such device.
    pub fn for_plan(self, planned: Compute) -> Result<Self> {
        match (planned, self.compute) {
            (Compute::Cpu, Compute::Cuda(_)) => {
                Ok(Self::cpu(Some("the plan was made for the CPU: computing on the CPU".into())))
            }
            (Compute::Cuda(_), Compute::Cpu) => Err(Error::usage(
                "the experiment was planned for CUDA, and this runner would compute on the CPU",
                "join from a machine with a GPU, without run.device = \"cpu\"",
            )),
            _ => Ok(self),
        }
    }
}

/// The device of jobs on a cluster: it is declared, since the machine that submits has another one.
pub fn declared(device: Device) -> Resolved {
    match device {
        Device::Cpu => Resolved::cpu(None),
        Device::Auto => Resolved::cpu(Some(
            "run.device = \"auto\" means the CPU under Slurm: write \"cuda\" for jobs with a GPU".into(),
        )),
        // Of those that a job was given, as Slurm counts them for it.
        Device::Cuda(index) => Resolved { compute: Compute::Cuda(index), devices: vec![device], note: None },
    }
}

/// The device for a request. "auto" takes all GPUs.
pub fn resolve(device: Device) -> Result<Resolved> {
    match device {
        Device::Cpu => return Ok(Resolved::cpu(None)),
        Device::Auto if !machine::has_nvidia_driver() => {
            return Ok(Resolved::cpu(Some("no NVIDIA driver on this machine: computing on the CPU".into())));
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
    let (sender, receiver) = mpsc::sync_channel(1);
    let place = WorkerPlace { device, threads: 1, cores: Vec::new() };
    let mut worker = Worker::start(0, &place, Path::new(NO_LOG), sender, &AwakeClock::default())?;
    // Libraries may have their say before the worker has.
    let mut heard = (0..MOST_GARBLED).map(|_| receiver.recv_timeout(PATIENCE));
    let Some(answer) = heard.find(|heard| !matches!(heard, Ok((_, Heard::Garbled(_))))) else {
        return Err(Error::Failed { message: "the worker writes lines that are not replies".into(), help: None });
    };
    match answer {
        Ok((_, Heard::Reply(Reply::Ready { compute, devices, note, .. }))) => Ok(match (compute, device) {
            (Compute::Cpu, _) => Resolved::cpu(note),
            (Compute::Cuda(_), Device::Auto) => {
                Resolved { compute, devices: (0..devices).map(Device::Cuda).collect(), note }
            }
            (Compute::Cuda(_), _) => Resolved { compute, devices: vec![device], note },
        }),
        Ok((_, Heard::Reply(Reply::NoDevice { reason }))) => {
            Err(Error::usage(reason, "use run.device = \"cpu\", or \"auto\" to take CUDA where it is found"))
        }
        Ok(_) => Err(Error::Failed { message: worker.epitaph(), help: None }),
        Err(_) => Err(Error::Failed { message: "the worker did not answer within two minutes".into(), help: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_that_helps_computes_where_the_plan_says() {
        let cuda = |index| Compute::Cuda(index);
        let gpu = Resolved { compute: cuda(0), devices: vec![Device::Cuda(0), Device::Cuda(1)], note: None };
        let helping = gpu.clone().for_plan(Compute::Cpu).expect("every machine has a CPU");
        assert_eq!((helping.compute, helping.devices), (Compute::Cpu, vec![Device::Cpu]));
        assert!(helping.note.is_some());
        assert_eq!(gpu.clone().for_plan(cuda(3)).expect("which of them makes no difference"), gpu);
        let cpu = Resolved::cpu(None);
        assert_eq!(cpu.clone().for_plan(Compute::Cpu).expect("the same"), cpu);
        let refused = cpu.for_plan(cuda(0)).expect_err("there is none");
        assert!(refused.to_string().contains("planned for CUDA"), "{refused}");
    }
}
