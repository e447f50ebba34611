//! Explainers side by side, which take the images of a chunk in batches.

use std::sync::Mutex;
use std::thread;

use xdlreg_core::event::{Progress, ProgressSink};
use xdlreg_core::explain::{Facts, Method, Sum};

use super::engine::largest;
use super::error::ExplainError;
use super::explainer::{Explainer, Target};
use super::ledger::Taken;
use super::reference::Root;
use crate::net::Network;

/// Images propagated at once on a CPU: few enough that a batch's feature maps stay in a core's cache.
const CPU_BATCH: usize = 4;
/// Images propagated at once on a GPU.
const GPU_BATCH: usize = 256;
/// Batches of a chunk that each explainer gets: many enough that waiting for the last one costs little.
const BATCHES: usize = 32;

/// One explainer a thread.
pub(super) struct Team {
    explainers: Vec<Explainer>,
    batch: usize,
    /// Numbers of an image, and of its map.
    values: usize,
    /// Numbers the network puts out for an image.
    outputs: usize,
    /// Linear layers of the network.
    layers: usize,
    /// The output that is explained; the largest of an image by default.
    class: Option<usize>,
}

/// Where the explanations of a chunk of images go.
pub(super) struct Chunk<'a> {
    pub images: &'a [f32],
    /// Index of the first image.
    pub first: usize,
    pub maps: &'a mut [f32],
    /// What is explained, a number an image.
    pub outputs: &'a mut [f32],
    /// An entry an image and linear layer.
    pub taken: &'a mut [Taken],
    /// What else is known of each map.
    pub facts: &'a mut [Facts],
}

/// How images of a whole set are explained.
pub(super) struct Work<'a> {
    pub method: &'a Method,
    /// What maps are meant to add up to.
    pub sum: Option<Sum>,
    pub root: Option<Root>,
    pub class: Option<usize>,
    /// Whether no image has a pixel below zero.
    pub non_negative: bool,
    /// How many images there are.
    pub total: usize,
}

impl Team {
    /// As many explainers as libtorch has threads, on a GPU one.
    pub fn new(net: &Network, work: &Work, layers: usize) -> Result<Self, ExplainError> {
        let threads = tch::get_num_threads();
        let (batch, workers) =
            if net.device().is_cuda() { (GPU_BATCH, 1) } else { (CPU_BATCH, threads.max(1) as usize) };
        // Each explainer computes alone; that several threads wait for each other at every small step costs more than
        // it gains.
        tch::set_num_threads(1);
        let explainers: Result<Vec<_>, _> = (0..workers.min(work.total.div_ceil(batch)))
            .map(|_| {
                let root = work.root.clone();
                Explainer::new(net, work.method, work.sum, root, work.non_negative)
            })
            .collect();
        tch::set_num_threads(threads);
        let (values, outputs, class) = (net.spec().input.values(), net.spec().outputs(), work.class);
        Ok(Self { explainers: explainers?, batch, values, outputs, layers, class })
    }

    /// Images that are best explained at a time: whole batches, so that maps do not depend on how images are divided.
    pub fn chunk(&self) -> usize {
        let batches = if self.batch == GPU_BATCH { 1 } else { BATCHES * self.explainers.len().max(1) };
        self.batch * batches
    }

    /// Explains a chunk of `total` images.
    pub fn explain(&mut self, chunk: Chunk, total: usize, sink: &dyn ProgressSink) {
        let Chunk { images, first, maps, outputs, taken, facts } = chunk;
        let (batch, values, per_image, class) = (self.batch, self.values, self.outputs, self.class);
        let targets = maps.chunks_mut(batch * values).zip(taken.chunks_mut(batch * self.layers));
        let batches = targets.zip(outputs.chunks_mut(batch)).zip(facts.chunks_mut(batch)).enumerate();
        let queue = Mutex::new((batches, first as u64));
        let threads = tch::get_num_threads();
        thread::scope(|scope| {
            for explainer in &mut self.explainers {
                let queue = &queue;
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    let next = || queue.lock().expect("no worker panics with the lock").0.next();
                    while let Some((index, (((maps, ledger), outputs), facts))) = next() {
                        let start = index * batch;
                        let input = &images[start * values..][..maps.len()];
                        let mut target = Target { maps, ledger, facts };
                        let put = explainer.explain(input, class, first + start, &mut target);
                        for (output, put) in outputs.iter_mut().zip(put.chunks_exact(per_image)) {
                            *output = put[class.unwrap_or_else(|| largest(put))];
                        }
                        let done = {
                            let mut queue = queue.lock().expect("no worker panics with the lock");
                            queue.1 += outputs.len() as u64;
                            queue.1
                        };
                        sink.report(Progress::Step { done, total: total as u64, unit: "maps".into() });
                    }
                });
            }
        });
        tch::set_num_threads(threads);
    }
}
