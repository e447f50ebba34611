//! `xdlreg-run report`: figures and `report.html` of finished experiments, drawn again.

use super::ReportArgs;
use crate::error::{EXIT_OK, Error, Result};
use crate::report::{self, ReportError};
use crate::reporter::{Style, reporter};
use crate::runner::slurm::SLURM;
use crate::runner::{ResultsFolder, collect};
use crate::terminal::print_line;

pub fn run(args: &ReportArgs) -> Result<u8> {
    for folder in &args.folders {
        if !folder.join("runs.parquet").is_file() {
            let message = format!("{} is not a results folder: it has no runs.parquet", folder.display());
            return Err(Error::usage(message, "give the folder that xdlreg-run wrote, such as results/quickstart"));
        }
        let results = ResultsFolder::at(folder);
        if results.folder().kind(SLURM).is_some() {
            // Nobody has to stay while jobs run: what they finished since is collected first.
            collect(folder, reporter(Style::Quiet).as_mut())?;
        }
        let made = report::write(folder, &args.run).map_err(|error| match error {
            ReportError::NoRun(_) => Error::usage(error.to_string(), "runs.parquet names the runs"),
            ReportError::Table(_) => {
                Error::failed(error.to_string(), "run the experiment again, which writes its tables again")
            }
            _ => Error::Failed { message: error.to_string(), help: None },
        })?;
        print_line(&format!("{} figures, and {}", made.figures, made.page.display()));
    }
    Ok(EXIT_OK)
}
