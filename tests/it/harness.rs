//! Scenes: a working folder, programs that are run in it, and the results that they leave.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use polars::prelude::*;
use serde_json::Value;

/// The smallest experiment there is.
///
/// A few epochs on so few images teach a network nothing: it goes on saying the mean of all ages, from which it starts. The
/// seed is one whose test set is so much younger than its training set that even this beats the mean of the training set,
/// by 7 % or more for 100 to 120 pumpkins. So the run is done, and not by luck.
pub const TINY: &str = r#"
[data]
n_samples = 100
seed = 126

[train]
epochs = 1

[heatmaps]
count = 1

[run]
device = "cpu"
"#;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of the programs that cargo built.
pub fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_xdlreg-run")).parent().expect("a program lies in a folder")
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A working folder that goes with its test.
pub struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A scene with `spec.toml`.
    pub fn with_spec(spec: &str) -> Self {
        Self::new().file("spec.toml", spec)
    }

    /// Adds a file, in place of what was there.
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        self.write(name, contents);
        self
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the scene")).expect("a folder in the scene");
        fs::write(path, contents).expect("a file in the scene");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of this project, about to be run in the scene with none of the caller's settings.
    pub fn command(&self, program: &str) -> Command {
        self.prepare(Command::new(programs().join(program)))
    }

    /// Any command, about to be run as [`Scene::command`].
    pub fn prepare(&self, mut command: Command) -> Command {
        let settings = std::env::vars_os().map(|(name, _)| name);
        for name in settings.filter(|name| name.to_string_lossy().starts_with("XDLREG_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs `xdlreg-run` with arguments that contain no spaces.
    pub fn run(&self, arguments: &str) -> Ended {
        Ended::of(self.command("xdlreg-run").args(arguments.split_whitespace()))
    }

    /// Starts `xdlreg-run` and returns at once.
    pub fn start(&self, arguments: &str) -> Child {
        let mut command = self.command("xdlreg-run");
        command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("xdlreg-run starts")
    }

    /// The results folder of an experiment called `name`.
    pub fn results(&self, name: &str) -> Results {
        Results { folder: self.path("results").join(name) }
    }

    /// Every file and folder below `folder`, sorted.
    pub fn listing(&self, folder: &str) -> Vec<String> {
        listing(&self.path(folder))
    }
}

/// Every file and folder below `folder`, sorted, with / between names.
pub fn listing(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for item in fs::read_dir(folder).into_iter().flatten() {
            let path = item.expect("an item of a folder").path();
            found.push(path.strip_prefix(root).expect("it lies below").to_string_lossy().replace('\\', "/"));
            if path.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes| String::from_utf8(bytes).expect("what is said is UTF-8");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "standard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Asserts that all of `parts` were said on standard error, line breaks of the layout aside.
    #[track_caller]
    pub fn complains(self, parts: &[&str]) -> Self {
        let said = self.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(said.contains(part), "it did not say `{part}`:\n{}", self.stderr);
        }
        self
    }
}

/// A results folder.
pub struct Results {
    pub folder: PathBuf,
}

impl Results {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A table by its name, such as "runs".
    pub fn table(&self, name: &str) -> DataFrame {
        let path = self.path(&format!("{name}.parquet"));
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        ParquetReader::new(file).finish().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The events so far; an experiment that is just beginning has none.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("events.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("an event is a line of JSON")).collect()
    }

    /// Waits until an event occurs for which `wanted` holds.
    pub fn wait_for(&self, wanted: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        while !self.events().iter().any(&wanted) {
            assert!(start.elapsed() < PATIENCE, "it did not happen: {:?}", self.events());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The identifier of the only run.
    pub fn run_id(&self) -> String {
        let mut ids = texts(&self.table("runs"), "run_id");
        assert_eq!(ids.len(), 1);
        ids.remove(0)
    }

    /// A score of the only run.
    pub fn score(&self, name: &str) -> f64 {
        numbers(&self.table("runs"), name)[0]
    }
}

/// Names of the stages that had `event`, in order.
pub fn stages(events: &[Value], event: &str) -> Vec<String> {
    let of_kind = events.iter().filter(|line| line["event"] == event);
    of_kind.map(|line| line["stage"].as_str().expect("it names its stage").to_owned()).collect()
}

/// A column of numbers without gaps.
#[track_caller]
pub fn numbers(table: &DataFrame, column: &str) -> Vec<f64> {
    let column = table.column(column).expect("the column exists").cast(&DataType::Float64).expect("numbers");
    column.f64().expect("numbers").iter().map(|value| value.expect("no gap")).collect()
}

/// A column of texts without gaps.
#[track_caller]
pub fn texts(table: &DataFrame, column: &str) -> Vec<String> {
    let column = table.column(column).expect("the column exists").str().expect("texts");
    column.iter().map(|value| value.expect("no gap").to_owned()).collect()
}

/// A float32 array: its shape and values.
pub fn read_npy(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    npy(&bytes, "<f4", f32::from_le_bytes)
}

/// The shape and the values of an array in NumPy's format, whose values are four bytes of type `kind`.
#[track_caller]
pub fn npy<T>(bytes: &[u8], kind: &str, value: fn([u8; 4]) -> T) -> (Vec<u64>, Vec<T>) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\0");
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..length]).expect("text");
    assert!(header.contains(&format!("'descr': '{kind}'")) && header.contains("'fortran_order': False"), "{header}");
    let (_, shape) = header.split_once("'shape': (").expect("a shape");
    let (shape, _) = shape.split_once(')').expect("a shape");
    let shape: Vec<u64> = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    let values: Vec<T> =
        bytes[length..].chunks_exact(4).map(|four| value(four.try_into().expect("four bytes"))).collect();
    assert_eq!(shape.iter().product::<u64>(), values.len() as u64);
    (shape, values)
}

/// Writes a float32 array in NumPy's format.
pub fn write_npy(path: &Path, shape: &[u64], values: &[f32]) {
    let sides: String = shape.iter().map(|side| format!("{side},")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::write(path, bytes).expect("a new file");
}

/// The float32 tensors of a safetensors file: shape and values by name.
pub fn read_safetensors(path: &Path) -> BTreeMap<String, (Vec<u64>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (length, rest) = bytes.split_first_chunk().expect("the header's length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: serde_json::Map<String, Value> = serde_json::from_slice(header).expect("a header of JSON");
    let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, about)| {
            assert_eq!(about["dtype"], "F32", "{name}");
            let list = |key: &str| -> Vec<u64> { serde_json::from_value(about[key].clone()).expect("whole numbers") };
            let (shape, place) = (list("shape"), list("data_offsets"));
            let values = data[place[0] as usize..place[1] as usize].chunks_exact(4);
            let values = values.map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect();
            (name, (shape, values))
        })
        .collect()
}

/// Asserts that two executions of one spec gave the same tables, but for time, memory, host and place.
#[track_caller]
pub fn assert_same_tables(one: &Results, other: &Results) {
    for name in ["predictions", "measurements", "signs", "samples"] {
        let file = format!("{name}.parquet");
        assert!(one.bytes(&file) == other.bytes(&file), "{file} differs");
    }
    for name in ["runs", "epochs"] {
        let lasting = |results: &Results| {
            let table = results.table(name);
            let names = table.get_column_names_owned();
            let fleeting = ["_seconds", "_bytes", "_at", "_host"];
            table.drop_many(names.into_iter().filter(|name| fleeting.iter().any(|end| name.ends_with(end))))
        };
        let (one, other) = (lasting(one), lasting(other));
        assert!(one.width() > 3 && one.equals_missing(&other), "{name} differ:\n{one}\n{other}");
    }
}

/// Sends a signal, such as KILL. Returns whether there was a process to get it.
pub fn signal(process: u32, name: &str) -> bool {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).stderr(Stdio::null()).status();
    status.expect("kill is there").success()
}

/// The processes that a process started; nothing of one that has ended.
#[cfg(target_os = "linux")]
pub fn children(process: u32) -> Option<Vec<u32>> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    Some(list.split_whitespace().map(|child| child.parse().expect("a process id")).collect())
}

/// Asserts that nothing half-written is left below a folder.
#[track_caller]
pub fn assert_no_leftovers(folder: &Path) {
    let files = listing(folder);
    let leftovers: Vec<&String> =
        files.iter().filter(|name| name.ends_with(".tmp") || name.contains("/tmp/")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

/// Asserts that a program is on the PATH: a test that cannot be carried out without it must not pass.
#[track_caller]
pub fn require_program(name: &str) {
    assert!(has_program(name), "this test needs the program `{name}`, and without it nothing is tested: install it");
}

/// Whether a program is on the PATH.
pub fn has_program(name: impl AsRef<OsStr>) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
