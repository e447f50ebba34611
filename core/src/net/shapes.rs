//! Shapes on their way through a network with residual blocks.
//!
//! A network is a list of layers also where it has residual blocks: `Branch`, the layers of the branch, `Shortcut`, those of the
//! shortcut, `Sum`. Whoever goes through the list keeps what waits for its sum on a stack, so blocks may hold blocks.

use super::layer::{LayerSpec, Shape};

/// What waits for the end of its residual block.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    /// The input of the block, for its shortcut.
    Input(Shape),
    /// What the branch made of it, for the sum.
    Branch(Shape),
}

/// A shape at some place of a network, with those that wait.
#[derive(Debug, Clone)]
pub struct Shapes {
    shape: Shape,
    waiting: Vec<Waiting>,
}

impl Shapes {
    pub fn new(input: Shape) -> Self {
        Self { shape: input, waiting: Vec::new() }
    }

    /// The shape here.
    pub fn here(&self) -> Shape {
        self.shape
    }

    /// Whether no residual block is open.
    pub fn is_outside(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What `layer` makes of the shape here, or why it does not fit.
    pub fn step(&mut self, layer: LayerSpec) -> Result<Shape, String> {
        let input = self.shape;
        self.shape = match (layer, self.waiting.last()) {
            (LayerSpec::Branch, _) => {
                self.waiting.push(Waiting::Input(input));
                input
            }
            (LayerSpec::Shortcut, Some(Waiting::Input(kept))) => {
                let kept = *kept;
                self.waiting.pop();
                self.waiting.push(Waiting::Branch(input));
                kept
            }
            (LayerSpec::Sum, Some(Waiting::Branch(branch))) => {
                if *branch != input {
                    return Err(format!(
                        "the branch makes {branch} of it, but the shortcut {input}: both must be alike"
                    ));
                }
                self.waiting.pop();
                input
            }
            (LayerSpec::Shortcut | LayerSpec::Sum, _) => {
                return Err(
                    "a residual block begins with its branch, goes on with its shortcut and ends with the sum".into()
                );
            }
            (layer, _) => layer.output(input)?,
        };
        Ok(self.shape)
    }
}
