//! Max-pooling that remembers its winners. Relevance is routed to them.

use tch::Tensor;

use crate::net::layer::{POOL, pool_padding};

/// SAME max-pooling of `[n, channels, rows, columns]` (channels innermost in memory), and each window's winner: the
/// first in row-major order among equals, as a flat index into its plane.
pub(super) fn forward(x: &Tensor) -> (Tensor, Tensor) {
    let (side, stride, padding) = geometry(x);
    x.max_pool2d_with_indices(side, stride, padding, [1, 1], true)
}

/// Adds up at every pixel of x the relevance of all windows that it won.
pub(super) fn backward(x: &Tensor, winners: &Tensor, relevance: &Tensor) -> Tensor {
    let (side, stride, padding) = geometry(x);
    x.max_pool2d_with_indices_backward(relevance, side, stride, padding, [1, 1], true, winners)
}

fn geometry(x: &Tensor) -> ([i64; 2], [i64; 2], [i64; 2]) {
    let (side, stride) = POOL;
    let size = x.size();
    ([side, side], [stride, stride], [pool_padding(size[2]), pool_padding(size[3])])
}
