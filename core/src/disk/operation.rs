//! Every change of the disk passes here, so that tests can interrupt and record it.
//!
//! `XDLREG_CRASH_AT=[PROGRAM:]N` aborts a process immediately before its N-th operation, counted from 1;
//! `[PROGRAM:]N+` in the middle of it: half of what it writes is written, or the operation was done and nothing after it.
//! With PROGRAM, such as `xdlreg-worker`, other programs are left alone.
//!
//! `XDLREG_TRACE_DISK=FILE` appends a JSON object a line for every operation that was done, of all processes together:
//! `process`, `program`, `operation` (see [`Operation`]) and `path`; `to` of a rename; `text` of what was appended.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::json;

/// What is done to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// An empty file is created.
    Create,
    /// A new file is written to.
    Write,
    /// A line is added to a file.
    Append,
    /// A file's contents are on the disk.
    SyncFile,
    /// A folder's names are on the disk.
    SyncFolder,
    Rename,
    /// A file gets another name.
    Link,
    /// A name is removed.
    Remove,
    MakeFolder,
}

/// Where to abort.
struct Crash {
    at: u64,
    /// In the middle of the operation.
    within: bool,
}

static CRASH: LazyLock<Option<Crash>> = LazyLock::new(|| parse(&std::env::var("XDLREG_CRASH_AT").ok()?, &program()));
static TRACE: LazyLock<Option<File>> = LazyLock::new(|| {
    let path = std::env::var_os("XDLREG_TRACE_DISK")?;
    File::options().create(true).append(true).open(path).ok()
});
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The name of this program.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    Path::new(&path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn parse(text: &str, program: &str) -> Option<Crash> {
    let (of, place) = text.rsplit_once(':').unwrap_or((program, text));
    let number = place.trim_end_matches('+');
    let at = number.parse().ok().filter(|_| of == program)?;
    Some(Crash { at, within: number != place })
}

/// Counts an operation and aborts before it, if that is asked for. Returns whether to abort in the middle of it.
fn begin() -> bool {
    let Some(crash) = &*CRASH else { return false };
    let due = COUNT.fetch_add(1, Ordering::SeqCst) + 1 == crash.at;
    if due && !crash.within {
        std::process::abort();
    }
    due
}

/// Aborts in the middle of an operation, if that is asked for: also of one that failed, which may be no trouble to anyone.
fn interrupt(within: bool) {
    if within {
        std::process::abort();
    }
}

/// Records an operation that was done.
fn trace(operation: Operation, path: &Path, more: Option<(&str, &str)>) {
    let Some(mut trace) = TRACE.as_ref() else { return };
    let mut line = json!({ "process": std::process::id(), "program": program(), "operation": operation, "path": path });
    if let Some((key, value)) = more {
        line[key] = value.into();
    }
    // Tests miss a line that cannot be written.
    let _ = trace.write_all(format!("{line}\n").as_bytes());
}

/// Does an operation.
pub fn perform<T>(operation: Operation, path: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let within = begin();
    let done = act();
    interrupt(within);
    let done = done?;
    trace(operation, path, None);
    Ok(done)
}

/// Gives a file another name.
pub fn rename(path: &Path, to: &Path, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let within = begin();
    let done = act();
    interrupt(within);
    done?;
    trace(Operation::Rename, path, Some(("to", &to.to_string_lossy())));
    Ok(())
}

/// Writes to a file, in one call where the system takes it whole.
pub fn write(operation: Operation, path: &Path, mut file: &File, bytes: &[u8]) -> io::Result<()> {
    let within = begin();
    let written = file.write_all(if within { &bytes[..bytes.len() / 2] } else { bytes });
    interrupt(within);
    written?;
    let text = (operation == Operation::Append).then(|| String::from_utf8_lossy(bytes));
    trace(operation, path, text.as_ref().map(|text| ("text", text.trim_end())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_for_one_program_or_all() {
        let parsed = |text| parse(text, "xdlreg-run").map(|crash| (crash.at, crash.within));
        assert_eq!([parsed("7"), parsed("7+")], [Some((7, false)), Some((7, true))]);
        assert_eq!([parsed("xdlreg-run:7+"), parsed("xdlreg-worker:7")], [Some((7, true)), None]);
        assert_eq!([parsed(""), parsed("x"), parsed("-1")], [None, None, None]);
    }
}
