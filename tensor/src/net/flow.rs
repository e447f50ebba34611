//! A tensor on its way through a network with residual blocks (see `xdlreg_core::net`: `shapes`).

use tch::Tensor;

use super::layer::Layer;

/// What layers have made so far, with what waits for the sums of open residual blocks.
#[derive(Debug)]
pub struct Flow {
    pub x: Tensor,
    waiting: Vec<Tensor>,
}

impl Flow {
    pub fn new(input: Tensor) -> Self {
        Self { x: input, waiting: Vec::new() }
    }

    /// Goes through `layer`, which `compute` carries out unless it is part of a residual block.
    pub fn step(&mut self, layer: &Layer, compute: impl FnOnce(&Layer, &Tensor) -> Tensor) {
        const OPEN: &str = "the residual blocks of a network are whole";
        match layer {
            Layer::Branch => self.waiting.push(self.x.shallow_clone()),
            Layer::Shortcut => std::mem::swap(&mut self.x, self.waiting.last_mut().expect(OPEN)),
            Layer::Sum => self.x = self.waiting.pop().expect(OPEN) + &self.x,
            layer => self.x = compute(layer, &self.x),
        }
    }
}
