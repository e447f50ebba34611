//! What is written to disk and read again.

pub mod arrays;
mod claim;
pub mod dataset;
mod draft;
#[cfg(test)]
mod durable_tests;
mod entry;
mod folder;
pub mod inputs;
mod key;
mod npy;
pub mod planes;
pub mod seal;
pub mod table;
pub mod tables;

pub use claim::{Alone, Claim, InUse};
pub use draft::Draft;
pub use entry::{Check, Entry, Manifest};
pub use folder::{Found, Lookup, Store};
pub use key::{Key, is_run_id, may_name_run, read_run_id};
