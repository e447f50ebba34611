pub mod event;
pub mod explain;
pub mod raster;
pub mod seed;
pub mod sim;
pub mod spec;
pub mod stage;
