//! `xdlreg-run compare DIR RUN RUN`: which settings of two runs differ, and their scores side by side; and
//! `xdlreg-run compare DIR --by KEY --metric NAME`: the values of a setting over seeds.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::CompareArgs;
use super::files::unwritable;
use crate::comparison::{ComparisonError, OutputFormat, Request, gather, panels, to_csv, to_json, to_text};
use crate::disk::Folder;
use crate::error::{EXIT_OK, Error, Result};
use crate::figure::FigureError;
use crate::figure::comparison::draw;
use crate::plan::{FrozenPlan, PlannedRun};
use crate::runner::{find_run, read_plan};
use crate::stage::Job;
use crate::tables::{Cells, Table};
use crate::terminal::layout::{Side, align, shorten};
use crate::terminal::{columns, print_json, print_lines};

pub fn run(args: &CompareArgs) -> Result<u8> {
    let frozen = read_plan(&args.folder)?;
    if let Some(by) = &args.by {
        return compare_settings(args, by, &frozen);
    }
    let [one, other] = &args.runs[..] else { unreachable!("clap takes two runs") };
    let found = [find_run(&frozen, one)?, find_run(&frozen, other)?];
    let runs = found.map(|run| &frozen.plan.runs[run]);
    let table = Table::read(&args.folder.join("runs.parquet"), None)
        .map_err(|error| Error::failed(error.to_string(), "run the experiment again, which writes its tables again"))?;
    let mut rows = vec![vec![String::new(), runs[0].run_id.clone(), runs[1].run_id.clone()]];
    rows.extend(differences(&runs.map(|run| settings(&frozen, run))));
    rows.push(Vec::new());
    // What was varied stands among the settings.
    let varied = |name: &str| frozen.plan.runs.iter().any(|run| run.settings.iter().any(|(key, _)| key == name));
    rows.extend(scores(&table, runs, varied));
    let lines = align(&rows, &[Side::Left, Side::Right, Side::Right]);
    print_lines(&lines.iter().map(|line| shorten(line, columns()).into_owned()).collect::<Vec<_>>());
    Ok(EXIT_OK)
}

/// Compares the values of a setting, and prints or draws what was found.
fn compare_settings(args: &CompareArgs, by: &str, frozen: &FrozenPlan) -> Result<u8> {
    let request = Request { by, metrics: &args.metric, baseline: args.baseline.as_deref() };
    let comparisons = gather(&args.folder, &frozen.plan, &request).map_err(refused)?;
    if let Some(path) = &args.figure {
        let sheet = draw(&panels(&comparisons), by);
        let failed = |error: FigureError| Error::failed(error.to_string(), "leave --figure out");
        let bytes = match path.extension().and_then(|ending| ending.to_str()) {
            Some("svg") => sheet.to_svg().map_err(failed)?.into_bytes(),
            Some("png") => sheet.to_png().map_err(failed)?,
            _ => {
                return Err(Error::usage(
                    format!("{}: a figure ends in .svg or .png", path.display()),
                    "name another file",
                ));
            }
        };
        let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        let written = Folder::at(folder).replace(&name.to_string_lossy(), &bytes);
        written.map_err(|error| unwritable(path, &error))?;
    }
    match args.format {
        OutputFormat::Text => {
            print_lines(&to_text(&comparisons, by).iter().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>());
        }
        OutputFormat::Csv => print_lines(&to_csv(&comparisons).lines().map(str::to_owned).collect::<Vec<_>>()),
        OutputFormat::Json => print_json(&format!("{:#}\n", to_json(&comparisons))),
    }
    Ok(EXIT_OK)
}

fn refused(error: ComparisonError) -> Error {
    let message = error.to_string();
    let list = |names: &[String], most: usize| {
        let more = if names.len() > most { ", ..." } else { "" };
        format!("{}{more}", names[..names.len().min(most)].join(", "))
    };
    match error {
        ComparisonError::Table(_) => Error::failed(message, "run the experiment again, which writes its tables again"),
        ComparisonError::NotVaried { varied, .. } if varied.is_empty() => {
            Error::usage(message, "no setting varies but seeds; a [[sweep]] varies settings")
        }
        ComparisonError::NotVaried { varied, .. } => {
            Error::usage(message, format!("these vary: {}", list(&varied, 20)))
        }
        ComparisonError::NoScore { known, .. } => Error::usage(message, format!("there are: {}", list(&known, 60))),
        ComparisonError::NoBaseline { values, .. } => {
            Error::usage(message, format!("its values: {}", list(&values, 30)))
        }
    }
}

/// The settings that differ, with both values.
fn differences([one, other]: &[BTreeMap<String, String>; 2]) -> Vec<Vec<String>> {
    let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    let shown =
        |settings: &BTreeMap<String, String>, key: &String| settings.get(key).map_or("-", String::as_str).to_owned();
    let differing = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    differing.map(|key| vec![key.clone(), shown(one, key), shown(other, key)]).collect()
}

