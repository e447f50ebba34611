//! Specs: their text, layers of files and options, sweeps and the plans that follow from them.

use std::collections::HashSet;
use std::path::Path;

use xdlreg::error::{EXIT_USAGE, Error};
use xdlreg::runner::make_plan;
use xdlreg::spec::ResolvedSpec;
use xdlreg::stage::Compute;
use xdlreg::stage_name::StageName;

use crate::Scratch;

/// Separates the parts of an input that has several.
const SEPARATOR: u8 = 0;

/// A spec file.
pub fn text(data: &[u8], scratch: &Scratch) {
    if is_long_sweep(data) {
        return;
    }
    check(&scratch.file("spec.toml", data), &[], scratch);
}

/// A base file, a file that extends it, and `--set` options, separated by zero bytes.
pub fn layers(data: &[u8], scratch: &Scratch) {
    if is_long_sweep(data) {
        return;
    }
    let mut parts = data.split(|&byte| byte == SEPARATOR);
    scratch.file("base.toml", parts.next().unwrap_or_default());
    let top = [b"extends = 'base.toml'\n", parts.next().unwrap_or_default()].concat();
    let sets: Vec<String> = parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    check(&scratch.file("spec.toml", &top), &sets, scratch);
}

/// The inside of a `[[sweep]]` block, and the plan of its runs.
pub fn sweep(data: &[u8], scratch: &Scratch) {
    let text = [b"[[sweep]]\n", data].concat();
    if is_long_sweep(&text) {
        return;
    }
    let Some(resolved) = check(&scratch.file("spec.toml", &text), &[], scratch) else { return };
    let plan = make_plan(&resolved.cells, Compute::Cpu);
    let ids: HashSet<&str> = plan.runs.iter().map(|run| run.run_id.as_str()).collect();
    assert!(!plan.runs.is_empty() && ids.len() == plan.runs.len(), "runs are told apart by their names");
    for (index, task) in plan.tasks.iter().enumerate() {
        assert!(task.key == task.job.key() && task.upstream.iter().all(|&upstream| upstream < index));
    }
    for (index, run) in plan.runs.iter().enumerate() {
        assert!(StageName::ALL.iter().all(|&stage| plan.tasks[run.tasks[stage]].runs.contains(&index)));
    }
}

/// A sweep may have 100,000 cells, which take their time: inputs with numbers of three digits and more are left out
/// where there is a sweep.
fn is_long_sweep(data: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'_');
    data.windows(5).any(|word| word == b"sweep") && data.windows(3).any(digits)
}

/// Reads a spec. What is refused is refused with a message; what is accepted can be carried out, and is written to
/// `spec.toml` so that it is read back as the same.
fn check(path: &Path, sets: &[String], scratch: &Scratch) -> Option<ResolvedSpec> {
    let resolved = match ResolvedSpec::read(path, sets, None) {
        Ok(resolved) => resolved,
        Err(error) => {
            assert_is_told(&error);
            return None;
        }
    };
    assert!(!resolved.cells.is_empty());
    let written = resolved.to_toml();
    let again = ResolvedSpec::read(&scratch.file("again.toml", written.as_bytes()), &[], None);
    let again = again.unwrap_or_else(|error| panic!("{written}\n{}", error.render(false)));
    assert!(again.spec == resolved.spec, "{written}\n{:?}\n{:?}", again.spec, resolved.spec);
    let specs = |resolved: &ResolvedSpec| resolved.cells.iter().map(|cell| cell.spec.clone()).collect::<Vec<_>>();
    assert!(specs(&again) == specs(&resolved), "{written}");
    Some(resolved)
}

fn assert_is_told(error: &Error) {
    let message = error.render(false);
    assert!(!message.trim().is_empty() && error.exit_code() == EXIT_USAGE, "{message}");
}
