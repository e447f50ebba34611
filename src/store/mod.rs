//! What is written to disk and read again.

pub mod arrays;
mod claim;
pub mod dataset;
mod entry;
pub mod inputs;
mod key;
mod npy;
pub mod planes;
pub mod table;
pub mod tables;

pub use claim::Claim;
pub use entry::{Draft, Entry, Lookup, Manifest, Store, temporary, write_atomically};
pub use key::Key;