/// What the table of runs says in numbers, but for what was `varied`.
fn scores(table: &Table, runs: [&PlannedRun; 2], varied: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let ids = table.texts("run_id");
    let row_of =
        |run: &PlannedRun| (0..table.rows).find(|&row| ids.is_some_and(|ids| ids.get(row) == Some(&run.run_id)));
    let places = runs.map(row_of);
    let row = |(name, cells): &(String, Cells)| {
        let numbers: Vec<Option<String>> = match cells {
            Cells::Integers(integers) => integers.iter().map(|cell| cell.map(|integer| integer.to_string())).collect(),
            Cells::Numbers(numbers) => {
                let whole = numbers.iter().filter(|number| number.is_finite()).all(|number| number.fract() == 0.0);
                let decimals = if whole { 0 } else { 4 };
                let shown = |number: &f64| number.is_finite().then(|| format!("{number:.decimals$}"));
                numbers.iter().map(shown).collect()
            }
            Cells::Texts(_) => return None,
        };
        let shown = |place: Option<usize>| place.and_then(|row| numbers[row].clone()).unwrap_or_else(|| "-".to_owned());
        (!varied(name)).then(|| vec![name.clone(), shown(places[0]), shown(places[1])])
    };
    table.columns.iter().filter_map(row).collect()
}

/// All settings of a run under their dotted keys, as JSON.
fn settings(frozen: &FrozenPlan, run: &PlannedRun) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (_, &task) in run.tasks.iter() {
        let sections = match &frozen.plan.tasks[task].job {
            Job::Simulate { data } => vec![("data", serde_json::to_value(data))],
            Job::Train { model, train, .. } => {
                vec![("model", serde_json::to_value(model)), ("train", serde_json::to_value(train))]
            }
            Job::Explain { explain, .. } => vec![("explain", serde_json::to_value(explain))],
            Job::Evaluate { evaluate, .. } => vec![("evaluate", serde_json::to_value(evaluate))],
            Job::Render { heatmaps, .. } => vec![("heatmaps", serde_json::to_value(heatmaps))],
        };
        for (section, values) in sections {
            leaves(section.to_owned(), &values.unwrap_or_default(), &mut found);
        }
    }
    found
}

/// Every value of a tree under its dotted name; the elements of a list of tables have numbers.
fn leaves(name: String, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(member, value)| leaves(format!("{name}.{member}"), value, found));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(index, value)| leaves(format!("{name}.{index}"), value, found));
        }
        Value::Null => {}
        value => {
            found.insert(name, value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stage_name::PerStage;

    #[test]
    fn every_value_has_a_dotted_name() {
        let mut found = BTreeMap::new();
        let tree = json!({ "seed": u64::MAX, "filters": [1, 2], "none": null, "composite": [{ "rule": "z" }, { "low": 0.5 }] });
        leaves("a".into(), &tree, &mut found);
        let lines: Vec<String> = found.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(
            lines,
            [
                "a.composite.0.rule = \"z\"",
                "a.composite.1.low = 0.5",
                "a.filters = [1,2]",
                "a.seed = 18446744073709551615"
            ]
        );
    }

    #[test]
    fn settings_of_either_run_alone_are_told_too() {
        let values = |pairs: [(&str, &str); 3]| pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let one: BTreeMap<String, String> =
            values([("data.seed", "1"), ("explain.alpha", "2.0"), ("train.epochs", "3")]);
        let other = values([("data.seed", "1"), ("explain.epsilon", "0.5"), ("train.epochs", "4")]);
        let expected = [["explain.alpha", "2.0", "-"], ["explain.epsilon", "-", "0.5"], ["train.epochs", "3", "4"]];
        assert_eq!(differences(&[one.clone(), other.clone()]), expected);
        assert_eq!(differences(&[other, one]), expected.map(|[key, one, other]| [key, other, one]));
    }

    #[test]
    fn numbers_are_written_by_their_kind_and_varied_keys_are_left_out() {
        let texts = crate::tables::Texts { distinct: vec!["a".into(), "b".into()], rows: vec![Some(0), Some(1)] };
        let table = Table {
            rows: 2,
            columns: vec![
                ("run_id".into(), Cells::Texts(texts)),
                ("data.seed".into(), Cells::Numbers(vec![0.0, 1.0])),
                ("peak_memory_bytes".into(), Cells::Numbers(vec![194_973_696.0, f64::NAN])),
                ("test_mae".into(), Cells::Numbers(vec![6.0, 5.25])),
            ],
        };
        let run = |id: &str| PlannedRun {
            run_id: id.into(),
            settings: vec![],
            explanation: None,
            replicate: None,
            tasks: PerStage::default(),
        };
        let rows = scores(&table, [&run("b"), &run("a")], |name| name == "data.seed");
        assert_eq!(rows, [["peak_memory_bytes", "-", "194973696"], ["test_mae", "5.2500", "6.0000"]]);
    }
}
