//! Clocks that are wrong, or are set while an experiment runs.

use std::process::Command;

use crate::harness::{Ended, Results, Scene, TINY, numbers};

/// Replaces the time of day of a program. `WRONG_CLOCK` is the first time, in seconds since 1970, and by how much it goes on
/// with each look.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static atomic_long looks;

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    const char *wrong = getenv("WRONG_CLOCK");
    long long start, step;
    if (result == 0 && clock == CLOCK_REALTIME && wrong && sscanf(wrong, "%lld,%lld", &start, &step) == 2)
        time->tv_sec = start + step * atomic_fetch_add(&looks, 1);
    return result;
}
"#;

/// A scene with the clock, compiled; the C compiler is one that the build needs, too.
fn scene() -> Scene {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 2")).file("clock.c", CLOCK);
    let mut compiler = scene.prepare(Command::new("cc"));
    Ended::of(compiler.args(["-shared", "-fPIC", "-o", "clock.so", "clock.c", "-ldl"])).succeeds();
    scene
}

fn run(scene: &Scene, clock: &str, arguments: &str) -> Ended {
    let mut command = scene.command("xdlreg-run");
    command.env("LD_PRELOAD", scene.path("clock.so")).env("WRONG_CLOCK", clock);
    Ended::of(command.args(arguments.split_whitespace()))
}

#[test]
#[cfg(target_os = "linux")]
fn experiments_run_and_are_told_of_by_any_clock() {
    let scene = scene();
    // Before 1970, at its start, in the years 2500 and 30000; going back and leaping ahead with each look.
    for (name, clock) in [
        ("past", "-1000000000,0"),
        ("epoch", "0,0"),
        ("future", "16725225600,1"),
        ("far", "884541340800,1"),
        ("backwards", "1700000000,-86400"),
        ("leaps", "0,100000000"),
    ] {
        run(&scene, clock, &format!("spec.toml --output {name}")).succeeds();
        let results = Results { folder: scene.path(name).join("spec") };
        let seconds = numbers(&results.table("runs"), "total_seconds")[0];
        assert!((0.0..1000.0).contains(&seconds), "{name}: {seconds}");
        for event in results.events() {
            let at = event["elapsed_seconds"].as_f64().expect("seconds");
            assert!((0.0..1000.0).contains(&at), "{name}: {event}");
        }
        for clock in [clock, "1700000000,0", "-5,0", "1000000000000,0"] {
            for verb in ["status", "report", "logs", "why"] {
                let argument = if ["logs", "why"].contains(&verb) { results.run_id() } else { String::new() };
                let said = run(&scene, clock, &format!("{verb} {name}/spec {argument}")).succeeds();
                assert!(!said.stderr.contains("panicked") && !said.stdout.is_empty(), "{name}: {}", said.stderr);
            }
        }
        run(&scene, clock, &format!("plan spec.toml --output {name}")).succeeds();
        // The same again finds everything.
        run(&scene, "1700000000,0", &format!("spec.toml --output {name}")).succeeds();
    }
}

/// A machine whose clock is set by the network some time after it has started.
#[test]
#[cfg(target_os = "linux")]
fn a_clock_that_was_set_makes_no_run_last_for_years() {
    let scene = scene();
    let spec = TINY.replace("epochs = 1", "epochs = 500");
    scene.write("spec.toml", spec);
    let mut command = scene.command("xdlreg-run");
    command.env("LD_PRELOAD", scene.path("clock.so")).env("WRONG_CLOCK", "0,0");
    command.arg("spec.toml").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut runner = command.spawn().expect("it starts");
    scene.results("spec").wait_for(|event| event["event"] == "epoch_finished");
    for clock in ["1700000000,0", "-5,0", "0,0"] {
        let said = run(&scene, clock, "status results/spec").succeeds().stdout;
        let line = said.lines().next().expect("a line");
        assert!(line.contains("running for") && !line.contains(" h "), "{clock}: {said}");
        assert!(said.lines().nth(2).is_some_and(|line| !line.contains(" h ")), "{clock}: {said}");
    }
    scene.run("cancel results/spec").succeeds();
    assert_eq!(runner.wait().expect("it ends").code(), Some(130));
}
