//! The front end: quick, without libtorch, and telling what it can do.

use serde_json::{Map, Value};

use crate::harness::{Ended, Scene, has_program, programs};

#[test]
fn the_front_end_does_not_load_libtorch() {
    let needs_libtorch = |program: &str| {
        let path = programs().join(program);
        if has_program("readelf") {
            let mut readelf = std::process::Command::new("readelf");
            let needed = Ended::of(readelf.arg("-d").arg(path)).succeeds().stdout;
            return needed.lines().any(|line| line.contains("NEEDED") && line.contains("libtorch"));
        }
        let program = std::fs::read(path).expect("a program");
        program.windows(15).any(|window| window == b"libtorch_cpu.so")
    };
    assert!(!needs_libtorch("xdlreg-run") && !needs_libtorch("xdlreg"));
    assert!(needs_libtorch("xdlreg-worker"), "the check itself does not work");
}

/// Every `$ref` in a schema.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_schema_describes_every_key_with_its_default() {
    let schema: Value = serde_json::from_str(&Scene::new().run("schema").succeeds().stdout).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    let mut found = Vec::new();
    references(&schema, &mut found);
    for reference in &found {
        let place = reference.strip_prefix('#').expect("a place in the schema itself");
        assert!(schema.pointer(place).is_some(), "{reference}");
    }
    let target = |value: &Value| -> Value {
        match value["$ref"].as_str() {
            Some(reference) => schema.pointer(&reference[1..]).expect("a place in the schema").clone(),
            None => value.clone(),
        }
    };

    let scene = Scene::with_spec(crate::harness::TINY);
    scene.run("spec.toml").succeeds();
    let text = String::from_utf8(scene.results("spec").bytes("spec.toml")).expect("text");
    let origins: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("  # ").map(|(_, origin)| origin)).collect();
    let mut defaults = origins.into_iter();
    let spec: Map<String, Value> = serde_json::to_value(toml::from_str::<toml::Table>(&text).expect("TOML"))
        .expect("JSON")
        .as_object()
        .cloned()
        .expect("a table");
    for (section, values) in &spec {
        let described = target(&schema["properties"][section]);
        assert_eq!(described["additionalProperties"], false, "{section}");
        assert!(described["properties"].as_object().is_some_and(|keys| !keys.is_empty()));
        for (key, value) in values.as_object().expect("a section") {
            let property = &described["properties"][key];
            assert!(property.is_object(), "{section}.{key} is not described");
            let origin = defaults.next().expect("an origin for every key");
            if origin == "default" && section != "experiment" {
                assert_eq!(&property["default"], value, "{section}.{key}");
            }
        }
    }
    assert_eq!(spec.len(), 8);
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Scene::new().run(&format!("completions {shell}")).succeeds().stdout;
        for word in ["simulate", "explain", "render", "plan", "dry-run"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    Scene::new().run("completions cobol").exits(2);
}

#[test]
fn programs_tell_their_version_and_help() {
    let scene = Scene::new();
    for program in ["xdlreg-run", "xdlreg"] {
        let version = Ended::of(scene.command(program).arg("--version")).succeeds().stdout;
        assert_eq!(version.trim(), format!("{program} {}", env!("CARGO_PKG_VERSION")));
    }
    let help = scene.run("--help").succeeds().stdout;
    for word in ["plan", "simulate", "explain", "render", "schema", "completions", "--set", "--dry-run", "130"] {
        assert!(help.contains(word), "{word}:\n{help}");
    }
}
