//! Arguments as typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::comparison::OutputFormat;
use crate::home;
use crate::picture::{Colormap, PictureFormat};
use crate::runner::Shard;
use crate::sim::{Distribution, GrowthMode};

/// Reads a path with `~` for the home folder, which shells do not expand behind a `=`.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|path| home::expand(Path::new(&path)))
}

/// Declarative experiments on explainable deep learning for regression
#[derive(Debug, Parser)]
#[command(
    name = "xdlreg-run",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit codes: 0 all done; 1 some runs failed; 2 the spec or the command line is wrong, nothing was \
                  written; 130 interrupted, the same command goes on later."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The experiment, a TOML file
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, required = true)]
    spec: Option<PathBuf>,
    #[command(flatten)]
    flags: RunFlags,
}

impl Cli {
    /// The verb; a bare SPEC runs it.
    pub fn verb(self) -> Command {
        match (self.command, self.spec) {
            (Some(command), _) => command,
            (None, Some(spec)) => Command::Run(RunArgs { spec, flags: self.flags }),
            (None, None) => unreachable!("SPEC is required where there is no verb"),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment, or continue it
    Run(RunArgs),
    /// Show what would run, what is cached and what is shared
    Plan(PlanArgs),
    /// Show what a spec would read: images, targets, masks, groups and rows that are left out
    Inspect(PlanArgs),
    /// Show the progress of experiments, also while they run
    Status(FoldersArgs),
    /// Show what happened to a run, with the logs of its workers
    Logs(OneRunArgs),
    /// Show the inputs of a run's results, and why a stage is not cached
    Why(OneRunArgs),
    /// Show which settings of two runs differ, and their scores side by side
    Compare(CompareArgs),
    /// Stop a running experiment
    Cancel(FoldersArgs),
    /// Free space in the store; results folders keep their contents
    Clean(CleanArgs),
    /// Simulate pumpkins and write them to a file for NumPy
    Simulate(SimulateArgs),
    /// Explain the predictions of a network
    Explain(ExplainArgs),
    /// Predict images with a network
    Predict(PredictArgs),
    /// Show the layers of a network: shapes, parameters, multiplications, receptive field
    Network(NetworkArgs),
    /// Draw heatmaps of relevance maps
    Render(RenderArgs),
    /// Draw the figures and the report of a results folder again
    Report(ReportArgs),
    /// Print the JSON Schema of specs, for editors
    Schema,
    /// Print shell completions
    Completions(CompletionsArgs),
}

/// What is laid over a spec file.
#[derive(Debug, Clone, Args)]
pub struct OverArgs {
    /// Set a key of the spec, such as train.epochs=2
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Folder in which the results folder is created, instead of experiment.output
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Executor, instead of run.executor: local or slurm
    #[arg(long, value_name = "NAME", value_parser = ["local", "slurm"])]
    pub executor: Option<String>,
}

impl OverArgs {
    /// The settings of these options.
    pub fn settings(&self) -> Vec<String> {
        let executor = self.executor.iter().map(|executor| format!("run.executor={executor}"));
        self.sets.iter().cloned().chain(executor).collect()
    }
}

#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The experiment, a TOML file
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath)]
    pub spec: PathBuf,
    #[command(flatten)]
    pub over: OverArgs,
}

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The experiment, a TOML file
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath)]
    pub spec: PathBuf,
    #[command(flatten)]
    pub flags: RunFlags,
}

/// How an experiment is run.
#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    #[command(flatten)]
    pub over: OverArgs,
    /// Number of worker processes, instead of run.workers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Help another xdlreg-run that is running the same experiment
    #[arg(long)]
    pub join: bool,
    /// Carry out the I-th of N parts; when all parts are done, the same command without this option writes the
    /// tables
    #[arg(long, value_name = "I/N", conflicts_with_all = ["join", "dry_run"])]
    pub shard: Option<Shard>,
    /// Follow the jobs of a cluster until they are done; without this option they are only submitted, and the
    /// same command collects their results
    #[arg(long)]
    pub wait: bool,
    /// Stop at the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Trust stored results that have the recorded size and modification time, instead of verifying their
    /// checksums
    #[arg(long)]
    pub trust_times: bool,
    /// Verify the checksums of all stored results, as is done anyway
    #[arg(long, hide = true, conflicts_with = "trust_times")]
    pub verify: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Show failures only
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Write events as JSON lines to standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct FoldersArgs {
    /// Results folders, such as results/quickstart
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct OneRunArgs {
    /// A results folder, such as results/quickstart
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, value_name = "DIR")]
    pub folder: PathBuf,
    /// A run's identifier, or how it begins
    #[arg(value_name = "RUN")]
    pub run: String,
}

