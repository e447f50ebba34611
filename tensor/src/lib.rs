pub mod explain;
pub mod net;
