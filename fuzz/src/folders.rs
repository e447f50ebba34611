//! Results folders and stores, which may come from anywhere: journal, plan, manifests.

use std::path::{Component, Path};

use xdlreg::key::Key;
use xdlreg::runner::{Events, ResultsFolder, Standing, read_plan};
use xdlreg::stage_name::StageName;
use xdlreg::store::{Check, Lookup, Store};

use crate::Scratch;

/// A plan of two runs, for the journal to speak of.
const PLAN: &[u8] = include_bytes!("../corpus/plan/two-runs.json");

/// A journal.
pub fn events(data: &[u8], scratch: &Scratch) {
    scratch.file("results/experiment/plan.json", PLAN);
    scratch.file("results/experiment/events.jsonl", data);
    let folder = scratch.path("results/experiment");
    let standing = Standing::read(&folder).unwrap_or_else(|error| panic!("{}", error.render(false)));
    assert_eq!(standing.runs.len(), standing.frozen.plan.runs.len());
    assert!(!standing.running && standing.under_way.is_empty());
    assert!(standing.seconds.is_finite() && standing.seconds >= 0.0, "{}", standing.seconds);
    let events = Events::read(ResultsFolder::at(&folder).folder());
    events.recorded.iter().for_each(|event| _ = event.when());
    let lines = data.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    assert!(events.trouble.is_some() || events.recorded.len() == lines, "a line is neither read nor missed");
}

/// A plan.
pub fn plan(data: &[u8], scratch: &Scratch) {
    scratch.file("results/planned/plan.json", data);
    let folder = scratch.path("results/planned");
    let frozen = match read_plan(&folder) {
        Ok(frozen) => frozen,
        Err(error) => {
            assert!(!error.render(false).trim().is_empty());
            return;
        }
    };
    // What every command takes for granted of a plan.
    let plan = &frozen.plan;
    for run in &plan.runs {
        assert!(is_plain_name(&run.run_id), "{:?}", run.run_id);
        for stage in StageName::ALL {
            assert_eq!(plan.tasks[run.tasks[stage]].stage(), stage);
        }
        let _ = run.label();
    }
    for (index, task) in plan.tasks.iter().enumerate() {
        assert!(Key::parse(task.key.as_str()).is_some(), "{}", task.key);
        assert!(task.upstream.iter().all(|&upstream| upstream < index));
        assert!(task.runs.iter().all(|&run| run < plan.runs.len()));
    }
    Standing::read(&folder).unwrap_or_else(|error| panic!("{}", error.render(false)));
}

/// The manifest of an entry in the store.
pub fn manifest(data: &[u8], scratch: &Scratch) {
    let key = Key::parse("00112233445566778899aabbccddeeff").expect("a key");
    let entry = format!("store/{}/{key}", StageName::Train.name());
    scratch.file(&format!("{entry}/manifest.json"), data);
    scratch.file(&format!("{entry}/model.safetensors"), b"weights");
    scratch.file("store/outside", b"outside");
    let store = Store::new(scratch.path("store"));
    let found = [
        store.lookup(StageName::Train, &key, Check::Times),
        store.lookup(StageName::Train, &key, Check::Contents),
        store.lookup(StageName::Simulate, &key, Check::Contents),
    ];
    for found in found {
        let Lookup::Hit(hit) = found else { continue };
        assert!(hit.manifest.key == key && hit.manifest.stage == StageName::Train);
        for name in hit.manifest.files.keys() {
            let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            assert!(inside, "{name:?} leads out of the entry");
        }
    }
    for manifest in store.manifests(StageName::Train) {
        let _ = manifest.bytes();
        assert!(Key::parse(manifest.key.as_str()).is_some(), "{:?}", manifest.key);
    }
    let typical = store.typical_seconds([StageName::Train]);
    assert!(typical.values().all(|seconds| seconds.is_finite() && *seconds >= 0.0), "{typical:?}");
}

/// Whether a name can be that of a file, and of nothing elsewhere.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == name)
}
