//! What is written to disk and read again.

pub mod arrays;
mod claim;
pub mod dataset;
mod draft;
#[cfg(test)]
mod durable_tests;
mod entry;
mod folder;
mod hold;
pub mod inputs;
mod npy;
mod npz;
mod npz_writer;
pub mod planes;
pub mod pumpkins;
mod receipt;
pub mod seal;
mod source;

/// The folder of the store, beside the results folders.
pub const STORE: &str = ".store";

pub use claim::{Alone, Claim, InUse};
pub use draft::Draft;
pub use entry::{Check, Entry, Manifest};
pub use folder::{Found, Lookup, Store};
pub use hold::Hold;
pub use receipt::Receipt;
