//! `xdlreg-run why DIR RUN`: what the results of a run are made of, and why a stage is not cached.

use std::collections::BTreeMap;

use serde_json::Value;

use super::OneRunArgs;
use crate::clock::duration;
use crate::error::{EXIT_OK, Result};
use crate::plan::PlannedTask;
use crate::runner::{ResultsFolder, find_run, read_plan};
use crate::stage_name::StageName;
use crate::store::{Check, Lookup, Manifest, Store};
use crate::terminal::{print, print_line};

pub fn run(args: &OneRunArgs) -> Result<u8> {
    let frozen = read_plan(&args.folder)?;
    let run = &frozen.plan.runs[find_run(&frozen, &args.run)?];
    let store = ResultsFolder::at(&args.folder).store();
    print_line(&format!("run {}  {}", run.run_id, run.label()));
    for stage in StageName::ALL {
        print(&describe(&frozen.plan.tasks[run.tasks[stage]], &store));
    }
    Ok(EXIT_OK)
}

/// The key of a stage with its inputs, whether it is cached, and what differs from the nearest entry if not.
fn describe(task: &PlannedTask, store: &Store) -> String {
    let stage = task.stage();
    let state = match store.lookup(stage, &task.key, Check::Contents) {
        Lookup::Hit(entry) => {
            let Manifest { created_at, host, seconds, .. } = &entry.manifest;
            format!("cached: made {created_at} on {host} in {}", duration(*seconds))
        }
        Lookup::Corrupt(reason) => format!("damaged, to be made again: {reason}"),
        Lookup::Newer(newer) => newer.to_string(),
        Lookup::Miss => "not cached".to_owned(),
    };
    let mut text = format!("\n{stage} {}  {state}\n", task.key.short(10));
    let inputs = leaves(&task.job.inputs());
    for (name, value) in &inputs {
        text += &format!("  {name} = {value}\n");
    }
    if state == "not cached" {
        text += &nearest(&inputs, store, stage);
    }
    text
}

/// What differs from the entry of the same stage whose inputs differ least.
fn nearest(inputs: &BTreeMap<String, String>, store: &Store, stage: StageName) -> String {
    let differences = |manifest: Manifest| {
        let other = leaves(&manifest.inputs);
        let names = inputs.keys().chain(other.keys()).collect::<std::collections::BTreeSet<_>>();
        let differing = names.into_iter().filter(|name| inputs.get(*name) != other.get(*name));
        let told: Vec<String> = differing.map(|name| difference(name, other.get(name), inputs.get(name))).collect();
        (told.len(), manifest.key.to_string(), told)
    };
    match store.manifests(stage).map(differences).min() {
        None => format!("  no {stage} result is in the store\n"),
        Some((_, key, told)) => {
            let lines: String = told.iter().map(|line| format!("    {line}\n")).collect();
            format!("  differs from the nearest cached one, {}, in\n{lines}", &key[..10])
        }
    }
}

fn difference(name: &str, theirs: Option<&String>, ours: Option<&String>) -> String {
    let shown = |value: Option<&String>| value.map_or("nothing".to_owned(), Clone::clone);
    match name {
        "dataset" | "network" | "relevance" => format!("{name}: another one, see above"),
        "version" => format!("version of the algorithm: {} there, {} here", shown(theirs), shown(ours)),
        _ => format!("{name}: {} there, {} here", shown(theirs), shown(ours)),
    }
}

/// Every value of a tree under its dotted name.
fn leaves(tree: &Value) -> BTreeMap<String, String> {
    fn walk(name: String, value: &Value, found: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                    walk(name, value, found);
                }
            }
            value => {
                found.insert(name, value.to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(String::new(), tree, &mut found);
    found
}
