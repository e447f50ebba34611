//! Slow is not hung, hung is not slow, and a pause is neither.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Results, Scene, TINY, children, programs, signal, stages, texts};

/// A worker that does as the real one, but for what its training's seed says.
const FAULTY: &str = r#"#!/usr/bin/env python3
import json, os, subprocess, sys, threading, time
if "SLOW_START" in os.environ:
    time.sleep(float(os.environ["SLOW_START"]))
worker = subprocess.Popen([os.environ["REAL_WORKER"]] + sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
lock = threading.Lock()
def say(line):
    with lock:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
chat = threading.Event()
def replies():
    for line in worker.stdout:
        if b'"done"' in line:
            chat.clear()
        say(line)
threading.Thread(target=replies, daemon=True).start()
def chatter():
    while chat.is_set():
        say(progress)
        time.sleep(0.005)
progress = b'{"reply":"progress","report":"step","done":1,"total":1000000,"unit":"words"}\n'
for line in sys.stdin.buffer:
    seed = json.loads(line)["job"].get("model", {}).get("seed")
    if seed == 102:
        time.sleep(1000)
    if seed == 103:
        chat.set()
        threading.Thread(target=chatter, daemon=True).start()
        time.sleep(6)
    if seed == 104:
        for garbage in [b"x" * (3 << 20), b"\xff\xfe", b"", b"null", b"[]", b'{"reply":"unheard_of"}', b'{"reply":"done"}',
                        b'{"reply":"progress","report":"step","done":9,"total":3,"unit":"words"}',
                        b'{"reply":"started","key":' + b"[" * 100000]:
            say(garbage + b"\n")
    if seed == 105:
        while True:
            say(b"a library prints this\n")
    if seed == 106:
        while True:
            say(b"x" * 65536)
    if seed in (107, 108):
        for _ in range(60):
            say(b"a library warns of this\n")
    worker.stdin.write(line)
    worker.stdin.flush()
worker.stdin.close()
sys.exit(worker.wait())
"#;

fn scene(run: &str, sweep: &str) -> Scene {
    let spec = TINY.replace("[run]", &format!("[run]\n{run}"));
    let scene = Scene::with_spec(&format!("{spec}\n{sweep}")).file("faulty.py", FAULTY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(scene.path("faulty.py"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    scene
}

fn seeds(seeds: &[u32]) -> String {
    format!("[[sweep]]\ngrid = {{ 'model.seed' = {seeds:?} }}\n")
}

/// Starts with the faulty worker.
fn start(scene: &Scene, slow_start: Option<&str>) -> Child {
    let mut command = scene.command("xdlreg-run");
    command.env("XDLREG_WORKER", scene.path("faulty.py")).env("REAL_WORKER", programs().join("xdlreg-worker"));
    if let Some(seconds) = slow_start {
        command.env("SLOW_START", seconds);
    }
    command.arg("spec.toml").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

fn retries(results: &Results) -> usize {
    stages(&results.events(), "stage_retried").len()
}

/// Many steps of 3 s in one batch of images, each of them without anything to report.
#[test]
fn a_busy_worker_is_not_hung() {
    let explain = "[explain]\nanalyzer = 'occlusion'\nwindow = 1\nstride = 2\n[evaluate]\nscores = []\n";
    let scene = scene("timeout = 1\nretries = 0", explain);
    scene.run("spec.toml").succeeds();
    assert_eq!(retries(&scene.results("spec")), 0);
}

/// One step of libtorch, which tells nothing while it lasts.
#[test]
fn a_long_step_is_not_hung() {
    let scene = Scene::with_spec(
        "[data]\nn_samples = 400\n[train]\nepochs = 1\nbatch_size = 320\n[model]\nbatch_norm = true\n[heatmaps]\ncount = 1\n\
         [evaluate]\nscores = []\n[run]\ndevice = 'cpu'\ntimeout = 1\nretries = 0\n",
    );
    let said = scene.run("spec.toml");
    // So little training may well predict worse than the mean.
    assert!(!said.stderr.contains("no sign of life"), "{}", said.stderr);
    assert_eq!(stages(&scene.results("spec").events(), "stage_finished").len(), 5);
}

#[test]
fn a_slow_start_is_not_hung() {
    let scene = scene("timeout = 1\nretries = 0", "");
    assert_eq!(start(&scene, Some("4")).wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_hung_worker_is_found_however_much_the_others_say() {
    assert!(std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1), "this test needs two cores");
    let scene = scene("timeout = 2\nretries = 0\nworkers = 2", &seeds(&[102, 103]));
    assert_eq!(start(&scene, None).wait().expect("it ends").code(), Some(1));
    let events = scene.results("spec").events();
    let at = |event: &str, stage: &str| events.iter().position(|line| line["event"] == event && line["stage"] == stage);
    let (failed, finished) = (at("stage_failed", "train"), at("stage_finished", "train"));
    assert!(failed.is_some() && failed < finished, "{events:?}");
    let reason = events[failed.expect("it failed")]["reason"].as_str().expect("a reason");
    assert!(reason.contains("no sign of life for 2 s"), "{reason}");
}

#[test]
fn whatever_a_worker_writes_costs_at_most_its_own_run() {
    let scene = scene("timeout = 2\nretries = 0", &seeds(&[104, 105, 106, 7]));
    let mut runner = start(&scene, None);
    let code = runner.wait().expect("it ends").code();
    let runs = scene.results("spec").table("runs");
    let status = texts(&runs, "status");
    assert_eq!((code, status[1].as_str(), status[2].as_str()), (Some(1), "failed", "failed"), "{status:?}");
    assert!([0, 3].iter().all(|&run| status[run] != "failed" && status[run] != "pending"), "{status:?}");
    let told = scene.run("status results/spec").succeeds().stdout;
    assert!(told.contains("lines that are not replies, such as `a library prints this`"), "{told}");
    assert!(told.contains("no sign of life"), "{told}");
    // Not one log line a line.
    let log = scene.results("spec").bytes("logs/xdlreg-run.log");
    assert!(log.len() < 200_000, "{} bytes", log.len());
}

/// Libraries may say a little in every task. Only so many lines during one task make a worker useless.
#[test]
fn a_few_lines_in_every_task_add_up_to_nothing() {
    let scene = scene("timeout = 20\nretries = 0\nworkers = 1", &seeds(&[107, 108]));
    start(&scene, None).wait().expect("it ends");
    let events = scene.results("spec").events();
    assert_eq!(stages(&events, "stage_failed"), [""; 0]);
    assert_eq!(stages(&events, "stage_finished").iter().filter(|stage| *stage == "train").count(), 2);
}

/// Waits until something holds.
#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A training of some seconds, once it has begun.
#[cfg(target_os = "linux")]
fn training(timeout: u32) -> (Scene, Results, Child) {
    let spec = TINY.replace("epochs = 1", "epochs = 30").replace("n_samples = 100", "n_samples = 400");
    let run = format!("[run]\ntimeout = {timeout}\nretries = 1");
    let scene = Scene::with_spec(&spec.replace("[run]", &run));
    let results = scene.results("spec");
    let child = scene.start("spec.toml");
    results.wait_for(|event| event["event"] == "epoch_finished");
    (scene, results, child)
}

/// The state of a process, such as `T` for one that is stopped.
#[cfg(target_os = "linux")]
fn state(process: u32) -> char {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    text.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?')
}

#[test]
#[cfg(target_os = "linux")]
fn a_pause_of_everything_is_not_a_hang() {
    let (_scene, results, mut runner) = training(1);
    let workers = children(runner.id()).expect("it has a worker");
    assert_eq!(workers.len(), 1);
    for pause in 0..2 {
        // First what a frozen container looks like, then what SIGSTOP of the runner's group does.
        let paused: Vec<u32> =
            if pause == 0 { [vec![runner.id()], workers.clone()].concat() } else { vec![runner.id()] };
        paused.iter().for_each(|&process| assert!(signal(process, "STOP")));
        std::thread::sleep(Duration::from_secs(3));
        paused.iter().for_each(|&process| assert!(signal(process, "CONT")));
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(runner.wait().expect("it ends").code(), Some(0));
    assert_eq!(retries(&results), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_is_stopped_alone_is_started_again() {
    let (_scene, results, mut runner) = training(1);
    let worker = children(runner.id()).expect("it runs")[0];
    assert!(signal(worker, "STOP"));
    assert_eq!(runner.wait().expect("it ends").code(), Some(0));
    assert_eq!(retries(&results), 1);
    assert!(!signal(worker, "0"), "nothing of it is left");
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_z_stops_workers_too_and_they_go_on_together() {
    let (_scene, results, mut runner) = training(1);
    let worker = children(runner.id()).expect("it runs")[0];
    assert!(signal(runner.id(), "TSTP"));
    wait_until("both are stopped", || state(runner.id()) == 'T' && state(worker) == 'T');
    std::thread::sleep(Duration::from_secs(3));
    assert!(signal(runner.id(), "CONT"));
    wait_until("both go on", || !['T', 't'].contains(&state(runner.id())) && state(worker) != 'T');
    assert_eq!(runner.wait().expect("it ends").code(), Some(0));
    assert_eq!(retries(&results), 0);
}

/// Stopped processes that nobody lets go on would keep their memory and locks for ever.
#[test]
#[cfg(target_os = "linux")]
fn workers_that_are_stopped_end_with_their_runner() {
    let (scene, _results, mut runner) = training(1);
    let worker = children(runner.id()).expect("it runs")[0];
    assert!(signal(runner.id(), "TSTP"));
    wait_until("both are stopped", || state(runner.id()) == 'T' && state(worker) == 'T');
    assert!(signal(runner.id(), "KILL"));
    runner.wait().expect("it ends");
    wait_until("the worker is gone", || matches!(state(worker), '?' | 'Z'));
    scene.run("spec.toml").succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn a_hangup_does_not_stop_an_experiment_and_termination_does() {
    let (scene, results, mut runner) = training(0);
    assert!(signal(runner.id(), "HUP"));
    assert_eq!(runner.wait().expect("it ends").code(), Some(0));
    assert_eq!(stages(&results.events(), "stage_finished").len(), 5);
    for name in ["TERM", "INT"] {
        let output = format!("--output {name}");
        let mut runner = scene.start(&format!("spec.toml {output}"));
        let stopped = Results { folder: scene.path(name).join("spec") };
        stopped.wait_for(|event| event["event"] == "epoch_finished");
        assert!(signal(runner.id(), "HUP") && signal(runner.id(), name));
        assert_eq!(runner.wait().expect("it ends").code(), Some(130), "{name}");
        assert!(stopped.events().iter().any(|event| event["event"] == "interrupted"), "{name}");
    }
    scene.run("spec.toml --output TERM").succeeds();
    crate::harness::assert_same_tables(&results, &Results { folder: scene.path("TERM/spec") });
}
