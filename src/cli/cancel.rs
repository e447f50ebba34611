//! `xdlreg-run cancel DIR`: asks the runner of an experiment to stop, and ends its jobs on a cluster.

use super::FoldersArgs;
use crate::error::{EXIT_OK, Error, Result};
use crate::runner::slurm::{self, Ledger};
use crate::runner::{ResultsFolder, Standing};
use crate::terminal::print_line;

pub fn run(args: &FoldersArgs) -> Result<u8> {
    for path in &args.folders {
        let standing = Standing::read(path)?;
        let folder = ResultsFolder::at(path);
        let jobs = Ledger::read(folder.folder())?.open_names();
        if !jobs.is_empty() {
            // The marker first: a job that is told to end would put itself back into the queue.
            folder.ask_to_cancel()?;
            slurm::scancel(&jobs).map_err(|refused| {
                let help = "jobs that begin now find the experiment cancelled and end at once; give the command again";
                Error::failed(format!("Slurm does not cancel the jobs: {refused}"), help)
            })?;
            print_line(&format!(
                "{}: its jobs are cancelled; run the same command again to go on",
                standing.frozen.name
            ));
            continue;
        }
        if !standing.running {
            print_line(&format!("{}: nothing is running", standing.frozen.name));
            continue;
        }
        folder.ask_to_cancel()?;
        print_line(&format!("{}: asked to stop; run the same command again to go on", standing.frozen.name));
    }
    Ok(EXIT_OK)
}
