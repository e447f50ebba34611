//! XDLreg's `run_simulation` from a Rust program:
//!
//! ```text
//! cargo run --release --example run_simulation -- [FOLDER] [N_SAMPLES] [EPOCHS]
//! ```

#![allow(clippy::print_stdout, reason = "a program of its own prints as it likes")]

use std::error::Error;

use xdlreg::{RunSimulation, run_simulation};

fn main() -> Result<(), Box<dyn Error>> {
    let mut given = std::env::args().skip(1);
    let path = given.next().unwrap_or_else(|| "results".into()).into();
    let n_samples = given.next().map_or(Ok(500), |count| count.parse())?;
    let epochs = given.next().map_or(Ok(12), |count| count.parse())?;
    let arguments = RunSimulation { path, n_samples, epochs, plot_n_heatmaps: 5, ..RunSimulation::default() };

    let outcome = run_simulation(&arguments)?;
    for run in &outcome.runs {
        match (run.score("test_mae"), &run.reason) {
            (Some(mae), _) => println!("run {}: test MAE {mae:.2} years", run.run_id),
            (None, reason) => {
                println!("run {} has no test MAE: {}", run.run_id, reason.as_deref().unwrap_or("unknown"))
            }
        }
    }
    println!("tables and heatmaps in {}", outcome.folder.display());
    Ok(())
}
