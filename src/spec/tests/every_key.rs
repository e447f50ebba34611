//! Every key of the schema with values that nobody should have to think of: whatever is added to the schema is tested.

use std::sync::LazyLock;

use serde_json::Value;

use super::{resolve, said, set, survives};
use crate::explain::Analyzer;
use crate::spec::takes::{Takes, schema};
use crate::store::arrays;

/// The dotted keys of all settings outside of sweeps, with index 0 for elements of lists.
fn keys() -> Vec<String> {
    fn walk(root: &Value, node: &Value, key: &str, found: &mut Vec<String>) {
        if let Some(name) = node.get("$ref").and_then(Value::as_str) {
            return walk(root, root.pointer(&name[1..]).expect("a definition"), key, found);
        }
        let forms = ["oneOf", "anyOf"].iter().filter_map(|forms| node.get(*forms)?.as_array()).flatten();
        forms.for_each(|form| walk(root, form, key, found));
        let dot = if key.is_empty() { "" } else { "." };
        for (name, inner) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if key.is_empty() && (name == "sweep" || name == "extends") {
                continue;
            }
            let inner_key = format!("{key}{dot}{name}");
            found.push(inner_key.clone());
            walk(root, inner, &inner_key, found);
        }
        // Layers within layers have the same settings once more.
        if let Some(items) = node.get("items").filter(|_| !key.contains(".0.")) {
            found.push(format!("{key}.0"));
            walk(root, items, &format!("{key}.0"), found);
        }
    }
    let mut found = Vec::new();
    walk(schema(), schema(), "", &mut found);
    found.sort();
    found.dedup();
    found
}

/// A spec in which the key is read.
fn context(key: &str) -> String {
    let composite = |rule: &str| {
        format!(
            "[explain]\nanalyzer = 'lrp'\n[[explain.composite]]\nlayer = 'conv1'\n{rule}\n\
             [[explain.composite]]\nlayer = 'any'\nrule = 'epsilon'\n"
        )
    };
    match key {
        "data.target_bias" => "[data]\ndistribution = 'biased'\ntarget_bias = 30\n".into(),
        "train.weight_decay" => "[train]\noptimizer = 'adamw'\n".into(),
        "train.momentum" => "[train]\noptimizer = 'sgd'\n".into(),
        "explain.class" => "[model]\ntask = 'classification'\n".into(),
        "explain.composite.0.low" | "explain.composite.0.high" => composite("rule = 'z_b'\nlow = -0.5\nhigh = 9.5"),
        "explain.composite.0.alpha" | "explain.composite.0.beta" => composite("rule = 'alpha_beta'"),
        "explain.composite.0.gamma" => composite("rule = 'gamma'"),
        key if is_of_files(key) => {
            let split = match key {
                "data.split.column" => "split = { column = 'part' }",
                "data.split.train" => "split = { train = 0.8, validation = 0.25, test = 0.25 }",
                _ => "",
            };
            format!(
                "[data]\nsource = 'files'\ntable = '{}'\nimages = 'all.npy'\ntarget = 'weight'\n{split}\n",
                files().path().join("t.csv").display()
            )
        }
        key if key.starts_with("model.layers") => {
            let layer = match key.rsplit('.').next() {
                Some("rate") => "type = 'dropout'",
                Some("epsilon") => "type = 'batch_norm'",
                Some("units") => "type = 'dense', units = 2",
                Some("slope") => "type = 'leaky_relu'",
                Some("alpha") => "type = 'elu'",
                Some("output") => "type = 'avg_pool'",
                Some("branch" | "shortcut") => "type = 'residual', branch = []",
                _ => "type = 'conv', filters = 2",
            };
            format!(
                "[model]\narchitecture = 'layers'\n[[model.layers]]\n{}\n[[model.layers]]\ntype = 'flatten'\n\
                 [[model.layers]]\ntype = 'dense'\nunits = 1\n",
                layer.replace(", ", "\n")
            )
        }
        key if key.starts_with("explain.reference.ages") => "[explain]\nreference = { ages = [0.5, 40] }\n".into(),
        key if key.starts_with("explain.composite") => composite("rule = 'epsilon'"),
        key => {
            let option = key.strip_prefix("explain.").unwrap_or_default();
            let taker = Analyzer::NAMES.iter().find(|name| **name != "lrp" && Analyzer::takes(name).contains(&option));
            taker.map_or_else(String::new, |taker| format!("[explain]\nanalyzer = '{taker}'\n"))
        }
    }
}

