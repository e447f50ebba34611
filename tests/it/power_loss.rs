//! A loss of power: what is reported as finished is on the disk before it is reported. Held to the recorded sequence of all
//! operations on the disk: write, fsync of the file, rename, fsync of the folder.

use std::collections::{HashMap, HashSet};
use std::fs;

use serde_json::Value;

use crate::harness::{Ended, Results, Scene, TINY, assert_no_leftovers, assert_same_tables, listing};

/// Runs an experiment and returns what all its processes did to the disk.
fn trace(scene: &Scene) -> Vec<Value> {
    let mut command = scene.command("xdlreg-run");
    command.arg("spec.toml").env("XDLREG_TRACE_DISK", scene.path("trace"));
    Ended::of(&mut command).succeeds();
    let text = fs::read_to_string(scene.path("trace")).expect("a trace");
    text.lines().map(|line| serde_json::from_str(line).expect("an operation")).collect()
}

fn text<'a>(operation: &'a Value, key: &str) -> &'a str {
    operation[key].as_str().unwrap_or_default()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// What the disk holds for sure, by the operations so far.
#[derive(Default)]
struct Disk {
    /// Files with contents that are not on the disk.
    dirty_files: HashSet<String>,
    /// Folders with names that are not on the disk, and what those are.
    dirty_folders: HashMap<String, HashSet<String>>,
    /// Names that are on the disk. What takes the place of one of them: after a loss of power it is the old or the new one.
    known: HashSet<String>,
}

impl Disk {
    fn see(&mut self, operation: &Value) {
        let path = text(operation, "path").to_owned();
        match text(operation, "operation") {
            "create" | "write" => {
                self.dirty_files.insert(path.clone());
                self.name(&path);
            }
            "sync_file" => drop(self.dirty_files.remove(&path)),
            "sync_folder" => self.known.extend(self.dirty_folders.remove(&path).unwrap_or_default()),
            "remove" => drop(self.known.remove(&path)),
            "make_folder" | "link" => self.name(&path),
            "rename" => {
                self.assert_whole(&path);
                // What is below moves along.
                self.dirty_folders.entry(parent(&path).into()).or_default().remove(&path);
                self.name(text(operation, "to"));
            }
            _ => {}
        }
    }

    fn name(&mut self, path: &str) {
        if self.known.contains(path) {
            return;
        }
        self.dirty_folders.entry(parent(path).into()).or_default().insert(path.into());
    }

    /// Asserts that a file, or all that is in a folder, would survive a loss of power as it is.
    #[track_caller]
    fn assert_whole(&self, path: &str) {
        let below = format!("{path}/");
        let concerns = |other: &str| other == path || other.starts_with(&below);
        let files: Vec<&String> = self.dirty_files.iter().filter(|file| concerns(file)).collect();
        assert!(files.is_empty(), "{path} is moved into place before these are on the disk: {files:?}");
        let names = self.dirty_folders.iter().filter(|(folder, _)| concerns(folder)).flat_map(|(_, names)| names);
        let names: Vec<&String> = names.collect();
        assert!(names.is_empty(), "{path} is moved into place before these names are on the disk: {names:?}");
    }

    /// Asserts that a path and all above it are found after a loss of power.
    #[track_caller]
    fn assert_found(&self, path: &str, why: &str) {
        self.assert_whole(path);
        let mut path = path;
        while !path.is_empty() {
            let named = self.dirty_folders.get(parent(path)).is_none_or(|names| !names.contains(path));
            assert!(named, "{path} may be gone after {why}");
            path = parent(path);
        }
    }
}

#[test]
fn what_is_reported_as_finished_is_on_the_disk() {
    let sweep = "[[sweep]]\nseeds = 2\n";
    let scene =
        Scene::with_spec(&format!("{}\n{sweep}", TINY.replace("epochs = 1", "epochs = 3\ncheckpoint_every = 1")));
    let mut disk = Disk::default();
    let mut reported: HashMap<String, usize> = HashMap::new();
    for operation in trace(&scene) {
        if operation["operation"] != "append" {
            disk.see(&operation);
            continue;
        }
        let event: Value = serde_json::from_str(text(&operation, "text")).expect("an event");
        let kind = text(&event, "event");
        *reported.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "experiment_started" => disk.assert_found("results/spec/plan.json", kind),
            "epoch_finished" => {
                let state = format!("results/.store/scratch/{}/state.safetensors", text(&event, "key"));
                disk.assert_found(&state, kind);
            }
            "stage_finished" => {
                let entry = format!("results/.store/{}/{}", text(&event, "stage"), text(&event, "key"));
                disk.assert_found(&entry, kind);
            }
            "run_finished" => {
                let id = text(&event, "run_id");
                for file in ["models/ID.safetensors", "relevance/ID.npy", "heatmaps/ID", "tensorboard/ID"] {
                    disk.assert_found(&format!("results/spec/{}", file.replace("ID", id)), kind);
                }
            }
            "experiment_finished" => {
                for table in ["runs", "epochs", "predictions", "measurements", "samples"] {
                    disk.assert_found(&format!("results/spec/{table}.parquet"), kind);
                }
            }
            _ => {}
        }
    }
    let count = |kind: &str| reported.get(kind).copied().unwrap_or_default();
    let counts =
        ["experiment_started", "epoch_finished", "stage_finished", "run_finished", "experiment_finished"].map(count);
    assert_eq!(counts, [1, 6, 10, 2, 1], "{reported:?}");
}

/// Crashes before and amid operations of a program, from the first on, with a few steps between them.
fn crash_at_many_operations(program: &str, step: usize) {
    let spec = format!("{}\n[[sweep]]\nseeds = 2\n", TINY.replace("[run]", "[run]\nretries = 0"));
    let scene = Scene::with_spec(&spec);
    scene.run("spec.toml --output undisturbed").succeeds();
    let undisturbed = Results { folder: scene.path("undisturbed/spec") };
    for (round, operation) in (1..).step_by(step).enumerate() {
        let amid = if round % 2 == 0 { "" } else { "+" };
        let output = format!("crashed-{operation}");
        let mut command = scene.command("xdlreg-run");
        command.args(["spec.toml", "--quiet", "--output", &output]);
        let ended = Ended::of(command.env("XDLREG_CRASH_AT", format!("{program}:{operation}{amid}")));
        if ended.code == Some(0) {
            assert!(round > 3, "it crashed {round} times only");
            return;
        }
        scene.run(&format!("spec.toml --output {output}")).succeeds();
        let results = Results { folder: scene.path(&output).join("spec") };
        assert_same_tables(&undisturbed, &results);
        assert_no_leftovers(&scene.path(&output));
        assert_eq!(listing(&results.path("heatmaps")), listing(&undisturbed.path("heatmaps")));
    }
}

#[test]
fn a_runner_that_crashed_at_any_operation_goes_on_to_the_same_tables() {
    crash_at_many_operations("xdlreg-run", 37);
}

#[test]
fn a_worker_that_crashed_at_any_operation_costs_nothing_but_time() {
    crash_at_many_operations("xdlreg-worker", 11);
}
