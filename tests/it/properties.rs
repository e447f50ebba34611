//! What must hold of every experiment, tried on random ones: nothing depends on how many workers there are, on being
//! interrupted, or on what else is explained in the same batch; and relevance is conserved.
//!
//! That all instruction sets give the same bits is held by the tests of the kernels, which run each of them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt;
use serde_json::Value;

use crate::harness::{Results, Scene, assert_same_tables, listing, read_npy, signal, write_npy};
use crate::soak::{Budget, Random};

const PIXELS: usize = 98 * 98;

/// Explanations that propagate relevance, from a reference where they take one.
const ANALYZERS: [&str; 9] = [
    "lrp.z",
    "lrp.epsilon",
    "lrp.flat",
    "lrp.w_square",
    "lrp.z_plus",
    "lrp.alpha_1_beta_0",
    "lrp.sequential_preset_a",
    "lrp.sequential_preset_a_flat",
    "zennit.epsilon_plus_flat",
];

fn choose<'a, T>(random: &mut Random, choices: &'a [T]) -> &'a T {
    &choices[random.random_range(0..choices.len())]
}

/// A small experiment of random settings.
fn spec(random: &mut Random) -> String {
    let filters = [(); 5].map(|()| random.random_range(1..40));
    format!(
        "[data]\nn_samples = {}\nseed = {}\ngrowth_mode = '{}'\n\
         [model]\nconv_filters = {filters:?}\ndense_units = {}\ndropout = {}\nbatch_norm = {}\nseed = {}\n\
         [train]\nepochs = {}\nbatch_size = {}\noptimizer = '{}'\n\
         [explain]\nanalyzer = '{}'\n\
         [heatmaps]\ncount = 1\n[run]\ndevice = 'cpu'\nretries = 20\n[[sweep]]\nseeds = 2\n",
        random.random_range(100..140),
        random.random_range(0..1000),
        choose(random, &["human", "eternal", "tang_ping", "no_growth"]),
        random.random_range(1..40),
        choose(random, &["0.0", "0.5"]),
        choose(random, &["false", "false", "true"]),
        random.random_range(0..1000),
        random.random_range(1..4),
        choose(random, &["1", "3", "4", "32", "100"]),
        choose(random, &["adam", "adamw", "sgd"]),
        choose(random, &ANALYZERS),
    )
}

/// The only folder of a stage's results that comes first.
fn entry(scene: &Scene, stage: &str) -> PathBuf {
    let folder = scene.path("alone/.store").join(stage);
    let mut names: Vec<_> =
        fs::read_dir(&folder).expect("the store").map(|item| item.expect("an entry").path()).collect();
    names.sort();
    names.remove(0)
}

fn round(random: &mut Random) {
    let scene = Scene::with_spec(&spec(random));
    // Networks that learn so little may be worse than the mean, which makes no difference here.
    let ended = scene.run("spec.toml --output alone --jobs 1");
    assert!(
        matches!(ended.code, Some(0)),
        "{}\n{}",
        fs::read_to_string(scene.path("spec.toml")).unwrap(),
        ended.stderr
    );
    let alone = Results { folder: scene.path("alone/spec") };

    scene.run("spec.toml --output together --jobs 2").succeeds();
    assert_same(&alone, &Results { folder: scene.path("together/spec") });

    for _ in 0..random.random_range(1..4) {
        let mut running = scene.start("spec.toml --output interrupted");
        std::thread::sleep(Duration::from_millis(random.random_range(50..600)));
        let name = choose(random, &["TERM", "INT", "KILL"]);
        signal(running.id(), name);
        running.wait().expect("it ends");
    }
    scene.run("spec.toml --output interrupted").succeeds();
    assert_same(&alone, &Results { folder: scene.path("interrupted/spec") });

    conserved(&scene);
    alone_or_in_a_batch(&scene);
}

#[track_caller]
fn assert_same(one: &Results, other: &Results) {
    assert_same_tables(one, other);
    for folder in ["models", "relevance", "heatmaps"] {
        let names = listing(&one.path(folder));
        assert_eq!(names, listing(&other.path(folder)));
        for name in names.iter().map(|name| format!("{folder}/{name}")).filter(|name| one.path(name).is_file()) {
            assert!(one.bytes(&name) == other.bytes(&name), "{name} differs");
        }
    }
}

/// The sum of a map and of what biases and stabilisers took is the prediction, less the reference.
fn conserved(scene: &Scene) {
    let entry = entry(scene, "explain");
    let facts: Value = serde_json::from_slice(&fs::read(entry.join("explained.json")).expect("facts")).expect("JSON");
    let reference = facts["reference"].as_f64().unwrap_or(0.0);
    let (shape, ledger) = read_npy(&entry.join("ledger.npy"));
    let (_, maps) = read_npy(&entry.join("relevance.npy"));
    let (_, outputs) = read_npy(&entry.join("outputs.npy"));
    let each = (shape[1] * shape[2]) as usize;
    assert_eq!(shape[0], outputs.len() as u64);
    for ((map, taken), output) in maps.chunks_exact(PIXELS).zip(ledger.chunks_exact(each)).zip(outputs) {
        let sum: f64 = map.iter().chain(taken).copied().map(f64::from).sum();
        let difference = f64::from(output) - reference;
        let size = taken.iter().chain(map).fold(1.0 + difference.abs(), |size, part| size + f64::from(part.abs()));
        assert!((sum - difference).abs() < 1e-4 * size, "{sum} for {difference}");
    }
}

/// A map is the same whichever images are explained beside its own, by this program's kernels. libtorch adds up in another order for
/// another number of images, and rules without a stabiliser magnify what that changes.
fn alone_or_in_a_batch(scene: &Scene) {
    let spec = fs::read_to_string(scene.path("spec.toml")).expect("the spec");
    if spec.contains("batch_norm = true") {
        return;
    }
    let analyzer = spec.lines().find_map(|line| line.strip_prefix("analyzer = '")).expect("an analyzer");
    let weights = entry(scene, "train").join("model.safetensors");
    let explain = |images: &str, maps: &str| {
        let mut command = scene.command("xdlreg-run");
        command.args(["explain", "--images", images, "--out", maps, "--set", "run.device=cpu"]);
        command.arg("--analyzer").arg(analyzer.trim_end_matches('\'')).arg("--weights").arg(&weights);
        crate::harness::Ended::of(&mut command).succeeds();
        read_npy(&scene.path(maps)).1
    };
    scene.run("simulate --n 5 --seed 9 --out set.npz").succeeds();
    let (_, images) = crate::simulate_render::array(&scene.path("set.npz"), "images");
    write_npy(&scene.path("all.npy"), &[5, 98, 98], &images);
    let all = explain("all.npy", "maps.npy");
    for range in [0..1, 1..2, 2..5] {
        let pixels = range.start * PIXELS..range.end * PIXELS;
        write_npy(&scene.path("some.npy"), &[range.len() as u64, 98, 98], &images[pixels.clone()]);
        assert!(explain("some.npy", "some_maps.npy") == all[pixels], "images {range:?} of five\n{spec}");
    }
}

#[test]
fn random_experiments_hold_their_promises() {
    Budget::small("properties", 1).each(|_, random| round(random));
}

#[test]
#[ignore = "part of make soak"]
fn soak_properties() {
    let budget = Budget::soak("properties", 100);
    let rounds = budget.each(|_, random| round(random));
    budget.tell(&format!("{rounds} random experiments of two runs"));
}
