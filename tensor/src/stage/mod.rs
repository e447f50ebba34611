//! Carries out the stages that a worker is asked for, and leaves their results in the store.

mod explain;
mod train;

use std::time::Instant;

use xdlreg::event::ProgressSink;
use xdlreg::machine;
use xdlreg::stage::{Job, StageContext, StageError, evaluate, render, simulate};
use xdlreg::store::{Lookup, Store};

pub use explain::explain_files;

use crate::net::device;

/// Carries out `job` and publishes its result. Returns the seconds it took.
///
/// # Errors
/// [`StageError`] for settings that lead nowhere (a training that diverges, relevance that is not finite) and for
/// files that cannot be read or written.
pub fn carry_out(job: &Job, store: &Store, progress: &dyn ProgressSink) -> Result<f64, StageError> {
    let (stage, key) = (job.stage(), job.key());
    if let Lookup::Hit(entry) = store.lookup(stage, &key) {
        // Another worker was faster.
        return Ok(entry.manifest.seconds);
    }
    let start = Instant::now();
    machine::forget_peak_memory();
    let context = StageContext { store, progress };
    let draft = store.draft(stage, &key).map_err(StageError::io(store.root()))?;
    match job {
        Job::Simulate { data } => simulate::run(data, &draft, &context)?,
        Job::Train { dataset, model, train, compute, threads } => {
            train::run(dataset, model, train, device::of(*compute), *threads, &key, &draft, &context)?;
        }
        Job::Explain { dataset, network, explain, compute } => {
            explain::run(dataset, network, explain, device::of(*compute), &draft, &context)?;
        }
        Job::Evaluate { dataset, network, relevance, task, subset } => {
            evaluate::run((dataset, network, relevance), *task, *subset, &draft, &context)?;
        }
        Job::Render { dataset, network, relevance, subset, heatmaps } => {
            render::run((dataset, network, relevance), *subset, heatmaps, &draft, &context)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    draft.publish(job.inputs(), seconds, machine::peak_memory_bytes()).map_err(StageError::io(store.root()))?;
    // What a later attempt would have gone on from is of no more use.
    let _ = std::fs::remove_dir_all(store.scratch(&key));
    Ok(seconds)
}
