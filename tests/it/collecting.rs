//! What collecting costs that grows with the number of runs: memory and the lines of the journal.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use xdlreg::plan::Plan;
use xdlreg::runner::make_plan;
use xdlreg::spec::ResolvedSpec;
use xdlreg::stage::{Compute, files};
use xdlreg::store::{Check, Entry, Lookup, Store};

use crate::harness::{Scene, TINY, texts};

/// So many rows of scores has each run, as one of the default size about has.
const ROWS: usize = 6000;

/// A spec with so many networks.
fn spec(networks: usize) -> String {
    let seeds = (0..networks).map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ");
    format!("{TINY}\n[evaluate]\nscores = []\n\n[[sweep]]\ngrid = {{ \"model.seed\" = [{seeds}] }}\n")
}

fn planned(scene: &Scene, name: &str) -> Plan {
    let resolved = ResolvedSpec::read(&scene.path(&format!("{name}.toml")), &[], None).expect("a spec");
    make_plan(&resolved.cells, Compute::Cpu)
}

/// Stores results for every task of a plan that has none, as if they had been made: those of the only run of another plan,
/// with many rows of scores.
fn pretend(store: &Store, only: &Plan, plan: &Plan) {
    let look = |stage, key: &_| match store.lookup(stage, key, Check::Times) {
        Lookup::Hit(entry) => Some(*entry),
        _ => None,
    };
    let contents = |entry: &Entry| -> Vec<(String, Vec<u8>)> {
        let names = entry.manifest.files.keys();
        names.map(|name| (name.clone(), fs::read(entry.file(name)).expect("a stored file"))).collect()
    };
    let mut originals =
        only.tasks.iter().map(|task| contents(&look(task.stage(), &task.key).expect("a result"))).collect::<Vec<_>>();
    for (name, bytes) in originals.iter_mut().flatten().filter(|(name, _)| name == files::MEASUREMENTS) {
        let mut rows: Vec<Value> = serde_json::from_slice(bytes).expect("scores");
        let of_samples: Vec<Value> = rows.iter().filter(|row| row.get("sample").is_some()).cloned().collect();
        rows.extend(of_samples.into_iter().cycle().take(ROWS));
        *bytes = serde_json::to_vec(&rows).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for task in &plan.tasks {
        if look(task.stage(), &task.key).is_some() {
            continue;
        }
        let original = only.tasks.iter().position(|known| known.stage() == task.stage()).expect("a task of each stage");
        let draft = store.draft(task.stage(), &task.key).expect("a draft");
        for (name, bytes) in &originals[original] {
            draft.write(name, bytes).expect("a file");
        }
        draft.publish(task.job.inputs(), 1.0, 1 << 20).expect("an entry");
    }
}

/// The largest resident memory of a run of `xdlreg-run`, in MiB.
#[cfg(target_os = "linux")]
fn peak(scene: &Scene, spec: &str) -> f64 {
    let mut command = scene.command("xdlreg-run");
    let mut child = command.args([spec, "--quiet"]).stdout(Stdio::null()).spawn().expect("xdlreg-run starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(line.unwrap_or(0.0) / 1024.0);
        match child.try_wait().expect("it can be waited for") {
            Some(ended) => {
                assert!(ended.success(), "{ended}");
                return peak;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Were the scores of all runs in memory at once, those of 160 further runs would take more than 150 MiB.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_what_runs_measured() {
    let scene = Scene::new().file("one.toml", spec(1)).file("few.toml", spec(40)).file("many.toml", spec(200));
    scene.run("one.toml").succeeds();
    let (store, only) = (Store::new(scene.path("results/.store")), planned(&scene, "one"));
    let peaks = ["few", "many"].map(|name| {
        pretend(&store, &only, &planned(&scene, name));
        let peak = peak(&scene, &format!("{name}.toml"));
        assert_eq!(scene.results(name).events().iter().filter(|event| event["event"] == "stage_started").count(), 0);
        peak
    });
    let measurements = scene.results("many").table("measurements");
    assert!(measurements.height() > 200 * ROWS, "{} rows", measurements.height());
    assert!(peaks[1] - peaks[0] < 60.0, "{peaks:?} MiB");
}

/// The runs of a stage that many share are named where it begins and ends, not in every epoch, and `logs` finds them all.
#[test]
fn epochs_do_not_repeat_the_runs_of_a_stage() {
    let sweep = "\n[[sweep]]\ngrid = { \"explain.epsilon\" = [0.1, 0.2, 0.3] }\n";
    let scene = Scene::with_spec(&format!("{TINY}{sweep}"));
    scene.run("spec.toml --set evaluate.scores=[]").succeeds();
    let results = scene.results("spec");
    let ids = texts(&results.table("runs"), "run_id");
    let events = results.events();
    let stages = events.iter().filter(|event| event["event"].as_str().is_some_and(|name| name.starts_with("stage_")));
    for event in stages {
        let shared = ["simulate", "train"].contains(&event["stage"].as_str().expect("a stage"));
        let named = ids.iter().filter(|id| event["run_ids"].to_string().contains(*id)).count();
        assert_eq!((event["runs"].as_u64(), named), if shared { (Some(3), 3) } else { (Some(1), 1) }, "{event}");
    }
    let epochs: Vec<_> = events.iter().filter(|event| event["event"] == "epoch_finished").collect();
    assert!(!epochs.is_empty());
    for event in epochs {
        assert!(event["runs"] == 3 && ids.iter().all(|id| !event.to_string().contains(id)), "{event}");
    }
    for id in &ids {
        let told = scene.run(&format!("logs results/spec {id}")).succeeds().stdout;
        for stage in ["simulate", "train", "explain", "evaluate", "render"] {
            assert_eq!(told.matches(&format!("{stage}: started by worker")).count(), 1, "{told}");
            assert_eq!(told.matches(&format!("{stage}: done in")).count(), 1, "{told}");
        }
    }
}
