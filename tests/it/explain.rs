//! `xdlreg-run explain`: maps of images and weights from files.

use std::fs;

use serde_json::Value;

use crate::harness::{Scene, TINY, numbers, read_npy, repository, texts, write_npy};

const PIXELS: usize = 98 * 98;

/// The two images of the reference maps, in `images.npy`, and their network in `net.safetensors`.
fn reference() -> Scene {
    let scene = Scene::new();
    let net = repository("tensor/tests/data/keras_pumpkin_net.safetensors");
    fs::copy(net, scene.path("net.safetensors")).expect("the reference network");
    let images = fs::read(repository("tensor/tests/data/keras_images.f32")).expect("the reference images");
    let images: Vec<f32> =
        images.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect();
    write_npy(&scene.path("images.npy"), &[(images.len() / PIXELS) as u64, 98, 98], &images);
    scene
}

/// One analyzer of each kind, with the deviation that float32 allows; the package of the worker compares all of them.
const ANALYZERS: [(&str, f32); 5] = [
    ("lrp.sequential_preset_a", 1e-4),
    // This divides by sums that cross zero, where float32 itself is worth no more.
    ("lrp.sequential_preset_b_flat", 1e-2),
    ("lrp.epsilon", 1e-4),
    ("lrp.w_square", 1e-4),
    ("gradient", 1e-4),
];

#[test]
fn maps_are_those_of_innvestigate() {
    let scene = reference();
    for (analyzer, tolerance) in ANALYZERS {
        let command = format!("explain --weights net.safetensors --images images.npy --analyzer {analyzer}");
        scene.run(&format!("{command} --out maps.npy --set run.device=cpu")).succeeds();
        let file = format!("tensor/tests/data/lrp/{}.npy", analyzer.trim_start_matches("lrp."));
        let ((shape, ours), (their_shape, theirs)) = (read_npy(&scene.path("maps.npy")), read_npy(&repository(&file)));
        assert_eq!(shape, their_shape);
        let largest = theirs.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        let off = ours.iter().zip(&theirs).fold(0.0_f32, |max, (a, b)| max.max((a - b).abs())) / largest;
        assert!(off <= tolerance, "{analyzer} is off by {off} of the maximum");
    }
}

#[test]
fn a_simulated_set_is_explained_as_its_images_are() {
    let scene = reference();
    scene.run("simulate --n 3 --seed 5 --out set.npz").succeeds();
    let (shape, images) = crate::simulate_render::array(&scene.path("set.npz"), "images");
    write_npy(&scene.path("own.npy"), &shape, &images);
    let explain = "explain --weights net.safetensors --set run.device=cpu";
    scene.run(&format!("{explain} --images set.npz --out of_set.npy")).succeeds();
    scene.run(&format!("{explain} --images own.npy --out of_images.npy")).succeeds();
    let (shape, maps) = read_npy(&scene.path("of_set.npy"));
    assert_eq!(shape, [3, 98, 98]);
    assert_eq!((shape, maps.clone()), read_npy(&scene.path("of_images.npy")));
    // What multiplies by the image cannot say anything of empty pixels.
    assert!(images.iter().zip(&maps).all(|(pixel, relevance)| *pixel != 0.0 || *relevance == 0.0));
    assert!(maps.iter().any(|relevance| *relevance != 0.0));
}

#[test]
fn epsilon_takes_relevance_away() {
    let scene = reference();
    let sum = |epsilon: &str| {
        let command = "explain --weights net.safetensors --images images.npy --out maps.npy --analyzer lrp.epsilon";
        scene.run(&format!("{command} --set run.device=cpu --set explain.epsilon={epsilon}")).succeeds();
        read_npy(&scene.path("maps.npy")).1[..PIXELS].iter().map(|&value| f64::from(value.abs())).sum::<f64>()
    };
    assert!(sum("10") < sum("0.1"));
}

const EXPLAIN: &str = "explain --weights net.safetensors --images images.npy --out maps.npy --set run.device=cpu";

