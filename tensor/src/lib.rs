//! The tensor side of xdlreg: PumpkinNet, its training and its explanation, with libtorch.

pub mod explain;
pub mod net;
pub mod stage;
