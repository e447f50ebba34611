//! `xdlreg-run explain`: maps of images and weights from files.

use std::fs;

use crate::harness::{Scene, read_npy, repository, write_npy};

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
