//! Threads that share the images of a batch.

use std::ops::Range;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use xdlreg_core::raster::RasterStack;

use super::backward::Workspace;
use super::forward::Inputs;
use super::isa::{Isa, Predict};
use super::layout::Layout;

/// Threads with their buffers.
#[derive(Debug)]
pub struct Team {
    pub isa: Isa,
    pub layout: Layout,
    pool: ThreadPool,
    pub workspaces: Vec<Workspace>,
}

impl Team {
    /// `None` where the system gives no threads.
    pub fn new(isa: Isa, layout: Layout, threads: usize) -> Option<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().ok()?;
        Some(Self { isa, workspaces: vec![Workspace::new(&layout); threads], layout, pool })
    }

    /// Lets every thread do `work` for a contiguous part of `0..count`, and concatenates the results.
    pub fn share(
        &mut self,
        count: usize,
        work: impl Fn(&mut Workspace, &Layout, Range<usize>) -> Vec<f32> + Sync,
    ) -> Vec<f32> {
        let (layout, parts) = (&self.layout, self.workspaces.len());
        if parts == 1 {
            return work(&mut self.workspaces[0], layout, 0..count);
        }
        let part = |index: usize| index * count / parts..(index + 1) * count / parts;
        let spaces = &mut self.workspaces;
        let results: Vec<Vec<f32>> = self.pool.install(|| {
            spaces.par_iter_mut().enumerate().map(|(index, space)| work(space, layout, part(index))).collect()
        });
        results.concat()
    }

    /// Raw outputs for `samples` of `images` in evaluation mode.
    pub fn outputs(&mut self, inputs: Inputs, images: &RasterStack, samples: &[usize]) -> Vec<f32> {
        let isa = self.isa;
        self.share(samples.len(), |space, layout, part| {
            let mut outputs = Vec::with_capacity(part.len() * layout.outputs);
            for index in part {
                xdlreg_core::alive::tick();
                let image = images.get(samples[index]).pixels;
                isa.run(&mut Predict { space, layout, inputs, image });
                outputs.extend(&space.forward.hidden.outputs);
            }
            outputs
        })
    }
}
