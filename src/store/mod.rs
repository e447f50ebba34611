//! What is written to disk and read again.

pub mod arrays;
mod checksum;
mod claim;
pub mod dataset;
mod draft;
#[cfg(test)]
mod durable_tests;
mod entry;
mod folder;
mod guard;
pub mod inputs;
mod key;
mod npy;
mod npz;
pub mod planes;
mod receipt;
pub mod seal;
mod source;
pub mod table;
pub mod tables;

pub use claim::{Alone, Claim, InUse};
pub use draft::Draft;
pub use entry::{Check, Entry, Manifest};
pub use folder::{Found, Lookup, Store};
pub use key::{Key, is_run_id, may_name_run, read_run_id};
pub use receipt::Receipt;
