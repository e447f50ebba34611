//! The flags of XDLreg's console command, with its defaults.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueHint};

use super::args::path;
use super::run::execute;
use crate::RunSimulation;
use crate::error::Result;
use crate::reporter::Style;
use crate::runner::RunOptions;
use crate::sim::GrowthMode;

/// Simulate pumpkins, train PumpkinNet, explain its predictions
#[derive(Debug, Parser)]
#[command(name = "xdlreg", version, after_help = "For everything else there is `xdlreg-run SPEC`.")]
pub struct Original {
    /// Folder for results
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "P", default_value = "results")]
    pub path: PathBuf,
    /// Number of pumpkins
    #[arg(long = "n_samples", value_name = "N", default_value_t = 2000)]
    pub n_samples: usize,
    /// Uniform ages; otherwise they gather around the target bias
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, value_parser = boolean)]
    pub uniform: bool,
    /// Age in years around which ages gather when they are not uniform [default: 55]
    #[arg(long = "target_bias", value_name = "B")]
    pub target_bias: Option<f64>,
    /// What ageing does
    #[arg(long = "growth_mode", value_name = "M", default_value = "human")]
    pub growth_mode: GrowthMode,
    /// Passes over the training set
    #[arg(long, value_name = "E", default_value_t = 25)]
    pub epochs: usize,
    /// How many heatmaps are drawn
    #[arg(long = "plot_n_heatmaps", value_name = "K", default_value_t = 20)]
    pub plot_n_heatmaps: usize,
    /// Write events as JSON lines to standard output, for the Python package
    #[arg(long, hide = true)]
    pub json: bool,
}

/// The spellings that the original accepts, in any case.
fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "0" => Ok(false),
        _ => Err("expected a truth value: true, t, yes, y or 1; false, f, no, n or 0".into()),
    }
}

/// Runs the experiment that the flags stand for.
pub fn run(args: Original) -> Result<u8> {
    let simulation = RunSimulation {
        path: args.path,
        n_samples: args.n_samples,
        uniform: args.uniform,
        target_bias: args.target_bias,
        growth_mode: args.growth_mode,
        epochs: args.epochs,
        plot_n_heatmaps: args.plot_n_heatmaps,
        ..RunSimulation::default()
    };
    let style = if args.json { Style::Json } else { Style::Auto };
    execute(&simulation.resolve()?, &RunOptions::default(), style)
}
