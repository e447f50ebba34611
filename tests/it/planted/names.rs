//! Names that lead elsewhere, in every text of a results folder that could become a path or be printed.

use std::fs;
use std::path::Path;

use polars::prelude::*;
use rand::{Rng, RngExt};
use serde_json::Value;

use super::finished;
use crate::harness::Scene;
use crate::tree;

/// What is written in place of a text.
const HOSTILE: &[&str] = &[
    "../../decoys/folder",
    "../../../decoys/folder",
    "../../decoys/file.txt",
    "../../../decoys/file.txt",
    "../../../../decoys/file.txt",
    "{scene}/decoys/folder",
    "{scene}/decoys/file.txt",
    "{scene}/decoys/new",
    "..",
    ".",
    "",
    "/",
    "a/../../../decoys/file.txt",
    "-rf",
    "\u{1b}]52;c;Zm9v\u{7}",
    "\u{1b}[2J",
    "two\nlines",
    "nul\0byte",
    "\u{202e}txt.exe",
];

/// One text in one file, and what it becomes.
#[derive(Debug)]
pub enum Names {
    /// The text at so many texts from the start of a file of JSON or JSON lines, keys of objects included.
    Json { file: String, number: usize, text: &'static str },
    /// All cells of a column of a table.
    Table { file: String, column: usize, text: &'static str },
}

pub fn choose(random: &mut impl Rng) -> Names {
    let files = tree::files(&finished().scene.path("results"));
    let ends = |ends: &'static [&'static str]| {
        files.iter().filter(move |file| ends.iter().any(|end| file.ends_with(end))).collect::<Vec<_>>()
    };
    let text = HOSTILE[random.random_range(0..HOSTILE.len())];
    let (json, tables) = (ends(&[".json", ".jsonl"]), ends(&[".parquet"]));
    if random.random_range(0..5) == 0 {
        Names::Table {
            file: tables[random.random_range(0..tables.len())].clone(),
            column: random.random_range(0..4),
            text,
        }
    } else {
        Names::Json {
            file: json[random.random_range(0..json.len())].clone(),
            number: random.random_range(0..1000),
            text,
        }
    }
}

pub fn plant(scene: &Scene, names: &Names) {
    let root = scene.path("decoys").parent().expect("it lies in the scene").to_owned();
    let fill = |text: &str| text.replace("{scene}", &root.to_string_lossy());
    match names {
        Names::Json { file, number, text } => json(&scene.path("results").join(file), *number, &fill(text)),
        Names::Table { file, column, text } => table(&scene.path("results").join(file), *column, &fill(text)),
    }
}

fn json(path: &Path, number: usize, text: &str) {
    let before = fs::read_to_string(path).expect("a file of text");
    let lines: Vec<&str> =
        if path.extension().is_some_and(|end| end == "jsonl") { before.lines().collect() } else { vec![&before] };
    let mut values: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // A checksum inside would give the change away; files of earlier versions have none and are read all the same.
    values.iter_mut().filter_map(Value::as_object_mut).for_each(|members| _ = members.remove("blake3"));
    let mut total = 0;
    values.iter_mut().for_each(|value| visit(value, &mut |_| total += 1));
    let (mut left, text) = (number % total.max(1), text.to_owned());
    for value in &mut values {
        visit(value, &mut |found| {
            if left == 0 {
                found.clone_from(&text);
            }
            left = left.wrapping_sub(1);
        });
    }
    let after: Vec<String> = values.iter().map(Value::to_string).collect();
    fs::write(path, after.join("\n") + "\n").expect("the file is replaced");
}

/// Passes every text of a value to `change`, keys of objects included.
fn visit(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        Value::Object(members) => {
            let changed = std::mem::take(members).into_iter().map(|(mut name, mut member)| {
                change(&mut name);
                visit(&mut member, change);
                (name, member)
            });
            *members = changed.collect();
        }
        _ => {}
    }
}

fn table(path: &Path, column: usize, text: &str) {
    let mut frame = ParquetReader::new(fs::File::open(path).expect("a table")).finish().expect("a table");
    let texts: Vec<PlSmallStr> = frame
        .columns()
        .iter()
        .filter(|column| column.dtype() == &DataType::String)
        .map(|column| column.name().clone())
        .collect();
    let Some(name) = texts.get(column % texts.len().max(1)) else { return };
    let cells = vec![text; frame.height()];
    frame.with_column(Column::new(name.clone(), cells)).expect("a column of the same length");
    tree::remove(path);
    ParquetWriter::new(fs::File::create(path).expect("a file")).finish(&mut frame).expect("the table is replaced");
}
