//! Declarative experiments on explainable deep learning for regression.
//!
//! Data flows one way: a spec ([`spec`]) is expanded into a plan of stages ([`stage`], [`runner`]), which simulate
//! pumpkins ([`sim`]), train a network, explain its predictions, score the explanations ([`metric`]) and draw
//! them ([`figure`]). What needs libtorch is in the package `xdlreg-tensor`; nothing here loads it.

pub mod alive;
pub mod cli;
pub mod clock;
pub mod disk;
pub mod error;
mod escape;
pub mod event;
mod excerpt;
pub mod explain;
pub mod figure;
mod home;
pub mod machine;
pub mod metric;
pub mod raster;
pub mod report;
pub mod reporter;
pub mod runner;
pub mod seed;
mod shown;
pub mod sim;
mod simulation;
pub mod spec;
pub mod stage;
pub mod store;
pub mod terminal;

/// The recipes of CONTRIBUTING.md, as tests.
#[cfg(doctest)]
#[doc = include_str!("../CONTRIBUTING.md")]
struct Contributing;

pub use simulation::{RunSimulation, run_simulation};
