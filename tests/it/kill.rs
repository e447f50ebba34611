//! Killed at any moment, a sweep goes on to the same tables as an undisturbed one.

use std::process::Child;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};

use crate::harness::{Results, Scene, TINY, assert_no_leftovers, assert_same_tables, children, signal};

const KILLS: usize = 50;

fn spec() -> String {
    let spec = TINY.replace("epochs = 1", "epochs = 12").replace("[run]", "[run]\nretries = 100");
    format!("{spec}\n[[sweep]]\ngrid = {{ 'explain.analyzer' = ['lrp.epsilon', 'lrp.flat'] }}\nseeds = 3\n")
}

/// Kills the runner, a worker or all of them. The runner goes on after the loss of a worker.
fn strike(runner: &mut Child, random: &mut impl Rng) -> bool {
    let workers = children(runner.id()).unwrap_or_default();
    // Each may have ended by itself meanwhile.
    let kill = |process| signal(process, "KILL");
    match (random.random_range(0..3), workers.first()) {
        (0, Some(worker)) => {
            kill(*worker);
            false
        }
        (1, _) => {
            for worker in workers {
                kill(worker);
            }
            kill(runner.id());
            true
        }
        _ => {
            kill(runner.id());
            true
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn fifty_kills_at_random_moments_change_no_table() {
    let scene = Scene::with_spec(&spec());
    scene.run("spec.toml --output undisturbed").succeeds();
    let undisturbed = Results { folder: scene.path("undisturbed/spec") };
    let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(50);
    let (mut kills, mut sweep) = (0, 0);
    while kills < KILLS {
        let output = format!("disturbed{sweep}");
        let mut runner = scene.start(&format!("spec.toml --output {output}"));
        let mut gone = false;
        while !gone {
            let moment = Instant::now() + Duration::from_millis(random.random_range(5..400));
            while Instant::now() < moment && matches!(runner.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(2));
            }
            if let Ok(Some(status)) = runner.try_wait() {
                assert!(status.success(), "{status}");
                break;
            }
            gone = strike(&mut runner, &mut random);
            kills += 1;
        }
        let finished = runner.wait().expect("it ends").success();
        if kills >= KILLS && !finished {
            scene.run(&format!("spec.toml --output {output}")).succeeds();
        }
        if finished || kills >= KILLS {
            let results = Results { folder: scene.path(&output).join("spec") };
            assert_same_tables(&undisturbed, &results);
            assert_no_leftovers(&scene.path(&output));
            assert_eq!(
                crate::harness::listing(&results.path("heatmaps")),
                crate::harness::listing(&undisturbed.path("heatmaps"))
            );
            sweep += 1;
        }
    }
}
