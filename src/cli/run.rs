//! `xdlreg-run SPEC`: run an experiment, or go on with it.

use super::{RunArgs, plan, stop};
use crate::error::{EXIT_FAILED, EXIT_OK, Result};
use crate::reporter::{Style, reporter, summarize};
use crate::runner::{RunOptions, run_experiment};
use crate::spec::ResolvedSpec;
use crate::store::Check;
use crate::terminal::{self, tell_line};

pub fn run(args: &RunArgs) -> Result<u8> {
    let flags = &args.flags;
    if flags.dry_run {
        return plan::show(&args.spec, &flags.over, flags.jobs.map(usize::from));
    }
    let resolved = ResolvedSpec::read(&args.spec, &flags.over.sets, flags.over.output.as_deref())?;
    let options = RunOptions {
        spec_path: Some(args.spec.clone()),
        jobs: flags.jobs.map(usize::from),
        join: flags.join,
        fail_fast: flags.fail_fast,
        check: if flags.trust_times { Check::Times } else { Check::Contents },
    };
    let style = match (flags.quiet, flags.json) {
        (true, _) => Style::Quiet,
        (_, true) => Style::Json,
        _ => Style::Auto,
    };
    execute(&resolved, &options, style)
}

/// Runs a resolved spec and shows what came out.
pub fn execute(resolved: &ResolvedSpec, options: &RunOptions, style: Style) -> Result<u8> {
    let outcome = run_experiment(resolved, options, reporter(style).as_mut(), stop::on_signal()?)?;
    if style == Style::Auto {
        terminal::print_lines(&summarize(&outcome, terminal::columns()));
    }
    if let Some(trouble) = terminal::take_trouble() {
        // The exit code tells of the runs; they are complete.
        let folder = outcome.folder.display();
        tell_line(&format!("standard output could not be written ({trouble}); the results are in {folder}"));
    }
    Ok(if outcome.is_complete() { EXIT_OK } else { EXIT_FAILED })
}
