//! `provenance.json`: what made the results.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::clock;
use crate::machine;
use crate::spec::ResolvedSpec;
use crate::stage::{Compute, LIBTORCH_VERSION};

/// Versions, machine, command line, seeds and the layers of the spec.
pub fn describe(resolved: &ResolvedSpec, spec_path: Option<&Path>, compute: Compute, workers: usize) -> Value {
    let spec = &resolved.spec;
    json!({
        "xdlreg_version": env!("CARGO_PKG_VERSION"),
        "libtorch_version": LIBTORCH_VERSION,
        "git": git(spec_path.and_then(Path::parent).unwrap_or(Path::new(""))),
        "command_line": std::env::args_os().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        "spec_file": spec_path.map(|path| path.to_string_lossy()),
        "layers": resolved.layers.iter().map(|layer| layer.origin.to_string()).collect::<Vec<_>>(),
        "seeds": { "data": spec.data.seed, "model": spec.model.seed },
        "compute": compute,
        "cpu": machine::cpu(),
        "cores": machine::cores(),
        "workers": workers,
        "threads_per_worker": spec.run.threads_per_worker,
        "operating_system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "run_host": machine::host(),
        "started_at": clock::now(),
    })
}

/// Commit and dirtiness of the repository that a spec lies in, if it lies in one.
fn git(folder: &Path) -> Value {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match ask(&["rev-parse", "HEAD"]) {
        Some(commit) => {
            json!({ "commit": commit, "dirty": ask(&["status", "--porcelain"]).is_some_and(|s| !s.is_empty()) })
        }
        None => Value::Null,
    }
}
