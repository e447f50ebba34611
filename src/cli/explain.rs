//! `xdlreg-run explain`: relevance maps of images from a file.

use super::ExplainArgs;
use super::files::{absolute, publish};
use super::networks::{ask, file, settings};
use crate::error::{EXIT_OK, Result};
use crate::protocol::Request;
use crate::runner::resolve_device;
use crate::spec::{Origin, check};
use crate::store::planes;
use crate::terminal::print_line;

pub fn run(args: &ExplainArgs) -> Result<u8> {
    let (mut spec, mut layers) = settings(&args.network, &args.sets)?;
    if let Some(name) = &args.analyzer {
        let value = toml::Value::String(name.clone());
        layers.push_value(Origin::CommandLine(format!("--analyzer {name}")), "explain.analyzer", value)?;
        spec.explain = layers.merge()?.explain;
    }
    check(&layers, [spec.explain.validate(), spec.run.validate()].concat())?;
    let network = file(&args.network, &spec, &layers)?;
    resolve_device(spec.run.device)?;
    let mut predicted = Vec::new();
    publish(&args.out, |temporary| {
        let request = Request::ExplainFiles {
            network: network.clone(),
            images: absolute(&args.images),
            explain: spec.explain.clone(),
            out: absolute(temporary),
        };
        predicted = ask(&request, spec.run.device)?;
        Ok(())
    })?;
    for (image, prediction) in predicted.iter().enumerate() {
        print_line(&format!("image {image}: prediction {prediction}"));
    }
    let count = planes::read_shape(&args.out).map_or(predicted.len(), |(count, _)| count);
    if count > predicted.len() {
        print_line(&format!("... and {} more: `xdlreg-run predict` writes all", count - predicted.len()));
    }
    print_line(&format!("maps in {}", args.out.display()));
    Ok(EXIT_OK)
}
