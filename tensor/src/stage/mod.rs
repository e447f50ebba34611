//! Carries out the stages that a worker is asked for, and leaves their results in the store.

mod evaluate;
mod explain;
pub mod interrupt;
mod predict;
mod train;

use std::time::Instant;

use tch::Device;
use xdlreg_core::event::ProgressSink;
use xdlreg_core::stage::{Compute, Job, Memory, StageContext, StageError, render, simulate};
use xdlreg_core::store::{Check, Lookup, Store};
use xdlreg_core::{alive, machine};

pub use explain::explain_files;
pub use predict::predict_files;

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Carried {
    /// Another process does it.
    Busy,
    /// Its result was there already.
    Found,
    /// It was done, which took so many seconds.
    Done(f64),
}

/// Carries out `job` on `device` and publishes its result, unless another process does or did. `begin` is called when the work
/// begins.
///
/// # Errors
/// [`StageError`] for settings that lead nowhere (a training that diverges, relevance that is not finite) and for
/// files that cannot be read or written.
pub fn carry_out(
    job: &Job,
    device: Device,
    store: &Store,
    progress: &dyn ProgressSink,
    memory: &Memory,
    begin: impl FnOnce(),
) -> Result<Carried, StageError> {
    let (stage, key) = (job.stage(), job.key());
    let here = if device.is_cuda() { Compute::Cuda(0) } else { Compute::Cpu };
    if let Some(planned) = job.compute().filter(|planned| planned.kind() != here.kind()) {
        // The key says where the result was computed.
        let (planned, here) = (planned.kind(), here.kind());
        return Err(StageError::failed(format!("it was planned for the device {planned}, and this worker has {here}")));
    }
    let Some(_claim) = store.claim(&key).map_err(StageError::io(store.root()))? else { return Ok(Carried::Busy) };
    match alive::during(|| store.lookup(stage, &key, Check::Contents)) {
        Lookup::Hit(_) => return Ok(Carried::Found),
        Lookup::Newer(newer) => return Err(StageError::failed(newer)),
        Lookup::Miss | Lookup::Corrupt(_) => {}
    }
    begin();
    let start = Instant::now();
    machine::forget_peak_memory();
    let context = StageContext::new(store, progress, memory);
    let draft = store.draft(stage, &key).map_err(StageError::io(store.root()))?;
    match job {
        Job::Simulate { data } => simulate::run(data, &draft, &context)?,
        Job::Train { dataset, model, train, start, threads, engine, .. } => {
            train::run(dataset, model, train, start.as_deref(), (device, *engine), *threads, &key, &draft, &context)?;
        }
        Job::Explain { dataset, network, explain, engine, .. } => {
            explain::run(dataset, network, explain, (device, *engine), &draft, &context)?;
        }
        Job::Evaluate { dataset, network, relevance, task, explain, evaluate, engine, .. } => {
            let keys = (dataset, network, relevance);
            evaluate::run(keys, *task, explain, evaluate, (device, *engine), &draft, &context)?;
        }
        Job::Render { dataset, network, relevance, subset, heatmaps } => {
            render::run((dataset, network, relevance), *subset, heatmaps, &draft, &context)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let memory = machine::peak_memory_bytes();
    alive::during(|| draft.publish(job.inputs(), seconds, memory)).map_err(StageError::io(store.root()))?;
    // What a later attempt would have gone on from is of no more use.
    let _ = store.remove_scratch(&key);
    Ok(Carried::Done(seconds))
}

#[cfg(test)]
mod chain_tests;
