//! `xdlreg-run SPEC`: run an experiment, or go on with it.

use super::{RunArgs, plan, stop};
use crate::error::{EXIT_FAILED, EXIT_OK, Result};
use crate::reporter::{Style, reporter, summarize};
use crate::runner::{RunOptions, Shard, run_experiment, run_shard};
use crate::spec::{ExecutorChoice, ResolvedSpec};
use crate::store::Check;
use crate::terminal::{self, print_line, tell_line};

/// So many runs of a part that failed are named.
const SHOWN: usize = 20;

pub fn run(args: &RunArgs) -> Result<u8> {
    let flags = &args.flags;
    if flags.dry_run {
        return plan::show(&args.spec, &flags.over, flags.jobs.map(usize::from));
    }
    let resolved = ResolvedSpec::read(&args.spec, &flags.over.settings(), flags.over.output.as_deref())?;
    let options = RunOptions {
        spec_path: Some(args.spec.clone()),
        jobs: flags.jobs.map(usize::from),
        join: flags.join,
        wait: flags.wait,
        fail_fast: flags.fail_fast,
        check: if flags.trust_times { Check::Times } else { Check::Contents },
    };
    let style = match (flags.quiet, flags.json) {
        (true, _) => Style::Quiet,
        (_, true) => Style::Json,
        _ => Style::Auto,
    };
    match flags.shard {
        Some(shard) => execute_shard(&resolved, shard, &options, style),
        None => execute(&resolved, &options, style),
    }
}

/// Does a part of an experiment, and says how to go on.
fn execute_shard(resolved: &ResolvedSpec, shard: Shard, options: &RunOptions, style: Style) -> Result<u8> {
    let outcome = run_shard(resolved, shard, options, reporter(style).as_mut(), stop::on_signal()?)?;
    if style == Style::Auto {
        for (run, reason) in outcome.failed.iter().take(SHOWN) {
            print_line(&format!("run {run}: {reason}"));
        }
        let (runs, all) = outcome.runs;
        let (done, failed) = (runs - outcome.failed.len(), outcome.failed.len());
        print_line(&format!("part {shard}: {runs} of {all} runs; {done} done, {failed} failed or invalid"));
        print_line("when all parts are done, the same command without --shard writes the tables and the report");
    }
    Ok(if outcome.failed.is_empty() { EXIT_OK } else { EXIT_FAILED })
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
    let is_submitted =
        resolved.spec.run.executor == ExecutorChoice::Slurm && outcome.failed == 0 && outcome.invalid == 0;
    Ok(if outcome.is_complete() || is_submitted { EXIT_OK } else { EXIT_FAILED })
}
