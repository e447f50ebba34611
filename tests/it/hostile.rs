//! Results that came from elsewhere: whatever links, FIFOs and names they hold, no command changes, removes or shows
//! anything outside of them, and none waits for ever.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use polars::prelude::*;
use serde_json::Value;

use crate::harness::{Ended, Scene, TINY, listing, texts};

const SECRET: &str = "what nobody may see or change";

/// No command here takes longer, unless it waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Results of a tiny sweep, made once and copied for each test.
static RESULTS: LazyLock<Scene> = LazyLock::new(|| {
    let scene = Scene::with_spec(&spec());
    scene.run("spec.toml").succeeds();
    scene
});

fn spec() -> String {
    format!("{TINY}\n[[sweep]]\nseeds = 2\n")
}

/// A copy of the results, beside a file and a folder that are nobody's business.
struct Hostile {
    scene: Scene,
    run_ids: Vec<String>,
}

fn hostile() -> Hostile {
    let scene = Scene::with_spec(&spec());
    copy(&RESULTS.path("results"), &scene.path("results"));
    scene.write("victim/inner/file", SECRET);
    scene.write("secret", SECRET);
    let run_ids = texts(&RESULTS.results("spec").table("runs"), "run_id");
    Hostile { scene, run_ids }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

fn remove(path: &Path) {
    let _ = if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

impl Hostile {
    fn path(&self, name: &str) -> PathBuf {
        self.scene.path(name)
    }

    /// Puts a link in the place of a file or folder below `results`; its target is a file or a folder outside.
    fn plant_link(&self, name: &str, target: &str) {
        let path = self.path("results").join(name);
        remove(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.path(target), path).unwrap();
    }

    fn plant_fifo(&self, name: &str) {
        let path = self.path("results").join(name);
        remove(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo is there").success());
    }

    fn commands(&self) -> Vec<String> {
        let (one, other) = (&self.run_ids[0], &self.run_ids[1]);
        let mut commands = vec![
            "status results/spec".to_owned(),
            format!("logs results/spec {one}"),
            format!("why results/spec {one}"),
            format!("compare results/spec {one} {other}"),
            "cancel results/spec".to_owned(),
            "report results/spec".to_owned(),
            "plan spec.toml".to_owned(),
            "spec.toml --quiet".to_owned(),
        ];
        commands.extend(CLEANS.map(str::to_owned));
        commands
    }

    /// The commands for one of many places: two of them cost a second each, and take turns. `make soak` runs all in all places.
    fn commands_for(&self, place: usize) -> Vec<String> {
        let costly = |command: &String| command.starts_with("report") || command.starts_with("spec.toml");
        let (costly, cheap): (Vec<String>, Vec<String>) = self.commands().into_iter().partition(costly);
        let turn = costly[place % costly.len()].clone();
        cheap.into_iter().chain([turn]).collect()
    }

    /// Runs a command to its end, whatever that is. Asserts that it did not hang or panic, and spared what is outside.
    #[track_caller]
    fn survives(&self, command: &str, what: &str) -> Ended {
        let mut child = self.scene.command("xdlreg-run");
        child.args(command.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("xdlreg-run starts");
        let start = Instant::now();
        while child.try_wait().expect("it is a child").is_none() {
            if start.elapsed() > PATIENCE {
                child.kill().expect("it is a child");
                panic!("`{command}` hangs with {what}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().expect("it has ended");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(matches!(ended.code, Some(0..=2)), "`{command}` with {what}: {ended:?}");
        assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET), "`{command}` with {what}: {ended:?}");
        assert_eq!(listing(&self.path("victim")), ["inner", "inner/file"], "`{command}` with {what}");
        for file in ["victim/inner/file", "secret"] {
            let kept = fs::read_to_string(self.path(file)).unwrap_or_default();
            assert_eq!(kept, SECRET, "`{command}` with {what}: {file}");
        }
        ended
    }
}

const CLEANS: [&str; 3] = ["clean results --older-than 0s", "clean results --orphans", "clean results --max-size 0"];

/// Files of a results folder, and of the folders in it.
const FILES: [&str; 12] = [
    "spec/.lock",
    "spec/events.jsonl",
    "spec/plan.json",
    "spec/spec.toml",
    "spec/provenance.json",
    "spec/runs.parquet",
    "spec/predictions.parquet",
    "spec/ensembles.parquet",
    "spec/report.html",
    "spec/.cancel",
    "spec/logs/xdlreg-run.log",
    "spec/logs/worker-0.log",
];

const FOLDERS: [&str; 8] = [
    "spec/logs",
    "spec/models",
    "spec/relevance",
    "spec/relevance/ensembles",
    "spec/heatmaps",
    "spec/tensorboard",
    "spec/checkpoints",
    "spec/figures",
];

/// Folders of a store.
const STORED: [&str; 9] = [
    ".store/scratch",
    ".store/tmp",
    ".store/claims",
    ".store/simulate",
    ".store/train",
    ".store/explain",
    ".store/evaluate",
    ".store/render",
    ".store",
];

#[test]
fn files_that_are_links_change_and_show_nothing_outside() {
    let hostile = hostile();
    for (place, file) in FILES.into_iter().enumerate() {
        for command in hostile.commands_for(place) {
            hostile.plant_link(file, "secret");
            hostile.survives(&command, &format!("{file} -> secret"));
        }
        // Neither what a link points to nor a file that it would create.
        hostile.plant_link(file, "victim/new");
        hostile.survives("spec.toml --quiet", &format!("{file} -> victim/new"));
        remove(&hostile.path("results/spec"));
        copy(&RESULTS.path("results/spec"), &hostile.path("results/spec"));
    }
}

#[test]
fn folders_that_are_links_change_and_show_nothing_outside() {
    let hostile = hostile();
    for (place, folder) in FOLDERS.into_iter().enumerate() {
        hostile.plant_link(folder, "victim");
        for command in hostile.commands_for(place) {
            hostile.survives(&command, &format!("{folder} -> victim"));
        }
        let told = hostile.survives("spec.toml", folder);
        assert_eq!(told.code, Some(2), "{told:?}");
        told.complains(&["is a link", "cannot use the results folder"]);
        remove(&hostile.path("results/spec"));
        copy(&RESULTS.path("results/spec"), &hostile.path("results/spec"));
    }
}

#[test]
fn a_store_with_links_is_not_cleaned_or_written_through_them() {
    for (place, folder) in STORED.into_iter().enumerate() {
        let hostile = hostile();
        // What is there looks like an entry, a draft and unfinished work.
        let key = "0123456789abcdef0123456789abcdef";
        copy(&hostile.path("victim"), &hostile.path("other/victim"));
        hostile.plant_link(folder, "victim");
        for name in [key.to_owned(), format!("train-{key}")] {
            fs::create_dir(hostile.path("victim").join(&name)).unwrap();
            fs::write(hostile.path("victim").join(&name).join("file"), SECRET).unwrap();
        }
        let before = listing(&hostile.path("victim"));
        for command in hostile.commands_for(place) {
            let ended = Ended::of(hostile.scene.command("xdlreg-run").args(command.split_whitespace()));
            assert!(matches!(ended.code, Some(0..=2)), "`{command}` with {folder}: {ended:?}");
            assert_eq!(listing(&hostile.path("victim")), before, "`{command}` with {folder}");
        }
    }
}

#[test]
fn what_a_manifest_names_outside_is_not_removed() {
    let hostile = hostile();
    fs::create_dir_all(hostile.path("results/.store/train")).unwrap();
    let entry =
        |stage: &str| fs::read_dir(hostile.path("results/.store").join(stage)).unwrap().next().unwrap().unwrap().path();
    let manifest: Value = serde_json::from_slice(&fs::read(entry("train").join("manifest.json")).unwrap()).unwrap();
    let mut plain = manifest.as_object().unwrap().clone();
    plain.remove("blake3");
    let absolute = hostile.path("victim").to_string_lossy().into_owned();
    for key in ["../../../victim", &absolute, "", ".", "..", "../../../victim/inner"] {
        for (member, value) in
            [("key", Value::from(key)), ("files", serde_json::json!({ key: plain["files"]["epochs.json"] }))]
        {
            let mut hostile_manifest = plain.clone();
            hostile_manifest.insert(member.into(), value);
            let text = serde_json::to_vec(&hostile_manifest).unwrap();
            for folder in [
                entry("train"),
                hostile.path("results/.store/train/own"),
                hostile.path("results/.store/train").join("f".repeat(32)),
            ] {
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join("manifest.json"), &text).unwrap();
                for command in CLEANS {
                    let ended = hostile.survives(command, &format!("{member} {key:?}"));
                    assert!(ended.stderr.contains("kept") && folder.join("manifest.json").exists(), "{ended:?}");
                }
                remove(&folder);
            }
            copy(&RESULTS.path("results/.store"), &hostile.path("results/.store"));
        }
    }
    // Two entries that were swapped are not what their manifests say.
    let [one, other] = ["train", "explain"].map(entry);
    fs::copy(one.join("manifest.json"), other.join("manifest.json")).unwrap();
    let ended = hostile.survives("clean results --max-size 0 --dry-run", "swapped manifests");
    assert!(ended.stderr.contains("its manifest is that of another result"), "{ended:?}");
}

#[test]
fn a_fifo_blocks_no_command() {
    let hostile = hostile();
    let names = FILES
        .iter()
        .chain(["spec/relevance", "spec/logs", ".store/lock", ".store/claims", ".store/train", ".store"].iter());
    for (place, name) in names.enumerate() {
        for command in hostile.commands_for(place) {
            hostile.plant_fifo(name);
            hostile.survives(&command, &format!("a FIFO {name}"));
        }
        remove(&hostile.path("results"));
        copy(&RESULTS.path("results"), &hostile.path("results"));
    }
}

#[test]
fn names_of_logs_lead_nowhere() {
    let hostile = hostile();
    let run_id = &hostile.run_ids[0];
    let path = hostile.path("results/spec/events.jsonl");
    let events = fs::read_to_string(&path).unwrap();
    let absolute = hostile.path("secret").to_string_lossy().into_owned();
    for log in ["../../../secret", &absolute, "../logs/../../../secret"] {
        fs::write(&path, events.replace("\"log\":\"worker-0.log\"", &format!("\"log\":{log:?}"))).unwrap();
        let ended = hostile.survives(&format!("logs results/spec {run_id}"), log).succeeds();
        assert!(ended.stdout.contains("of events.jsonl are damaged and were skipped"), "{ended:?}");
        hostile.survives("status results/spec", log).succeeds();
    }
    fs::write(&path, events).unwrap();
    remove(&hostile.path("results/spec/logs/worker-0.log"));
    fs::hard_link(hostile.path("secret"), hostile.path("results/spec/logs/worker-0.log")).unwrap();
    hostile.scene.run("spec.toml").exits(2).complains(&["worker-0.log is a hard link to another file"]);
    assert_eq!(fs::read_to_string(hostile.path("secret")).unwrap(), SECRET);
}

#[test]
fn names_of_runs_lead_nowhere() {
    let hostile = hostile();
    let results = hostile.scene.results("spec");
    let intact = results.table("runs");
    for run_id in ["../../x", "/tmp/x", "../../../victim/x", "..", "A/../../../x"] {
        let mut table = intact.clone();
        let ids: Vec<&str> = vec![run_id; table.height()];
        table.with_column(Column::new("run_id".into(), ids)).unwrap();
        let file = fs::File::create(results.path("runs.parquet")).unwrap();
        ParquetWriter::new(file).finish(&mut table).unwrap();
        let before = listing(hostile.path("").as_path());
        let ended = hostile.survives("report results/spec", run_id);
        ended.exits(1).complains(&["does not name a run"]);
        assert_eq!(listing(hostile.path("").as_path()), before, "{run_id}");
    }
    // The same in a plan: of a run, and of a task.
    let plan = fs::read_to_string(results.path("plan.json")).unwrap();
    let (plan, _) = plan.rsplit_once(",\"blake3\"").unwrap();
    let key = texts(&intact, "train_key").remove(0);
    for (name, path) in [(&hostile.run_ids[0], "../../../x"), (&key, "../../../victim"), (&key, "/tmp/victim")] {
        fs::write(results.path("plan.json"), format!("{}}}", plan.replace(name.as_str(), path))).unwrap();
        for command in hostile.commands().iter().filter(|command| !command.starts_with("spec.toml")) {
            hostile.survives(command, path);
        }
        hostile
            .survives("clean results --orphans", path)
            .exits(1)
            .complains(&["nothing was removed", "plan.json is damaged"]);
    }
}

#[test]
fn a_results_folder_may_be_a_users_own_link() {
    let scene = Scene::with_spec(TINY);
    fs::create_dir_all(scene.path("large/spec")).unwrap();
    symlink(scene.path("large"), scene.path("results")).unwrap();
    scene.run("spec.toml").succeeds();
    fs::rename(scene.path("large/spec"), scene.path("elsewhere")).unwrap();
    symlink(scene.path("elsewhere"), scene.path("large/spec")).unwrap();
    scene.run("spec.toml").succeeds();
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(status.contains("finished"), "{status}");
    let said = scene.run("clean results --orphans").succeeds().stdout;
    assert!(said.contains("removed 0 of"), "its results are in use: {said}");
}