/// Whether a setting belongs to images from files.
fn is_of_files(key: &str) -> bool {
    let own = ["table", "image", "images", "id", "target", "unit", "masks", "channels", "intensity"];
    key.starts_with("data.split") || own.iter().any(|name| key == format!("data.{name}"))
}

/// A table of twenty rows with their images in one array.
fn files() -> &'static tempfile::TempDir {
    static FILES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let part = |row: usize| ["train", "train", "validation", "test"][row % 4];
        let rows: String = (0..20).map(|row| format!("{row}.5,{}\n", part(row))).collect();
        std::fs::write(folder.path().join("t.csv"), format!("weight,part\n{rows}")).expect("a table");
        let pixels: Vec<f32> = (0..20 * 64).map(|value| value as f32).collect();
        arrays::write_array(&[20, 8, 8], &pixels, &folder.path().join("all.npy")).expect("an array");
        folder
    });
    &FILES
}

const VALUES: [&str; 27] = [
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775808",
    "1e308",
    "-1e308",
    "1e39",
    "1e-320",
    "-0.0",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "0.5",
    "1e18",
    "",
    " ",
    "text",
    "true",
    "[]",
    "[1, 2, 3, 4, 5]",
    "{}",
    "{ a = 1 }",
    "2024-06-01",
];

#[test]
fn every_key_takes_any_value_or_refuses_it_in_one_message() {
    for key in keys() {
        let text = context(&key);
        for value in VALUES {
            let result = set(&text, &format!("{key}={value}"));
            let variable = format!("XDLREG_{}", key.to_uppercase().replace('.', "__"));
            // A section alone has no variable.
            let by_environment = match key.contains('.') {
                true => resolve(&text, &[(&variable, value)], &[]),
                false => set(&text, &format!("{key}={value}")),
            };
            match (result, by_environment) {
                (Ok(resolved), Ok(other)) => {
                    assert_eq!(resolved.spec, other.spec, "{key}={value}");
                    survives(&resolved);
                }
                (Err(error), Err(_)) => {
                    let said = said(Err(error));
                    let section = key.split('.').next().unwrap();
                    assert!(said.contains(section), "{key}={value}: {said}");
                    assert!(said.contains("help:"), "{key}={value}: {said}");
                }
                (one, _) => panic!("--set and the environment disagree about {key}={value}: {:?}", one.is_ok()),
            }
        }
    }
}

#[test]
fn every_number_refuses_what_single_precision_does_not_have() {
    let mut checked = 0;
    for key in keys().iter().filter(|key| Takes::at(&key.split('.').collect::<Vec<_>>()).number) {
        let text = context(key);
        let fine = ["0.5", "1", "2", "30", "0"].iter().any(|value| set(&text, &format!("{key}={value}")).is_ok());
        assert!(fine, "{key} takes nothing in this spec: {}", said(set(&text, &format!("{key}=1"))));
        for value in ["nan", "inf", "-inf", "1e39", "-1e39", "1e308", "1e-60"] {
            let said = said(set(&text, &format!("{key}={value}")));
            // A share or an age may be small without being zero.
            assert!(!said.is_empty() || value == "1e-60", "{key} = {value} was taken");
        }
        checked += 1;
    }
    assert!(checked >= 15, "{checked} numbers");
}

#[test]
fn every_seed_is_exact_up_to_the_largest_and_refused_beyond() {
    let seeds: Vec<String> = keys().into_iter().filter(|key| key.ends_with("seed")).collect();
    assert!(seeds.len() >= 5, "{seeds:?}");
    for key in seeds {
        let text = context(&key);
        for seed in ["9007199254740993", "9223372036854775807"] {
            let resolved = set(&text, &format!("{key}={seed}")).unwrap_or_else(|error| panic!("{error}"));
            let tree = serde_json::to_string(&resolved.spec).unwrap();
            assert!(tree.contains(&format!("\"seed\":{seed}")), "{key}: {tree}");
            survives(&resolved);
        }
        let said = said(set(&text, &format!("{key}=9223372036854775808")));
        assert!(said.contains("9223372036854775807"), "{key}: {said}");
    }
}

#[test]
fn settings_of_programs_are_checked_as_those_of_texts() {
    let mut spec = crate::spec::ExperimentSpec::default();
    spec.experiment.name = "x".into();
    spec.data.seed = u64::MAX;
    spec.model.seed = 1 << 63;
    let error = crate::spec::ResolvedSpec::new(spec, crate::spec::Layers::default()).expect_err("they are too large");
    assert!(error.render(false).contains("data.seed") && error.render(false).contains("model.seed"));
}
