//! Names as people and systems make them: spaces, quotes, other scripts, line breaks, 200 characters, a dash in front.

use std::process::Command;

use crate::harness::{Ended, Results, Scene, assert_no_leftovers, assert_same_tables};
use crate::soak::QUICK;

fn names() -> Vec<String> {
    let plain = [
        "with some spaces",
        "'single' and \"double\"",
        "Kürbis 南瓜 🎃",
        "line\nbreak",
        "tab\tstop",
        "-dash",
        "--set",
        "back\\slash",
        "$HOME `id` %s {}",
        "[brackets] # hash",
        "…",
        ".hidden",
        "e\u{301}",
    ];
    plain.into_iter().map(str::to_owned).chain(["x".repeat(200), "ü".repeat(100)]).collect()
}

/// A program of the scene with these arguments, as they are.
fn run(scene: &Scene, arguments: &[&str]) -> Ended {
    let mut command: Command = scene.command("xdlreg-run");
    Ended::of(command.args(arguments))
}

/// Everything that can be done with a results folder below `folder`.
fn use_all(scene: &Scene, spec: &str, output: &str, origin: &Results) {
    let option = format!("--output={output}");
    run(scene, &["plan", spec, &option]).succeeds();
    run(scene, &[spec, &option]).succeeds();
    let results = Results { folder: scene.path(output).join("experiment") };
    assert_same_tables(origin, &results);
    let id = results.run_id();
    let folder = format!("./{output}/experiment");
    run(scene, &["status", &folder]).succeeds();
    run(scene, &["logs", &folder, &id]).succeeds();
    run(scene, &["why", &folder, &id]).succeeds();
    run(scene, &["compare", &folder, &id, &id]).succeeds();
    run(scene, &["report", &folder]).succeeds();
    run(scene, &["cancel", &folder]).succeeds();
    let again = run(scene, &[spec, &option]).succeeds();
    assert!(!again.stderr.contains("has changed"), "{}", again.stderr);
    run(scene, &["clean", &format!("./{output}"), "--orphans"]).succeeds();
    run(scene, &[spec, &option]).succeeds();
    assert_same_tables(origin, &results);
    assert_no_leftovers(&scene.path(output));
}

#[test]
fn folders_and_specs_of_any_name_work() {
    let spec = format!("[experiment]\nname = 'experiment'\n{QUICK}");
    let scene = Scene::with_spec(&spec);
    run(&scene, &["spec.toml", "--output=plain"]).succeeds();
    let origin = Results { folder: scene.path("plain/experiment") };
    for name in names() {
        let file = format!("{name}.toml");
        scene.write(&file, &spec);
        // A path that begins with a dash is written with ./ in front, as for every program.
        use_all(&scene, &format!("./{file}"), &format!("{name}/{name}"), &origin);
    }
}

#[test]
fn files_of_any_name_can_be_written_and_read() {
    let scene = Scene::new();
    for name in names() {
        // A name of 200 characters still leaves room for an ending, not for more.
        let (set, maps) = (format!("{name}.npz"), format!("{name}.npy"));
        run(&scene, &["simulate", "--n=2", &format!("--out={set}")]).succeeds();
        std::fs::write(scene.path(&maps), maps_of_two()).expect("maps");
        run(&scene, &["render", &format!("--images={set}"), &format!("--maps={maps}"), &format!("--out=of {name}")])
            .succeeds();
        assert_eq!(scene.listing(&format!("of {name}")).len(), 4);
    }
}

/// Relevance for two images, all the same.
fn maps_of_two() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 98, 98), }";
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(std::iter::repeat_n(0.5_f32.to_le_bytes(), 2 * 98 * 98).flatten());
    bytes
}
