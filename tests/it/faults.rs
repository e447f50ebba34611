//! Workers that die, hang or lead nowhere cost their own run, and nothing else.

use std::process::Stdio;

use crate::harness::{Scene, TINY, programs, require_program, texts};

/// A worker that dies in the training of seed 101 and hangs in that of seed 102.
const FAULTY: &str = r#"#!/usr/bin/env python3
import json, os, subprocess, sys, threading, time
worker = subprocess.Popen([os.environ["REAL_WORKER"]] + sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def replies():
    for line in worker.stdout:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
threading.Thread(target=replies, daemon=True).start()
for line in sys.stdin.buffer:
    seed = json.loads(line)["job"].get("model", {}).get("seed")
    if seed == 101:
        print("the disk is on fire", file=sys.stderr, flush=True)
        worker.kill()
        os.abort()
    if seed == 102:
        print("thinking about it", file=sys.stderr, flush=True)
        time.sleep(1000)
    worker.stdin.write(line)
    worker.stdin.flush()
worker.stdin.close()
sys.exit(worker.wait())
"#;

const CELLS: &str = "
[[sweep]]
list = [
    { 'model.seed' = 1 },
    { 'model.seed' = 101 },
    { 'model.seed' = 102 },
    { 'model.seed' = 3, 'train.learning_rate' = 1e6, 'train.epochs' = 3 },
    { 'model.seed' = 4 },
]
";

fn scene() -> Scene {
    let spec = TINY.replace("[run]", "[run]\ntimeout = 3\nretries = 1");
    let scene = Scene::with_spec(&format!("{spec}\n{CELLS}")).file("faulty.py", FAULTY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(scene.path("faulty.py"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    scene
}

fn run(scene: &Scene, arguments: &[&str]) -> Option<i32> {
    let mut command = scene.command("xdlreg-run");
    command.env("XDLREG_WORKER", scene.path("faulty.py")).env("REAL_WORKER", programs().join("xdlreg-worker"));
    command.arg("spec.toml").args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("it runs").code()
}

#[test]
fn an_abort_a_hang_and_a_loss_that_is_no_number_cost_one_run_each() {
    require_program("python3");
    let scene = scene();
    assert_eq!(run(&scene, &[]), Some(1));
    let results = scene.results("spec");
    let runs = results.table("runs");
    let status = texts(&runs, "status");
    assert_eq!(status[1..4], ["failed", "failed", "invalid"]);
    assert!([0, 4].iter().all(|&run| status[run] != "failed" && status[run] != "pending"), "{status:?}");
    let told = scene.run("status results/spec").succeeds().stdout;
    let reasons =
        ["died of signal 6; its last words: the disk is on fire", "no sign of life for 3 s", "diverged in epoch"];
    for (reason, id) in reasons.iter().zip(&texts(&runs, "run_id")[1..4]) {
        let line = told.lines().find(|line| line.contains(id.as_str())).unwrap_or_default();
        assert!(line.contains(reason), "{told}");
    }
    // What a worker wrote about a run is in its log.
    let ids = texts(&runs, "run_id");
    for (run, own) in [(1, "the disk is on fire"), (2, "thinking about it")] {
        let logs = scene.run(&format!("logs results/spec {}", ids[run])).succeeds().stdout;
        assert!(logs.contains(own), "{logs}");
    }
    let retried = results.events().iter().filter(|event| event["event"] == "stage_retried").count();
    assert_eq!(retried, 2);
    // What failed is tried again by the next start, what is done is not.
    assert_eq!(scene.run("spec.toml").code, Some(1));
    assert_eq!(texts(&results.table("runs"), "status")[3], "invalid");
    assert!(!texts(&results.table("runs"), "status").contains(&"failed".to_owned()));
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    require_program("python3");
    let scene = scene();
    assert_eq!(run(&scene, &["--fail-fast", "--jobs", "1", "--set", "run.retries=0"]), Some(1));
    let status = texts(&scene.results("spec").table("runs"), "status");
    assert_eq!(status[1], "failed");
    assert!(status.contains(&"pending".to_owned()), "{status:?}");
}
