//! Declarative experiments on explainable deep learning for regression.
//!
//! Data flows one way: a spec ([`spec`]) is expanded into a plan of stages ([`stage`], [`runner`]), which simulate
//! pumpkins ([`sim`]), train a network, explain its predictions, score the explanations ([`metric`]) and draw
//! them ([`figure`]). What needs libtorch is in the package `xdlreg-tensor`; nothing here loads it.

pub mod cli;
mod comparison;
pub mod error;
mod excerpt;
pub mod figure;
mod home;
pub mod report;
pub mod reporter;
pub mod runner;
mod simulation;
pub mod spec;
pub mod tables;

/// The recipes of CONTRIBUTING.md, as tests.
#[cfg(doctest)]
#[doc = include_str!("../CONTRIBUTING.md")]
struct Contributing;

// What the front end shares with the workers.
pub use xdlreg_core::{
    alive, clock, data, device, disk, escape, event, exit, explain, format, guard, key, machine, metric, net, picture,
    plan, protocol, raster, seed, settings, shown, sim, source, stage, stage_name, store, task, terminal, unit,
};

pub use simulation::{RunSimulation, run_simulation};
