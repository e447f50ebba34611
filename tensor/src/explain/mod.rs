//! Explanations: one engine that carries out the rules and composites of [`xdlreg::explain`].

mod engine;
mod error;
mod explainer;
#[cfg(target_arch = "x86_64")]
mod kernel;
mod ledger;
mod linear;
mod memory;
mod pool;
mod propagate;
mod reference;
mod relevance;
mod rule;
mod stabilise;

use std::sync::Mutex;
use std::thread;

use xdlreg::event::{Progress, ProgressSink};
use xdlreg::explain::analyzer;
use xdlreg::raster::{Raster, RasterStack, SIDE};
use xdlreg::spec::{ExplainSettings, Reference};

use engine::{AREA, largest};
pub use error::ExplainError;
use explainer::{Explainer, Target};
pub use ledger::{Ledger, Taken};
use linear::Linear;
use reference::Root;
pub use reference::Samples;

use crate::net::PumpkinNet;

/// Images propagated at once on a CPU: few enough that a batch's feature maps stay in a core's cache.
const CPU_BATCH: usize = 4;
/// Images propagated at once on a GPU.
const GPU_BATCH: usize = 256;

/// Relevance of every pixel of every image.
#[derive(Debug, Clone, PartialEq)]
pub struct RelevanceMaps {
    /// A map an image; for relevance propagation of a regression in years.
    pub maps: RasterStack,
    /// What is explained: ages in years, or the larger logit.
    pub outputs: Vec<f32>,
    /// What it is explained against: years, 0 without a reference.
    pub reference: f64,
    /// What layers kept, where relevance is propagated from the prediction.
    pub ledger: Option<Ledger>,
}

/// Explains the prediction of `net` for every image; `samples` are those that references are taken from.
///
/// On a CPU, as many batches are propagated side by side as libtorch has threads; the maps do not depend on that
/// number. Memory does not grow with the number of images, but for the maps.
///
/// # Errors
/// [`ExplainError`] for an unknown analyzer, images of another size, a reference that cannot be reached, and relevance
/// that is not finite.
pub fn explain(
    net: &PumpkinNet,
    images: &RasterStack,
    settings: &ExplainSettings,
    samples: Option<Samples>,
    sink: &dyn ProgressSink,
) -> Result<RelevanceMaps, ExplainError> {
    let (height, width) = (images.height(), images.width());
    if (height, width) != (SIDE, SIDE) {
        return Err(ExplainError::ImageSize { height, width });
    }
    let analyzer = analyzer(&settings.analyzer)
        .ok_or_else(|| ExplainError::UnknownAnalyzer { name: settings.analyzer.clone() })?;
    let method = analyzer.method(settings);
    let root = Root::find(settings.reference.unwrap_or(Reference::None), net, samples)?;
    if let Some(root) = &root {
        root.check(&net.predict(images))?;
    }
    let non_negative = images.pixels().iter().fold(true, |none, &pixel| none & (pixel >= 0.0));
    let threads = tch::get_num_threads();
    let (batch, workers) = if net.device().is_cuda() { (GPU_BATCH, 1) } else { (CPU_BATCH, threads.max(1) as usize) };
    // Each worker computes alone; that several threads wait for each other at every small step costs more than it gains.
    tch::set_num_threads(1);
    let explainers: Result<Vec<_>, _> = (0..workers.min(images.len().div_ceil(batch)))
        .map(|_| Explainer::new(net, &method, root.clone(), non_negative))
        .collect();
    tch::set_num_threads(threads);
    let explainers = explainers?;

    let mut maps = RasterStack::zeros(images.len(), height, width);
    let mut outputs = vec![0.0; images.len()];
    let mut ledger = Ledger { layers: linear_layers(net), taken: Vec::new() };
    ledger.taken.resize(images.len() * ledger.layers.len(), Taken::default());
    let layers = ledger.layers.len();
    let targets = maps.pixels_mut().chunks_mut(batch * AREA).zip(ledger.taken.chunks_mut(batch * layers));
    let batches = targets.zip(outputs.chunks_mut(batch)).enumerate();
    let queue = Mutex::new((batches, 0));
    let total = images.len() as u64;
    thread::scope(|scope| {
        for mut explainer in explainers {
            let queue = &queue;
            let put_out = net.architecture().outputs();
            scope.spawn(move || {
                tch::set_num_threads(1);
                let next = || queue.lock().expect("no worker panics with the lock").0.next();
                while let Some((index, ((maps, ledger), outputs))) = next() {
                    let start = index * batch;
                    let input = &images.pixels()[start * AREA..][..maps.len()];
                    let put = explainer.explain(input, start, &mut Target { maps, ledger });
                    for (output, put) in outputs.iter_mut().zip(put.chunks_exact(put_out)) {
                        *output = put[largest(put)];
                    }
                    let done = {
                        let mut queue = queue.lock().expect("no worker panics with the lock");
                        queue.1 += outputs.len() as u64;
                        queue.1
                    };
                    sink.report(Progress::Step { done, total, unit: "maps".into() });
                }
            });
        }
    });
    tch::set_num_threads(threads);
    let finite = |map: Raster| map.pixels.iter().fold(true, |finite, pixel| finite & pixel.is_finite());
    let broken = maps.iter().position(|map| !finite(map));
    match broken {
        Some(sample) => Err(ExplainError::NotFinite { sample, analyzer: settings.analyzer.clone() }),
        None => Ok(RelevanceMaps {
            maps,
            outputs,
            reference: root.map_or(0.0, |root| root.reference),
            ledger: method.relevance().map(|_| ledger),
        }),
    }
}

/// Names of the layers that rules act on, from the input on.
fn linear_layers(net: &PumpkinNet) -> Vec<String> {
    net.layers.iter().filter(|(_, layer)| Linear::of(layer).is_some()).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod rule_tests;