#[test]
fn a_composite_of_ones_own_is_carried_out() {
    let scene = reference();
    scene.run(EXPLAIN).succeeds();
    let preset = read_npy(&scene.path("maps.npy"));
    let composite = r#"[{layer="conv",rule="alpha_beta",alpha=1},{layer="any",rule="epsilon",epsilon=0.1}]"#;
    scene.run(&format!("{EXPLAIN} --analyzer lrp --set explain.composite={composite}")).succeeds();
    assert_eq!(read_npy(&scene.path("maps.npy")), preset);
    let flat = composite.replacen("[", r#"[{layer="input",rule="flat"},"#, 1);
    scene.run(&format!("{EXPLAIN} --analyzer lrp --set explain.composite={flat}")).succeeds();
    assert_ne!(read_npy(&scene.path("maps.npy")), preset);
}

/// The flat rule loses nothing: maps differ in what they are explained against by as many years.
#[test]
fn relevance_explains_the_difference_to_a_reference() {
    let scene = reference();
    scene.run("simulate --n 6 --age 25 --age 60 --seed 5 --out set.npz").succeeds();
    let explain = "explain --weights net.safetensors --images set.npz --out maps.npy --set run.device=cpu";
    let sums = |settings: &str| {
        scene.run(&format!("{explain} --analyzer lrp.flat {settings}")).succeeds();
        let (_, maps) = read_npy(&scene.path("maps.npy"));
        maps.chunks_exact(PIXELS).map(|map| map.iter().copied().map(f64::from).sum::<f64>()).collect::<Vec<_>>()
    };
    let above_bias = sums("--set explain.reference=output-bias");
    let above_young = sums("--set explain.reference={ages=[20,30]}");
    let ages = crate::simulate_render::array(&scene.path("set.npz"), "age").1;
    let young: Vec<f64> = above_young.iter().zip(&ages).filter(|(_, age)| **age <= 30.0).map(|(sum, _)| *sum).collect();
    // Against their own mean activation, the young are explained by nothing on average.
    assert!(!young.is_empty());
    assert!(young.iter().sum::<f64>().abs() / (young.len() as f64) < 0.05, "{young:?}");
    let shift = above_bias[0] - above_young[0];
    for (bias, young) in above_bias.iter().zip(&above_young) {
        assert!((bias - young - shift).abs() < 0.05, "{bias} and {young}");
    }
}

#[test]
fn maps_are_smoothed_over_noise() {
    let scene = reference();
    let maps = |settings: &str| {
        scene.run(&format!("{EXPLAIN} {settings}")).succeeds();
        read_npy(&scene.path("maps.npy"))
    };
    let smooth = "--set explain.smooth={samples=2,sigma=0.1,seed=3}";
    assert_eq!(maps(smooth), maps(smooth));
    assert_ne!(maps(smooth), maps(""));
    let own = maps("--analyzer smoothgrad --set explain.samples=2 --set explain.seed=3");
    assert_eq!(maps(&format!("--analyzer gradient {smooth}")), own);
}

#[test]
fn impossible_explanations_are_refused_in_a_line() {
    let scene = reference();
    for (settings, said) in [
        (
            r#"--analyzer lrp --set explain.composite=[{layer="any",rule="alpha_beta",alpha=2,beta=2}]"#,
            "alpha - beta must be 1",
        ),
        (r#"--analyzer lrp --set explain.composite=[{layer="any",rule="z_b"}]"#, "`z_b` needs `low` and `high`"),
        (r#"--analyzer lrp --set explain.composite=[{layer="conf1",rule="z"}]"#, "did you mean `conv1`?"),
        (
            r#"--analyzer lrp --set explain.composite=[{layer="conv",rule="z"}]"#,
            "no entry gives a rule for dense, output",
        ),
        (r#"--analyzer lrp.z --set explain.composite=[{layer="any",rule="z"}]"#, "does not read `composite`"),
        ("--analyzer lrp", "no entry gives a rule"),
        ("--analyzer gradient --set explain.reference=50", "does not read `reference`"),
        ("--set explain.reference=mean", "samples of known age"),
        ("--set explain.reference=0", "cannot be reached"),
        ("--set explain.reference={flooding=0}", "by lowering or raising all hidden units alike"),
        ("--set explain.reference={flooding=0}", "a reference above the output bias"),
        ("--set explain.class=old", "a regression has no classes"),
    ] {
        scene.run(&format!("{EXPLAIN} {settings}")).exits(2).complains(&[said]);
    }
}

/// The stored ledger and map of every image add up to the prediction, less the reference.
#[test]
fn an_experiment_keeps_a_ledger() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml --set explain.reference=output-bias").succeeds();
    let folder = scene.path("results/.store/explain");
    let entry = fs::read_dir(folder).expect("the store").next().expect("an entry").expect("an entry").path();
    let facts: Value = serde_json::from_slice(&fs::read(entry.join("explained.json")).expect("facts")).expect("JSON");
    assert_eq!(facts["layers"].as_array().map(Vec::len), Some(7));
    let reference = facts["reference"].as_f64().expect("years");
    let (shape, ledger) = read_npy(&entry.join("ledger.npy"));
    let (_, maps) = read_npy(&entry.join("relevance.npy"));
    let (_, outputs) = read_npy(&entry.join("outputs.npy"));
    assert_eq!(shape, [outputs.len() as u64, 7, 3]);
    for ((map, taken), output) in maps.chunks_exact(PIXELS).zip(ledger.chunks_exact(21)).zip(outputs) {
        let sum: f64 = map.iter().chain(taken).copied().map(f64::from).sum();
        let difference = f64::from(output) - reference;
        let size = taken.iter().fold(1.0 + difference.abs(), |size, taken| size + f64::from(taken.abs()));
        assert!((sum - difference).abs() < 1e-4 * size, "{sum} for {difference}");
    }
}

/// A sweep over classes trains once and leaves a file of maps a class.
#[test]
fn each_class_has_its_maps() {
    let sweep = "[[sweep]]\ngrid = { 'explain.class' = ['predicted', 'young', 'old'] }\n";
    let scene = Scene::with_spec(&format!("{TINY}\n[model]\ntask = 'classification'\n{sweep}"));
    let said = scene.run("plan spec.toml").succeeds().stdout;
    assert!(said.starts_with("3 runs: 1 simulate, 1 train, 3 explain,"), "{said}");
    scene.run("spec.toml");
    let results = scene.results("spec");
    let runs = results.table("runs");
    let ids = texts(&runs, "run_id");
    assert_eq!(texts(&runs, "explain.class"), ["predicted", "young", "old"]);
    let [predicted, young, old] =
        [0, 1, 2].map(|run| read_npy(&results.path(&format!("relevance/{}.npy", ids[run]))).1);
    assert_ne!(young, old);
    let table = results.table("predictions");
    let mine: Vec<bool> = texts(&table, "run_id").iter().map(|id| *id == ids[0]).collect();
    let predictions = numbers(&table, "prediction").into_iter().zip(mine).filter(|(_, mine)| *mine);
    let tested: Vec<f64> = predictions.map(|(prediction, _)| prediction).skip(90).collect();
    for (sample, prediction) in tested.into_iter().enumerate() {
        let map = sample * PIXELS..(sample + 1) * PIXELS;
        let expected = if prediction > 0.5 { &old } else { &young };
        assert_eq!(predicted[map.clone()], expected[map], "sample {sample}, old with probability {prediction}");
    }
}
