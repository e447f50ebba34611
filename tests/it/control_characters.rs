//! Control characters in what users and files say are shown, and never reach a terminal.

use std::ffi::OsString;
use std::fs;

use crate::harness::{Ended, Scene, TINY};

/// Clears the screen, sets the clipboard, rings, overwrites the line, uses a C1 control and turns the direction.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\rOK\u{9b}31m\u{202e}y";

#[track_caller]
fn assert_harmless(said: &Ended, what: &str) {
    for text in [&said.stdout, &said.stderr] {
        let acts = |c: char| (c.is_control() && c != '\n' && c != '\t') || "\u{202e}\u{2067}".contains(c);
        assert!(!text.contains(acts), "{what}: {text:?}");
    }
    assert!(!said.stderr.contains("panicked"), "{what}: {}", said.stderr);
}

#[track_caller]
fn assert_shown(said: &Ended, what: &str) {
    assert_harmless(said, what);
    let text = format!("{}{}", said.stdout, said.stderr).to_lowercase();
    assert!(text.contains("\\u{1b}") || text.contains("\\u001b"), "{what}: it is hidden, not shown: {text}");
}

fn run(scene: &Scene, arguments: &[&str]) -> Ended {
    Ended::of(scene.command("xdlreg-run").args(arguments))
}

#[test]
fn errors_about_arguments_show_them() {
    let scene = Scene::with_spec(TINY);
    let set = |key: &str| format!("{key}={HOSTILE}");
    for arguments in [
        &["spec.toml", "--set", &set("train.optimizer")][..],
        &["spec.toml", "--set", &set("train.epochs")],
        &["spec.toml", "--set", &set(HOSTILE)],
        &["plan", "spec.toml", "--set", &set("explain.analyzer")],
        &[&format!("--{HOSTILE}")],
        &["completions", HOSTILE],
        &["run", HOSTILE],
        &["status", HOSTILE],
        &["simulate", "--n", HOSTILE, "--out", "x.npz"],
        &["explain", "--weights", HOSTILE, "--images", HOSTILE, "--out", "maps.npy"],
        &["render", "--images", HOSTILE, "--maps", HOSTILE, "--out", "x"],
    ] {
        let said = run(&scene, arguments);
        assert_shown(&said, &format!("{arguments:?}"));
        assert_ne!(said.code, Some(0), "{arguments:?}");
    }
    let original = Ended::of(scene.command("xdlreg").args(["--growth_mode", HOSTILE]));
    assert_shown(&original, "xdlreg");
}

#[test]
fn errors_about_the_environment_show_it() {
    let scene = Scene::with_spec(TINY);
    let said = Ended::of(scene.command("xdlreg-run").args(["spec.toml"]).env("XDLREG_TRAIN__OPTIMIZER", HOSTILE));
    assert_shown(&said, "XDLREG_TRAIN__OPTIMIZER");
}

#[test]
fn errors_about_spec_files_show_them() {
    let escaped = r"x\u001b[2J\u001b]52;c;aGk=\u0007\u009b31m\u202ey";
    for (spec, raw) in [
        (format!("[train]\noptimizer = \"{escaped}\"\n"), false),
        (format!("[train]\n\"{escaped}\" = 1\n"), false),
        (format!("[[sweep]]\ngrid = {{ \"train.{escaped}\" = [1] }}\n"), false),
        (format!("extends = \"{escaped}\"\n"), false),
        (format!("[train]\nepochs = \"{HOSTILE}\n"), true),
        (format!("# {HOSTILE}\n[train]\nepocs = 1\n"), true),
        (format!("[train]\nepocs = 1 # {HOSTILE}\n"), true),
    ] {
        let scene = Scene::with_spec(&spec);
        let said = run(&scene, &["plan", "spec.toml"]).exits(2);
        match raw {
            // Not every message quotes what is beside the mistake.
            true => assert_harmless(&said, &spec),
            false => assert_shown(&said, &spec),
        }
    }
}

