//! docs/settings.md and docs/commands.md are written from the programs themselves.
//!
//! With the environment variable XDLREG_BLESS=1 the test writes the pages instead of comparing them.

use std::fmt::Write;
use std::fs;

use serde_json::{Map, Value};

use super::Page;
use crate::harness::{Ended, Scene, repository};

/// The sections of the page: the heading, and the definition in the schema.
const SECTIONS: &[(&str, &str)] = &[
    ("[experiment]", "ExperimentSettings"),
    ("[data]", "DataSettings"),
    ("data.split", "SplitSettings"),
    ("data.atlas", "AtlasFiles"),
    ("[model]", "ModelSettings"),
    ("[[model.layers]]", "LayerEntry"),
    ("[train]", "TrainSettings"),
    ("[explain]", "ExplainSettings"),
    ("[[explain.composite]]", "CompositeEntry"),
    ("explain.smooth", "Smoothing"),
    ("[evaluate]", "EvaluateSettings"),
    ("[heatmaps]", "HeatmapSettings"),
    ("[run]", "RunSettings"),
    ("[run.slurm]", "SlurmSettings"),
    ("[[sweep]]", "SweepBlock"),
    ("sweep.random and sweep.sobol", "Draws"),
];

/// The verbs of `xdlreg-run`, in the order of its help; the programs themselves come first and last.
const VERBS: &[&str] = &[
    "run",
    "plan",
    "inspect",
    "status",
    "logs",
    "why",
    "compare",
    "cancel",
    "clean",
    "simulate",
    "explain",
    "predict",
    "network",
    "render",
    "report",
    "schema",
    "completions",
];

/// A description on one line of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// What a value may be, in words; choices are listed as they are typed.
fn kind(schema: &Value, definitions: &Map<String, Value>) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        let definition = &definitions[name];
        return if definition.get("properties").is_some() { "table".to_owned() } else { kind(definition, definitions) };
    }
    if let Some(choices) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
        let kinds = choices.iter().filter(|choice| choice["type"] != "null").map(|choice| kind(choice, definitions));
        let mut kinds: Vec<String> = kinds.collect();
        kinds.dedup();
        return kinds.join(", ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().find(|name| *name != "null").and_then(Value::as_str),
        name => name.as_str(),
    };
    match name {
        Some("string") => "text",
        Some("boolean") => "true or false",
        Some("integer") => "integer",
        Some("number") => "number",
        Some("array") => "list",
        Some("object") => "table",
        _ => "any",
    }
    .to_owned()
}

/// Choices that have a description of their own, for the line below a setting's.
fn choices(schema: &Value, definitions: &Map<String, Value>) -> String {
    let of = match schema["$ref"].as_str() {
        Some(reference) => &definitions[reference.rsplit('/').next().expect("a name")],
        None => match schema["anyOf"].as_array() {
            Some(several) => return several.iter().map(|one| choices(one, definitions)).collect(),
            None => schema,
        },
    };
    let described = of["oneOf"].as_array().into_iter().flatten();
    let described = described.filter_map(|one| Some((one.get("const")?, one["description"].as_str()?)));
    described.fold(String::new(), |mut text, (value, about)| {
        write!(text, "<br>`{value}`: {}", one_line(about)).expect("a text takes everything");
        text
    })
}

fn default(schema: &Value) -> String {
    match schema.get("default") {
        // A table's defaults are those of its own section.
        None | Some(Value::Null | Value::Object(_)) => String::new(),
        Some(value) => format!("`{value}`"),
    }
}

fn settings(schema: &Value) -> String {
    let definitions = schema["$defs"].as_object().expect("definitions");
    let mut page = String::from(
        "# Settings\n\nEvery key of a spec, as `xdlreg-run schema` describes it. A key without a default has no value unless you set it. \
         `xdlreg-run plan SPEC` reports any mistake, and `spec.toml` in a results folder shows the value of every key.\n\n\
         `extends` stands before all sections: a file, or a list of files, on which the spec builds.\n",
    );
    for (heading, name) in SECTIONS {
        let definition = &definitions[*name];
        let about = definition["description"].as_str().map(one_line).unwrap_or_default();
        // The schema's own descriptions begin with the name of the section, which is the heading here.
        let about = about.split_once("`: ").map_or(about.clone(), |(_, rest)| capitalised(rest));
        write!(page, "\n## {heading}\n\n{about}\n\n| key | value | default | meaning |\n|---|---|---|---|\n")
            .expect("a text");
        let properties = definition["properties"].as_object().unwrap_or_else(|| panic!("{name} has settings"));
        for (key, property) in properties {
            let about = property["description"].as_str().map(one_line).unwrap_or_default();
            let (default, choices) = (default(property), choices(property, definitions));
            // Choices that are described below are not listed twice.
            let kind = if choices.is_empty() { kind(property, definitions) } else { "choice".to_owned() };
            writeln!(page, "| `{key}` | {kind} | {default} | {about}{choices} |").expect("a text takes everything");
        }
    }
    page
}

fn commands(scene: &Scene) -> String {
    let mut page = String::from(
        "# Commands\n\nWhat each program says with `--help`. `xdlreg-run SPEC` is short for `xdlreg-run run SPEC`. \
         [Run, stop and continue](running.md) explains exit codes and how to stop.\n",
    );
    let mut add = |program: &str, verb: &[&str]| {
        let help = Ended::of(scene.command(program).args(verb).arg("--help").env_remove("COLUMNS")).succeeds().stdout;
        let help: String = help.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        let name = std::iter::once(program).chain(verb.iter().copied()).collect::<Vec<_>>().join(" ");
        write!(page, "\n## {name}\n\n```text\n{help}```\n").expect("a text takes everything");
    };
    add("xdlreg-run", &[]);
    VERBS.iter().for_each(|verb| add("xdlreg-run", &[verb]));
    add("xdlreg-worker", &["task"]);
    add("xdlreg", &[]);
    page
}

#[track_caller]
fn holds(path: &str, expected: &str) {
    if std::env::var_os("XDLREG_BLESS").is_some() {
        fs::write(repository(path), expected).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let page = Page::read(path).text;
    let differs = page.lines().zip(expected.lines()).find(|(one, other)| one != other);
    assert!(page == expected, "{path} is out of date ({differs:?}): run this test with XDLREG_BLESS=1");
}

#[test]
fn the_settings_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(&Scene::new().run("schema").succeeds().stdout).expect("JSON");
    holds("docs/settings.md", &settings(&schema));
}

#[test]
fn the_commands_are_those_of_the_programs() {
    let scene = Scene::new();
    let help = scene.run("--help").succeeds().stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Long descriptions continue on lines that are indented further.
    let verbs = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|verb| !verb.is_empty());
    let listed: Vec<&str> = verbs.filter(|verb| *verb != "help").collect();
    assert_eq!(listed, VERBS, "every verb has a section");
    holds("docs/commands.md", &commands(&scene));
}
