//! `xdlreg-run inspect SPEC`: what a spec would read, without training.

use std::fmt::Write;

use super::PlanArgs;
use crate::data::{Dataset, Fact, facts};
use crate::error::{EXIT_OK, Error, Result};
use crate::event::silent;
use crate::sim;
use crate::source::{self, Problem, Source};
use crate::spec::ResolvedSpec;
use crate::terminal::print;

/// So many data sets are described, and so many rows that are left out are listed.
const SHOWN: usize = 8;
const LISTED: usize = 20;

/// Reads all data sets of a spec and says what is in them; nothing is written.
pub fn run(args: &PlanArgs) -> Result<u8> {
    let resolved = ResolvedSpec::read(&args.spec, &args.over.sets, args.over.output.as_deref())?;
    let mut sources: Vec<Source> = Vec::new();
    for cell in &resolved.cells {
        let source = cell.spec.data.to_source();
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let mut text = String::new();
    for (index, source) in sources.iter().take(SHOWN).enumerate() {
        if sources.len() > 1 {
            let _ = writeln!(text, "{}data set {} of {}", if index > 0 { "\n" } else { "" }, index + 1, sources.len());
        }
        text += &describe(source)?;
    }
    if sources.len() > SHOWN {
        let _ = writeln!(text, "\n... and {} more data sets", sources.len() - SHOWN);
    }
    print(&text);
    Ok(EXIT_OK)
}

fn describe(source: &Source) -> Result<String> {
    let mut all: Vec<Fact> = Vec::new();
    let (dataset, excluded): (Dataset, &[Problem]) = match source {
        Source::Pumpkins(settings) => {
            all.push(("source".to_owned(), "simulated pumpkins".to_owned()));
            let failed = |error: sim::SimulateError| Error::Failed { message: error.to_string(), help: None };
            (sim::simulate(settings, &silent).map_err(failed)?.into(), &[])
        }
        Source::Files(files) => {
            all.push(("table".to_owned(), files.table.display().to_string()));
            let failed =
                |error: source::BadData| Error::Failed { message: error.to_string(), help: Some(error.help.clone()) };
            (source::read(files).map_err(failed)?.0, &files.excluded)
        }
    };
    all.extend(facts(&dataset));
    all.push(("values".to_owned(), values(&dataset)));
    let width = all.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, fact) in all {
        let _ = writeln!(text, "{name:width$}  {fact}");
    }
    if !excluded.is_empty() {
        let _ = writeln!(text, "rows left out: {}", left_out(excluded));
        for problem in excluded.iter().take(LISTED) {
            let _ = writeln!(text, "  {problem}");
        }
        if excluded.len() > LISTED {
            let _ = writeln!(text, "  ... and {} more", excluded.len() - LISTED);
        }
    }
    Ok(text)
}

/// How many rows have some problem.
fn left_out(problems: &[Problem]) -> usize {
    problems.iter().filter_map(|problem| problem.place).collect::<std::collections::HashSet<_>>().len()
}

/// The range, the mean and the standard deviation of all values of all images.
fn values(dataset: &Dataset) -> String {
    let pixels = dataset.images.pixels();
    let (low, high) = pixels.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let count = pixels.len() as f64;
    let mean = pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = pixels.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    format!("{low} to {high}, mean {mean:.4}, standard deviation {:.4}", variance.sqrt())
}