#[test]
fn errors_about_arrays_and_weights_show_them() {
    let scene = Scene::new();
    let header = format!("{{'descr': '{HOSTILE}', 'fortran_order': False, 'shape': (1, 98, 98), }}\n");
    let mut npy = b"\x93NUMPY\x01\0".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    scene.write("images.npy", npy);
    assert_harmless(
        &run(&scene, &["render", "--images", "images.npy", "--maps", "images.npy", "--out", "x"]).exits(2),
        "npy",
    );

    scene.run("simulate --n 2 --out set.npz").succeeds();
    let name = serde_json::to_string(&format!("{HOSTILE}.weight")).expect("JSON");
    let header = format!("{{{name}:{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}}}");
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend(header.as_bytes());
    weights.extend([0; 4]);
    scene.write("net.safetensors", weights);
    let explain = [
        "explain",
        "--weights",
        "net.safetensors",
        "--images",
        "set.npz",
        "--analyzer",
        "gradient",
        "--set",
        "run.device=cpu",
        "--out",
        "maps.npy",
    ];
    assert_harmless(&run(&scene, &explain).exits(2), "safetensors");
}

#[test]
fn what_a_results_folder_tells_is_shown() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let id = results.run_id();
    // As another user of a shared folder might leave it.
    let json = serde_json::to_string(HOSTILE).expect("JSON");
    let mut events = String::from_utf8(results.bytes("events.jsonl")).expect("text");
    let key = events.split("\"key\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a key").to_owned();
    let stage = format!("\"stage\":\"train\",\"key\":\"{key}\",\"runs\":1,\"run_id\":\"{id}\"");
    for event in [
        format!("\"event\":\"stage_failed\",{stage},\"reason\":{json}"),
        format!("\"event\":\"stage_retried\",{stage},\"attempt\":1,\"reason\":{json}"),
        format!("\"event\":\"run_finished\",\"run_id\":\"{id}\",\"status\":\"failed\",\"reason\":{json}"),
    ] {
        events.push_str(&format!("{{\"time\":\"2026-01-01T00:00:00.000Z\",{event}}}\n"));
    }
    scene.write("results/spec/events.jsonl", events);
    let log = fs::read_dir(results.path("logs")).expect("logs").map(|item| item.expect("a log").path());
    for log in log {
        let text = [fs::read(&log).expect("a log"), format!("{HOSTILE}\n").into()].concat();
        fs::write(log, text).expect("a log");
    }
    assert_shown(&run(&scene, &["status", "results/spec"]).succeeds(), "status");
    assert_shown(&run(&scene, &["logs", "results/spec", &id]).succeeds(), "logs");

    let plan = String::from_utf8(results.bytes("plan.json")).expect("text");
    scene.write("results/spec/plan.json", plan.replace("\"name\":\"spec\"", &format!("\"name\":{json}")));
    for verb in ["status", "cancel"] {
        assert_harmless(&run(&scene, &[verb, "results/spec"]), verb);
    }
}

/// Arguments need not be text at all.
#[test]
#[cfg(unix)]
fn arguments_that_are_not_text_are_no_reason_to_panic() {
    use std::os::unix::ffi::OsStringExt;
    let scene = Scene::with_spec(TINY);
    let odd = OsString::from_vec(b"spec-\xff\x1b.toml".to_vec());
    fs::copy(scene.path("spec.toml"), scene.path("").join(&odd)).expect("a spec");
    for arguments in [
        vec![odd.clone()],
        vec!["plan".into(), odd.clone()],
        vec!["--set".into(), odd.clone()],
        vec!["status".into(), odd],
    ] {
        let said = Ended::of(scene.command("xdlreg-run").args(&arguments));
        assert_harmless(&said, &format!("{arguments:?}"));
        assert!([Some(0), Some(2)].contains(&said.code), "{arguments:?}: {}", said.stderr);
    }
}
