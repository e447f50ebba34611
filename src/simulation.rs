//! `run_simulation`: an experiment from a Rust program, in the original's terms.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::error::Result;
use crate::reporter::{Style, reporter};
use crate::runner::{Outcome, RunOptions, run_experiment};
use crate::sim::{Distribution, GrowthMode};
use crate::spec::{ExperimentSpec, Layers, ResolvedSpec};

/// The arguments of XDLreg's `run_simulation`, with its defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSimulation {
    /// Where the results folder is made.
    pub path: PathBuf,
    /// Number of pumpkins.
    pub n_samples: usize,
    /// Whether ages are uniform; otherwise they gather around `target_bias`.
    pub uniform: bool,
    /// In years. Only read when `uniform` is false; 55 if it is not given.
    pub target_bias: Option<f64>,
    pub growth_mode: GrowthMode,
    pub epochs: usize,
    /// How many heatmaps are drawn.
    pub plot_n_heatmaps: usize,
    pub seed: u64,
}

impl Default for RunSimulation {
    fn default() -> Self {
        Self {
            path: "results".into(),
            n_samples: 2000,
            uniform: true,
            target_bias: None,
            growth_mode: GrowthMode::Human,
            epochs: 25,
            plot_n_heatmaps: 20,
            seed: 0,
        }
    }
}

/// The age around which XDLreg's biased distribution gathers by default.
const DEFAULT_BIAS: f64 = 55.0;

impl RunSimulation {
    /// The experiment that these arguments stand for. Its name tells its settings, as the original's folders do.
    pub fn spec(&self) -> ExperimentSpec {
        let mut spec = ExperimentSpec::default();
        let bias = (!self.uniform).then(|| self.target_bias.unwrap_or(DEFAULT_BIAS));
        let ages = bias.map_or("uniform".to_owned(), |bias| format!("non-uniform-{bias}"));
        let growth_mode = serde_json::to_value(self.growth_mode).unwrap_or_default();
        let growth_mode = growth_mode.as_str().unwrap_or_default();
        spec.experiment.name = format!("{}_{growth_mode}_{ages}_{}-epochs", self.n_samples, self.epochs);
        spec.experiment.output = self.path.display().to_string();
        spec.data.n_samples = self.n_samples.into();
        spec.data.distribution = if self.uniform { Distribution::Uniform } else { Distribution::Biased };
        spec.data.target_bias = bias;
        spec.data.growth_mode = self.growth_mode;
        spec.data.seed = self.seed;
        spec.model.seed = self.seed;
        spec.train.epochs = self.epochs;
        spec.heatmaps.count = self.plot_n_heatmaps;
        spec
    }

    /// The validated spec.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for arguments that cannot be carried out.
    pub fn resolve(&self) -> Result<ResolvedSpec> {
        ResolvedSpec::new(self.spec(), Layers::default())
    }
}

/// Simulates, trains, explains, evaluates and renders, as XDLreg's function of this name does; what is finished
/// already is not done again. The worker program `xdlreg-worker` must lie beside this program or on the PATH.
///
/// `examples/run_simulation.rs` is a whole program.
///
/// ```no_run
/// use xdlreg::{RunSimulation, run_simulation};
///
/// let outcome = run_simulation(&RunSimulation { n_samples: 200, epochs: 2, ..RunSimulation::default() })?;
/// for run in &outcome.runs {
///     println!("test MAE {:?} years, tables in {}", run.score("test_mae"), outcome.folder.display());
/// }
/// # Ok::<(), xdlreg::error::Error>(())
/// ```
///
/// # Errors
/// See [`run_experiment`].
pub fn run_simulation(arguments: &RunSimulation) -> Result<Outcome> {
    let (resolved, options) = (arguments.resolve()?, RunOptions::default());
    run_experiment(&resolved, &options, reporter(Style::Quiet).as_mut(), &AtomicBool::new(false))
}
