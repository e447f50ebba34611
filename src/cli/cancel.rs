//! `xdlreg-run cancel DIR`: asks the runner of an experiment to stop.

use super::FoldersArgs;
use crate::error::{EXIT_OK, Result};
use crate::runner::{ResultsFolder, Standing};
use crate::terminal::print_line;

pub fn run(args: &FoldersArgs) -> Result<u8> {
    for path in &args.folders {
        let standing = Standing::read(path)?;
        if !standing.running {
            print_line(&format!("{}: nothing is running", standing.frozen.name));
            continue;
        }
        ResultsFolder::at(path).ask_to_cancel()?;
        print_line(&format!("{}: asked to stop; run the same command again to go on", standing.frozen.name));
    }
    Ok(EXIT_OK)
}
