//! Killed at any moment, a sweep goes on to the same tables as an undisturbed one, and leaves nothing half-written.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::harness::{Scene, assert_no_leftovers, assert_same_tables, children, listing, signal};
use crate::soak::{Budget, QUICK, Random};

/// What a signal is sent to.
const VICTIMS: [&str; 6] = ["runner", "worker", "all workers", "runner and workers", "joiner", "clean"];

/// What runners say on standard error.
const RUNNER_ERRORS: &str = "runner-errors";

/// How many signals were sent to each of the victims.
type Counts = [u32; VICTIMS.len()];

fn undisturbed() -> &'static Scene {
    static UNDISTURBED: OnceLock<Scene> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let spec = QUICK.replace("epochs = 1", "epochs = 8").replace("[run]", "[run]\nretries = 100");
        let sweep = "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.epsilon', 'lrp.flat'] }\nseeds = 2\n";
        let scene = Scene::with_spec(&format!("{spec}\n{sweep}"));
        scene.run("spec.toml").succeeds();
        scene
    })
}

/// A program of the scene, in a process group of its own.
fn start(scene: &Scene, arguments: &str) -> Child {
    let mut command: Command = scene.command("xdlreg-run");
    let name = if arguments == "spec.toml" { RUNNER_ERRORS } else { "other-errors" };
    let errors = std::fs::File::create(scene.path(name)).expect("a file in the scene");
    command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(errors).process_group(0);
    command.spawn().expect("xdlreg-run starts")
}

/// Whether a process ends by itself within a random time.
fn ends_within(child: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        if child.try_wait().expect("a child").is_some() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn moment(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.random_range(2..most))
}

/// One sweep, disturbed until it has had enough, then left alone.
fn round(scene: &Scene, random: &mut Random) -> Counts {
    let mut counts = [0; VICTIMS.len()];
    let strikes = random.random_range(3..10);
    let mut struck = 0;
    while struck < strikes {
        let mut runner = start(scene, "spec.toml");
        let mut joiner = (random.random_range(0..3) == 0).then(|| {
            std::thread::sleep(moment(random, 150));
            start(scene, "spec.toml --jobs 1 --join")
        });
        let mut finished = false;
        while struck < strikes && !finished {
            finished = ends_within(&mut runner, moment(random, 350));
            if finished {
                let status = runner.wait().expect("it ended");
                assert!(status.success() || was_refused(scene, joiner.is_some()), "unstruck, it ended with {status}");
            } else {
                struck += 1;
                let (victim, gone) = strike(&runner, joiner.as_mut(), random);
                counts[victim] += 1;
                if gone {
                    // Killed, or stopped as by Ctrl-C; but it may have been done in the same moment.
                    let code = runner.wait().expect("it ends").code();
                    assert!(matches!(code, None | Some(0 | 130)) || was_refused(scene, joiner.is_some()), "{code:?}");
                    break;
                }
            }
        }
        stop(&mut runner);
        joiner.as_mut().into_iter().for_each(stop);
        if random.random_range(0..3) == 0 {
            let criterion = ["--orphans", "--max-size 0B", "--older-than 0s"][random.random_range(0..3)];
            let mut cleaner = start(scene, &format!("clean results {criterion}"));
            if !ends_within(&mut cleaner, moment(random, 30)) {
                counts[5] += 1;
                struck += 1;
                signal(cleaner.id(), kind(random));
            }
            cleaner.wait().expect("it ends");
        }
    }
    scene.run("spec.toml").succeeds();
    assert_as_undisturbed(scene);
    counts
}

/// Whether a runner left the experiment to one that was to join it, and was faster.
fn was_refused(scene: &Scene, joined: bool) -> bool {
    let said = std::fs::read_to_string(scene.path(RUNNER_ERRORS)).unwrap_or_default();
    joined && said.contains("another xdlreg-run is working on")
}

fn kind(random: &mut Random) -> &'static str {
    ["KILL", "TERM"][random.random_range(0..2)]
}

/// Sends a signal to somebody; whom, and whether the runner will be gone. Each may have ended by itself meanwhile.
fn strike(runner: &Child, joiner: Option<&mut Child>, random: &mut Random) -> (usize, bool) {
    let workers = children(runner.id()).unwrap_or_default();
    let kind = kind(random);
    match (random.random_range(0..5), workers.first(), joiner) {
        (1, Some(&worker), _) => {
            signal(worker, kind);
            (1, false)
        }
        (2, Some(_), _) => {
            workers.iter().for_each(|&worker| group(worker, kind));
            (2, false)
        }
        (3, ..) => {
            workers.iter().for_each(|&worker| group(worker, kind));
            group(runner.id(), kind);
            (3, true)
        }
        (4, _, Some(joiner)) => {
            signal(joiner.id(), kind);
            (4, false)
        }
        _ => {
            signal(runner.id(), kind);
            (0, true)
        }
    }
}

/// Sends a signal to a process group.
fn group(leader: u32, kind: &str) {
    let arguments = [format!("-{kind}"), "--".to_owned(), format!("-{leader}")];
    Command::new("kill").args(arguments).stderr(Stdio::null()).status().expect("kill is there");
}

/// Ends a program that may run still, and its workers.
fn stop(child: &mut Child) {
    let workers = children(child.id()).unwrap_or_default();
    let _ = child.kill();
    child.wait().expect("it ends");
    workers.into_iter().for_each(|worker| group(worker, "KILL"));
}

#[track_caller]
fn assert_as_undisturbed(scene: &Scene) {
    let (one, other) = (undisturbed().results("spec"), scene.results("spec"));
    assert_same_tables(&one, &other);
    assert_no_leftovers(&scene.path("results"));
    for folder in ["heatmaps", "models", "relevance", "figures", "tensorboard"] {
        assert_eq!(listing(&one.path(folder)), listing(&other.path(folder)), "{folder}");
    }
    let empty = |folder: &str| listing(&scene.path("results/.store").join(folder)).is_empty();
    assert!(["tmp", "scratch", "claims"].into_iter().all(empty), "{:?}", scene.listing("results/.store"));
    let results = |path: &Path| listing(path).into_iter().filter(|name| name.ends_with("manifest.json")).count();
    assert!(results(&scene.path("results/.store")) >= results(&undisturbed().path("results/.store")));
}

fn fresh() -> Scene {
    let scene = Scene::new();
    std::fs::copy(undisturbed().path("spec.toml"), scene.path("spec.toml")).expect("the spec");
    scene
}

#[test]
fn kills_at_random_moments_change_no_table() {
    Budget::small("kills", 5).each(|_, random| _ = round(&fresh(), random));
}

#[test]
#[ignore = "part of make soak"]
fn soak_kills() {
    let budget = Budget::soak("kills", 100);
    let mut counts = [0; VICTIMS.len()];
    let sweeps = budget.each(|_, random| {
        let struck = round(&fresh(), random);
        counts.iter_mut().zip(struck).for_each(|(count, more)| *count += more);
    });
    let each: Vec<String> = VICTIMS.iter().zip(counts).map(|(victim, count)| format!("{victim} {count}")).collect();
    budget.tell(&format!("{} signals over {sweeps} sweeps ({})", counts.iter().sum::<u32>(), each.join(", ")));
}
