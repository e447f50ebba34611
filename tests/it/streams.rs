//! Standard streams that cannot be written: readers that went away, full disks, streams that were never open.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::harness::{Ended, Scene, TINY, texts};

/// A scene with a finished sweep of two runs, and a data set; its run identifiers.
fn finished() -> (Scene, Vec<String>) {
    let sweep = "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.epsilon', 'lrp.z'] }\n";
    let scene = Scene::with_spec(&format!("{TINY}\n{sweep}"));
    scene.run("spec.toml").succeeds();
    scene.run("simulate --n 4 --out set.npz").succeeds();
    let ids = texts(&scene.results("spec").table("runs"), "run_id");
    let net = scene.results("spec").bytes(&format!("models/{}.safetensors", ids[0]));
    scene.write("net.safetensors", net);
    (scene, ids)
}

/// Every verb, with arguments that let it print something to standard output.
fn verbs(ids: &[String]) -> Vec<String> {
    let explain = "explain --weights net.safetensors --images set.npz --analyzer gradient --set run.device=cpu";
    vec![
        "--help".into(),
        "--version".into(),
        "schema".into(),
        "completions bash".into(),
        "completions zsh".into(),
        "plan spec.toml".into(),
        "spec.toml --dry-run".into(),
        "status results/spec".into(),
        format!("logs results/spec {}", ids[0]),
        format!("why results/spec {}", ids[0]),
        format!("compare results/spec {} {}", ids[0], ids[1]),
        "cancel results/spec".into(),
        "clean results --orphans --dry-run".into(),
        "report results/spec".into(),
        "simulate --n 3 --out other.npz".into(),
        format!("{explain} --out maps.npy"),
        "render --images set.npz --maps maps.npy --out pictures".into(),
        "spec.toml".into(),
        "spec.toml --json".into(),
    ]
}

#[test]
fn every_verb_ends_quietly_when_its_reader_has_gone() {
    let (scene, ids) = finished();
    for arguments in verbs(&ids) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = scene.command("xdlreg-run");
        command.args(arguments.split_whitespace()).stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        drop(command);
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{arguments}: {said}");
        assert!(!said.contains("panicked") && !said.contains("cannot write"), "{arguments}: {said}");
    }
    assert!(["other.npz", "maps.npy", "pictures"].iter().all(|made| scene.path(made).exists()), "the work was done");
}

#[test]
fn errors_that_nobody_can_read_keep_their_exit_code() {
    let (scene, ids) = finished();
    let wrong = ["no-such.toml", "--no-such-flag", "status nowhere", "logs results/spec nothing", "completions cobol"];
    for arguments in verbs(&ids).iter().map(String::as_str).chain(wrong) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = scene.command("xdlreg-run");
        let status = command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(writer).status();
        let expected = if wrong.contains(&arguments) { 2 } else { 0 };
        assert_eq!(status.expect("it runs").code(), Some(expected), "{arguments}");
    }
}

/// Unlike a reader that has gone, this is data lost: a verb that prints says so. An experiment's exit code tells of its runs.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let (scene, ids) = finished();
    for arguments in verbs(&ids) {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let mut command = scene.command("xdlreg-run");
        let child = command.args(arguments.split_whitespace()).stdout(full).stderr(Stdio::piped()).spawn();
        let ended = child.expect("it starts").wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("No space left") && !said.contains("panicked"), "{arguments}: {said}");
        let is_run = arguments.starts_with("spec.toml") && !arguments.contains("dry-run");
        assert_eq!(ended.status.code(), Some(i32::from(!is_run)), "{arguments}: {said}");
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let mut command = scene.command("xdlreg-run");
        let status = command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(full).status();
        assert_eq!(status.expect("it runs").code(), Some(0), "{arguments}");
    }
    assert!(["other.npz", "maps.npy", "pictures"].iter().all(|made| scene.path(made).exists()), "the work was done");
}

/// A stream that is closed when a program starts gives its number to the first file that is opened, which then is written
/// into by whoever prints.
#[test]
#[cfg(unix)]
fn streams_that_were_never_open_do_no_harm() {
    for closed in [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let scene = Scene::with_spec(TINY);
        let run = |arguments: &str| {
            let mut shell = scene.prepare(std::process::Command::new("sh"));
            let program = crate::harness::programs().join("xdlreg-run");
            Ended::of(shell.arg("-c").arg(format!("exec \"$0\" {arguments} {closed}")).arg(program)).code
        };
        assert_eq!(run("spec.toml"), Some(0), "{closed}");
        assert_eq!(run("simulate --n 3 --out set.npz"), Some(0), "{closed}");
        for printing in ["status results/spec", "schema", "plan spec.toml", "completions fish"] {
            assert_eq!(run(printing), Some(0), "{closed}: {printing}");
        }
        // What was written in between is whole.
        scene.run("spec.toml --verify").succeeds();
        scene.results("spec").events();
        scene.run("render --images set.npz --maps set.npz --out x").exits(2);
    }
}

#[test]
fn an_experiment_goes_on_without_its_reader() {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 3"));
    for (name, json) in [("plain", false), ("json", true)] {
        let mut command = scene.command("xdlreg-run");
        command.args(["spec.toml", "--set", &format!("experiment.name={name}")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if json {
            command.arg("--json");
        }
        let mut child = command.spawn().expect("it starts");
        // The first line is read, and then both ends are closed.
        let (out, errors) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let mut line = String::new();
        match json {
            true => BufReader::new(out).read_line(&mut line),
            false => BufReader::new(errors).read_line(&mut line),
        }
        .expect("a line");
        assert!(!line.is_empty());
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{name}");
        let status = scene.run(&format!("status results/{name}")).succeeds().stdout;
        assert!(status.contains("finished") && status.contains("5 of 5 stages done"), "{status}");
        assert!(scene.results(name).path("report.html").exists());
    }
}

#[test]
fn the_original_command_prints_in_the_same_way() {
    let scene = Scene::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = scene.command("xdlreg");
    command.args(["--n_samples", "100", "--epochs", "1", "--plot_n_heatmaps", "1", "--path", "out"]);
    let errors = writer.try_clone().expect("a second end");
    assert_eq!(command.stdout(writer).stderr(errors).status().expect("it runs").code(), Some(0));
    assert!(scene.listing("out").iter().any(|name| name.ends_with("report.html")));
}
