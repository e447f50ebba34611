//! `xdlreg-run cancel DIR`: asks the runner of an experiment to stop.

use super::FoldersArgs;
use crate::error::{EXIT_OK, Result};
use crate::runner::{ResultsFolder, Standing};

pub fn run(args: &FoldersArgs) -> Result<u8> {
    for path in &args.folders {
        let standing = Standing::read(path)?;
        if !standing.running {
            println!("{}: nothing is running", standing.frozen.name);
            continue;
        }
        ResultsFolder::at(path).ask_to_cancel()?;
        println!("{}: asked to stop; the same command goes on later", standing.frozen.name);
    }
    Ok(EXIT_OK)
}
