//! Crashes before, between and after all that is done to the disk: the next start gives the same tables and leaves nothing
//! half-written.
//!
//! `XDLREG_CRASH_AT` makes a program abort at the operation of a number, or in the middle of it (`core/src/disk`).

use std::path::Path;
use std::sync::OnceLock;

use crate::harness::{Ended, Results, Scene, assert_no_leftovers, assert_same_tables, listing};
use crate::soak::{Budget, QUICK};
use crate::tree;

/// What is interrupted: a program, and the command that runs it.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    program: &'static str,
    command: &'static str,
    /// Whether the experiment was finished before.
    finished: bool,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario { program: "xdlreg-run", command: "spec.toml", finished: false },
    Scenario { program: "xdlreg-worker", command: "spec.toml", finished: false },
    Scenario { program: "xdlreg-run", command: "spec.toml --set heatmaps.count=2", finished: true },
    Scenario { program: "xdlreg-worker", command: "spec.toml --set heatmaps.count=2", finished: true },
    Scenario { program: "xdlreg-run", command: "clean results --max-size 0B", finished: true },
    Scenario { program: "xdlreg-run", command: "report results/spec", finished: true },
    Scenario { program: "xdlreg-run", command: "spec.toml --verify", finished: true },
];

/// No program does more to the disk.
const MOST_OPERATIONS: u64 = 600;

fn undisturbed() -> &'static Scene {
    static UNDISTURBED: OnceLock<Scene> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let scene = Scene::with_spec(QUICK);
        scene.run("spec.toml").succeeds();
        scene
    })
}

/// Interrupts a scenario before its operation `number`, from 1, or `within` it. Whether there was such an operation.
fn crash(scenario: Scenario, number: u64, within: bool) -> bool {
    let scene = Scene::new();
    tree::copy(&undisturbed().path("spec.toml"), &scene.path("spec.toml"));
    if scenario.finished {
        tree::copy(&undisturbed().path("results"), &scene.path("results"));
    }
    let place = format!("{}:{number}{}", scenario.program, if within { "+" } else { "" });
    let mut command = scene.command("xdlreg-run");
    command.args(scenario.command.split_whitespace()).env("XDLREG_CRASH_AT", &place);
    let ended = Ended::of(&mut command);
    let what = format!("{scenario:?} at {place}\n{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}");
    let crashed = match scenario.program {
        "xdlreg-run" => ended.code.is_none(),
        // A worker that aborts is replaced, and the next one aborts at the same place.
        _ => ended.code == Some(1) || ended.stderr.contains("signal 6"),
    };
    assert!(crashed || ended.code == Some(0), "{:?}\n{what}", ended.code);
    // Looking is possible at any time.
    let looked = scene.run("status results/spec");
    assert!(matches!(looked.code, Some(0 | 2)) && !looked.stderr.contains("panicked"), "{what}\n{looked:?}");
    let again = scene.run("spec.toml");
    assert_eq!(again.code, Some(0), "{what}\n{}", again.stderr);
    let (one, other) = (undisturbed().results("spec"), scene.results("spec"));
    assert_same_tables(&one, &other);
    assert_no_leftovers(&scene.path("results"));
    assert_same_names(&one, &other, &what);
    let empty = |folder: &str| listing(&scene.path("results/.store").join(folder)).is_empty();
    assert!(["tmp", "scratch", "claims"].into_iter().all(empty), "{what}\n{:?}", scene.listing("results/.store"));
    let verified = scene.run("spec.toml --verify").succeeds();
    assert!(!verified.stderr.contains("has changed"), "{what}\n{}", verified.stderr);
    crashed
}

#[track_caller]
fn assert_same_names(one: &Results, other: &Results, what: &str) {
    let logs = |name: &String| name.starts_with("logs");
    let names = |folder: &Path| listing(folder).into_iter().filter(|name| !logs(name)).collect::<Vec<_>>();
    assert_eq!(names(&one.folder), names(&other.folder), "{what}");
}

#[test]
fn crashes_at_some_operations_change_nothing() {
    let mut crashed = 0;
    Budget::small("crashes", 14).each(|round, _| {
        let scenario = SCENARIOS[round as usize % SCENARIOS.len()];
        crashed += u32::from(crash(scenario, 1 + round * 5 % 23, round % 2 == 0));
    });
    assert!(crashed > 7, "XDLREG_CRASH_AT is without effect");
}

/// Every operation of every scenario, one after the other.
#[test]
#[ignore = "part of make soak"]
fn soak_crashes() {
    let budget = Budget::soak("crashes", MOST_OPERATIONS * 2 * SCENARIOS.len() as u64);
    let (mut crashed, mut operations) = (0, [u64::MAX; SCENARIOS.len()]);
    budget.each(|round, _| {
        let scenarios = SCENARIOS.len() as u64;
        let (scenario, number) = ((round % scenarios) as usize, 1 + round / scenarios / 2);
        // Beyond the last operation there is nothing to interrupt.
        if number <= operations[scenario] {
            if crash(SCENARIOS[scenario], number, round / scenarios % 2 == 1) {
                crashed += 1;
            } else {
                operations[scenario] = number - 1;
            }
        }
    });
    let all = operations.iter().all(|&last| last < u64::MAX);
    budget.tell(&format!("{crashed} crashes, {}", if all { "all operations" } else { "not all operations" }));
    let counts = operations.map(|last| if last < u64::MAX { last.to_string() } else { "?".to_owned() });
    budget.tell(&format!("operations of the scenarios: {}", counts.join(", ")));
}
