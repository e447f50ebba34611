//! `xdlreg-run compare DIR RUN RUN`: which settings of two runs differ, and their scores side by side.

use serde_json::{Map, Value};

use super::CompareArgs;
use crate::error::{EXIT_OK, Error, Result};
use crate::runner::{FrozenPlan, PlannedRun, find_run, read_plan};
use crate::stage::Job;
use crate::store::table::{Cells, Table};

pub fn run(args: &CompareArgs) -> Result<u8> {
    let frozen = read_plan(&args.folder)?;
    let runs = [&args.one, &args.other].map(|run| find_run(&frozen, run));
    let [one, other] = runs.map(|run| run.map(|run| &frozen.plan.runs[run]));
    let (one, other) = (one?, other?);
    println!("{:<28} {:>24} {:>24}", "", one.run_id, other.run_id);
    let (ours, theirs) = (settings(&frozen, one), settings(&frozen, other));
    let mut keys: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys.into_iter().filter(|key| ours.get(*key) != theirs.get(*key)) {
        let shown = |settings: &Map<String, Value>| settings.get(key).map_or("-".to_owned(), Value::to_string);
        println!("{key:<28} {:>24} {:>24}", shown(&ours), shown(&theirs));
    }
    let table = Table::read(&args.folder.join("runs.parquet"), None)
        .map_err(|error| Error::failed(error.to_string(), "run the experiment first"))?;
    let rows = [one, other].map(|run| row_of(&table, &run.run_id));
    println!();
    for (name, cells) in &table.columns {
        let Cells::Numbers(numbers) = cells else { continue };
        let shown = |row: Option<usize>| match row.map(|row| numbers[row]).filter(|number| number.is_finite()) {
            Some(number) => format!("{number:.4}"),
            None => "-".to_owned(),
        };
        let [one, other] = rows.map(shown);
        println!("{name:<28} {one:>24} {other:>24}");
    }
    Ok(EXIT_OK)
}

fn row_of(table: &Table, run_id: &str) -> Option<usize> {
    let ids = table.texts("run_id")?;
    (0..table.rows).find(|&row| ids.get(row) == Some(run_id))
}

/// All settings of a run under their dotted keys.
fn settings(frozen: &FrozenPlan, run: &PlannedRun) -> Map<String, Value> {
    let mut found = Map::new();
    for &task in &run.tasks {
        let sections = match &frozen.plan.tasks[task].job {
            Job::Simulate { data } => vec![("data", serde_json::to_value(data))],
            Job::Train { model, train, .. } => {
                vec![("model", serde_json::to_value(model)), ("train", serde_json::to_value(train))]
            }
            Job::Explain { explain, .. } => vec![("explain", serde_json::to_value(explain))],
            Job::Evaluate { .. } | Job::Render { .. } => vec![],
        };
        for (section, values) in sections {
            if let Ok(Value::Object(values)) = values {
                found.extend(values.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
        }
    }
    found
}