#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// A results folder, such as results/sweep
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, value_name = "DIR")]
    pub folder: PathBuf,
    /// Two runs, by their identifiers or how these begin
    #[arg(value_name = "RUN", num_args = 2, required_unless_present = "by", conflicts_with = "by")]
    pub runs: Vec<String>,
    /// Compare the values of this setting over seeds, such as explain.analyzer
    #[arg(long, value_name = "KEY", requires = "metric")]
    pub by: Option<String>,
    /// A score of runs.parquet or measurements.parquet, such as causal_spearman; may be given several times
    #[arg(long, value_name = "NAME", requires = "by")]
    pub metric: Vec<String>,
    /// The value that the others are compared with; by default the first
    #[arg(long, value_name = "VALUE", requires = "by")]
    pub baseline: Option<String>,
    /// How the comparison is printed
    #[arg(long, value_enum, default_value_t = OutputFormat::Text, requires = "by")]
    pub format: OutputFormat,
    /// A file for a figure of the comparison, .svg or .png
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "FILE", requires = "by")]
    pub figure: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct CleanArgs {
    /// Folders with results folders in them, such as results
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Remove results that no experiment's plan uses
    #[arg(long)]
    pub orphans: bool,
    /// Remove results that are older than this, such as 30d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    pub older_than: Option<Duration>,
    /// Remove the oldest results until the store is smaller than this, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = super::clean::parse_size)]
    pub max_size: Option<u64>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Number of pumpkins; per age, if ages are given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub n: u32,
    /// How pumpkins change with age: human, eternal, tang_ping or no_growth
    #[arg(long, value_name = "MODE", default_value = "human")]
    pub growth_mode: GrowthMode,
    /// An age in years; may be given several times
    #[arg(long, value_name = "YEARS", conflicts_with_all = ["distribution", "target_bias"],
          value_parser = clap::value_parser!(u32).range(0..=120))]
    pub age: Vec<u32>,
    /// How ages are distributed: uniform or biased
    #[arg(long, value_name = "NAME", default_value = "uniform")]
    pub distribution: Distribution,
    /// The age around which a biased distribution is concentrated
    #[arg(long, value_name = "YEARS")]
    pub target_bias: Option<f64>,
    /// Seed of everything that is random
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: u64,
    /// The file to write
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "SET.npz")]
    pub out: PathBuf,
}

/// A network: that of a spec, or of a file that was written here; or the network of a spec with other weights.
#[derive(Debug, Clone, Args)]
pub struct WhichNetworkArgs {
    /// A trained network; PyTorch state dicts are accepted
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "NET.safetensors",
          required_unless_present = "spec")]
    pub weights: Option<PathBuf>,
    /// A spec whose [model] describes the layers and, without --weights, names their weights
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "SPEC")]
    pub spec: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct PredictArgs {
    #[command(flatten)]
    pub network: WhichNetworkArgs,
    /// Images [n, height, width] or [n, channels, height, width], as .npy or .npz
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "IMAGES")]
    pub images: PathBuf,
    /// Set a key, such as run.device=cpu
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The table to write, .parquet or .csv
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "PREDICTIONS")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct NetworkArgs {
    /// The experiment, a TOML file
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath)]
    pub spec: PathBuf,
    /// Set a key of the spec, such as model.dense_units=32
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub network: WhichNetworkArgs,
    /// Images [n, height, width], as .npy or .npz, such as `simulate` writes
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "IMAGES")]
    pub images: PathBuf,
    /// Method of explanation, such as lrp.epsilon
    #[arg(long, value_name = "NAME")]
    pub analyzer: Option<String>,
    /// Set a key, such as explain.epsilon=0.01 or run.device=cpu
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The file to write: maps [n, height, width], float32
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "MAPS.npy")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// Images [n, height, width], as .npy or .npz; the signs in a file of `simulate` are marked
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "IMAGES")]
    pub images: PathBuf,
    /// Relevance maps [n, height, width], such as `explain` writes
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "MAPS.npy")]
    pub maps: PathBuf,
    /// Ages [n] in years, of any type of numbers, for names and titles
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "AGES.npy")]
    pub ages: Option<PathBuf>,
    /// Predictions [n] in years, for names and titles
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "PREDICTIONS.npy")]
    pub predictions: Option<PathBuf>,
    /// Label the colour bar with relevance instead of -1 to 1
    #[arg(long)]
    pub true_scale: bool,
    /// The unit of the maps, such as years, for a colour bar with --true-scale
    #[arg(long, value_name = "UNIT", requires = "true_scale")]
    pub unit: Option<String>,
    /// The colours of relevance
    #[arg(long, value_enum, default_value_t = Colormap::Published)]
    pub colormap: Colormap,
    /// Format of the pictures
    #[arg(long, value_enum, default_value_t = PictureFormat::Png)]
    pub format: PictureFormat,
    /// The folder to write pictures into
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// A run for which figures are drawn, if there are many runs; may be given several times
    #[arg(long, value_name = "RUN_ID")]
    pub run: Vec<String>,
    /// Results folders
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath, required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell to print them for
    pub shell: Shell,
}
