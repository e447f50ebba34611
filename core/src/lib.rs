//! The domain of xdlreg: what workers and the front end share.
//!
//! Modules use those above them in this list, never those below (tests/it/layering.rs): pieces of the system ([`disk`],
//! [`terminal`], [`machine`]), vocabulary ([`task`], [`unit`], [`stage_name`], [`key`], [`event`],
//! [`settings`]), what is learned from ([`data`], [`sim`]), domains ([`net`], [`explain`], [`metric`], [`picture`]), the [`store`], and the stages that join them ([`stage`], [`protocol`]).

pub mod alive;
pub mod clock;
pub mod disk;
pub mod escape;
pub mod exit;
pub mod guard;
pub mod machine;
pub mod seed;
pub mod shown;
pub mod terminal;

pub mod device;
pub mod event;
pub mod format;
pub mod key;
pub mod raster;
pub mod settings;
pub mod stage_name;
pub mod task;
pub mod unit;

pub mod data;
pub mod explain;
pub mod metric;
pub mod net;
pub mod picture;
pub mod sim;
pub mod source;

pub mod plan;
pub mod protocol;
pub mod stage;
pub mod store;
