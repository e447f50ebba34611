//! `xdlreg-run predict`: a table of predictions for images from a file.

use std::path::Path;

use super::PredictArgs;
use super::files::{absolute, fill, publish, unwritable};
use super::networks::{ask, file, settings};
use crate::error::{EXIT_OK, Error, Result};
use crate::protocol::Request;
use crate::runner::resolve_device;
use crate::spec::check;
use crate::store::{arrays, dataset};
use crate::tables::{PredictionFormat, PredictionTable};
use crate::terminal::print_line;

pub fn run(args: &PredictArgs) -> Result<u8> {
    let format = format_of(&args.out)?;
    let (spec, layers) = settings(&args.network, &args.sets)?;
    check(&layers, spec.run.validate())?;
    let network = file(&args.network, &spec, &layers)?;
    resolve_device(spec.run.device)?;
    let mut count = 0;
    publish(&args.out, |temporary| {
        let (images, out) = (absolute(&args.images), absolute(temporary));
        ask(&Request::PredictFiles { network: network.clone(), images, out }, spec.run.device)?;
        // The worker leaves an array there, which the table takes the place of.
        let failed = |error: &dyn std::fmt::Display| Error::Failed { message: error.to_string(), help: None };
        let predictions = arrays::read_vector(temporary).map_err(|error| failed(&error))?;
        let targets = dataset::load_targets(&args.images).ok().flatten();
        count = predictions.len();
        let bytes = PredictionTable { predictions, targets }.to_bytes(format).map_err(|error| failed(&error))?;
        fill(temporary, &bytes).map_err(|error| unwritable(&args.out, &error))
    })?;
    print_line(&format!("{count} predictions in {}", args.out.display()));
    Ok(EXIT_OK)
}

fn format_of(path: &Path) -> Result<PredictionFormat> {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase).as_deref() {
        Some("parquet") => Ok(PredictionFormat::Parquet),
        Some("csv") => Ok(PredictionFormat::Csv),
        _ => Err(Error::usage(
            format!("{}: a table of predictions ends in .parquet or .csv", path.display()),
            "write for example --out predictions.parquet",
        )),
    }
}
