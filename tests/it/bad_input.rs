//! What is wrong is said before anything is written: what, where, and what to do.

use std::fs;
use std::path::Path;

use crate::harness::{Ended, Scene, TINY, repository, write_npy};

/// Runs `arguments`, which must be refused with all `parts` and a help, and must leave nothing behind.
#[track_caller]
fn assert_refused(scene: &Scene, arguments: &str, parts: &[&str]) {
    let before = scene.listing(".");
    let ended = scene.run(arguments);
    assert_refusal(scene, ended, parts, &before);
}

#[track_caller]
fn assert_refusal(scene: &Scene, ended: Ended, parts: &[&str], before: &[String]) {
    let ended = ended.exits(2).complains(parts).complains(&["help:"]);
    assert_eq!(ended.stdout, "");
    assert_eq!(scene.listing("."), before, "something was written");
}

/// A spec that must be refused at `place` ("line:column") with all `parts`.
#[track_caller]
fn assert_spec_refused(spec: &str, place: &str, parts: &[&str]) {
    let scene = Scene::with_spec(spec);
    let place = format!("spec.toml:{place}");
    for verb in ["", "plan "] {
        assert_refused(&scene, &format!("{verb}spec.toml"), &[&[place.as_str()], parts].concat());
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_near_miss() {
    assert_spec_refused("[train]\nepocs = 3\n", "2:1", &["unknown key `epocs` in [train]", "did you mean `epochs`?"]);
    assert_spec_refused("[data]\nseed = 1\n\n[trian]\nepochs = 3\n", "4:2", &["`trian`", "did you mean `train`?"]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    assert_spec_refused(
        "[train]\nepochs = \"many\"\n",
        "2:10",
        &["train.epochs", "expected a whole number", "\"many\""],
    );
    assert_spec_refused("[data]\nn_samples = -5\n", "2:13", &["data.n_samples", "-5"]);
    assert_spec_refused("[heatmaps]\npointers = 1\n", "2:12", &["heatmaps.pointers", "expected true or false"]);
    assert_spec_refused("[data]\ngrowth_mode = \"humane\"\n", "2:15", &["data.growth_mode", "did you mean `human`?"]);
}

#[test]
fn values_that_cannot_be_are_refused() {
    let cases = [
        ("[data]\ndistribution = \"biased\"\n", "1:2", "data.target_bias"),
        ("[data]\ntarget_bias = 55\n", "2:15", "data.target_bias"),
        ("[data]\nn_samples = 99\n", "2:13", "data.n_samples"),
        ("[train]\nepochs = 0\n", "2:10", "train.epochs"),
        ("[train]\nbatch_size = 0\n", "2:14", "train.batch_size"),
        ("[train]\nlearning_rate = 0.0\n", "2:17", "train.learning_rate"),
        ("[model]\ndropout = 1.0\n", "2:11", "model.dropout"),
        ("[data]\nmin_age = 70\nmax_age = 60\n", "2:11", "data.min_age"),
        ("[run]\nthreads_per_worker = 0\n", "2:22", "run.threads_per_worker"),
        ("[explain]\nanalyzer = \"lrp.sequental_preset_a\"\n", "2:12", "did you mean `lrp.sequential_preset_a`?"),
        ("[explain]\nanalyzer = \"lrp.flat\"\nepsilon = 0.1\n", "3:11", "explain.epsilon"),
        (
            "[explain]\nanalyzer = \"lrp\"\n[[explain.composite]]\nlayer = \"any\"\nrule = \"alpha_beta\"\nalpha = 2\nbeta = 2\n",
            "7:8",
            "alpha - beta must be 1",
        ),
        (
            "[explain]\nanalyzer = \"lrp\"\n[[explain.composite]]\nlayer = \"conf2\"\nrule = \"z\"\n",
            "4:9",
            "did you mean `conv2`?",
        ),
        ("[model]\ntask = \"classification\"\n[explain]\nreference = 50\n", "4:13", "explain.reference"),
        ("[explain]\nclass = \"old\"\n", "2:9", "a regression has no classes"),
        ("[model]\ntask = \"classification\"\n[explain]\nclass = \"odl\"\n", "4:9", "allowed: predicted, young, old"),
        ("[evaluate]\nscores = [\"faithfullness\"]\n", "2:10", "did you mean `faithfulness`?"),
        ("[evaluate]\nflipped = 2.0\n", "2:11", "evaluate.flipped"),
    ];
    for (spec, place, key) in cases {
        assert_spec_refused(spec, place, &[key]);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let scene = Scene::with_spec("[data]\nn_samples = 10\n[train]\nepochs = 0\n");
    assert_refused(&scene, "spec.toml", &["spec.toml:2:13", "data.n_samples", "spec.toml:4:10", "train.epochs"]);
}

#[test]
fn broken_toml_is_shown_where_it_breaks() {
    for (spec, place) in [("[train]\nepochs =\n", "2:"), ("[train\nepochs = 1\n", "1:7"), ("a = 1\na = 2\n", "2:1")] {
        let scene = Scene::with_spec(spec);
        let ended = scene.run("spec.toml").exits(2);
        ended.complains(&["spec.toml is not valid TOML", &format!("spec.toml:{place}")]);
        assert_eq!(scene.listing("."), ["spec.toml"]);
    }
}

#[test]
fn a_mistake_in_a_base_is_shown_in_the_base() {
    let scene = Scene::with_spec("extends = \"base.toml\"\n").file("base.toml", "[train]\nepochs = 0\n");
    assert_refused(&scene, "spec.toml", &["base.toml:2:10", "train.epochs"]);
    let scene = Scene::with_spec("extends = \"nowhere.toml\"\n");
    assert_refused(&scene, "spec.toml", &["spec.toml:1:11", "nowhere.toml"]);
    let scene = Scene::with_spec("extends = \"other.toml\"\n").file("other.toml", "extends = \"spec.toml\"\n");
    assert_refused(&scene, "spec.toml", &["extends itself"]);
}

#[test]
fn what_is_no_spec_file_is_refused() {
    let scene = Scene::with_spec(TINY).file("folder/inner.toml", TINY).file("binary.toml", b"[data]\n\0\xff\xfe");
    assert_refused(&scene, "missing.toml", &["cannot read the spec missing.toml"]);
    assert_refused(&scene, "folder", &["folder is a folder"]);
    assert_refused(&scene, "binary.toml", &["binary.toml is not a text file"]);
    assert_refused(&scene, "spec.toml/inner.toml", &["cannot read the spec spec.toml/inner.toml"]);
}

#[test]
fn mistakes_of_the_command_line_and_the_environment_are_refused() {
    let scene = Scene::with_spec(TINY);
    assert_refused(&scene, "spec.toml --set train.epocs=3", &["--set train.epocs=3", "did you mean `epochs`?"]);
    assert_refused(&scene, "spec.toml --set train.epochs", &["sets nothing"]);
    assert_refused(&scene, "spec.toml --set train..epochs=3", &["is not a key"]);
    let before = scene.listing(".");
    let ended = Ended::of(scene.command("xdlreg-run").arg("spec.toml").env("XDLREG_TRAIN__EPOCS", "3"));
    assert_refusal(&scene, ended, &["environment XDLREG_TRAIN__EPOCS", "did you mean `epochs`?"], &before);
    for arguments in ["", "spec.toml --jobs 0", "spec.toml --quiet --json", "spec.toml --unknown", "simulate --n 0"] {
        scene.run(arguments).exits(2);
    }
    assert_eq!(scene.listing("."), before);
}

#[test]
fn a_results_folder_that_cannot_be_written_is_refused() {
    let scene = Scene::with_spec(TINY).file("taken", "a file");
    assert_refused(&scene, "spec.toml --output taken", &["cannot write the results folder taken/spec"]);
    assert_refused(&scene, "spec.toml --output taken/inner", &["cannot write the results folder taken/inner/spec"]);
    assert_refused(&scene, "simulate --n 1 --out taken/set.npz", &["cannot write taken/set.npz"]);
    let scene = Scene::with_spec(TINY).file("results/spec", "a file");
    assert_refused(&scene, "spec.toml", &["cannot write the results folder results/spec"]);
}

#[test]
fn cuda_is_refused_where_there_is_none() {
    let scene = Scene::with_spec(TINY);
    // No machine has so many of them.
    if Path::new("/dev/nvidiactl").exists() {
        assert_refused(&scene, "spec.toml --set run.device=cuda:4096", &["cuda"]);
    } else {
        assert_refused(&scene, "spec.toml --set run.device=cuda", &["run.device = \"cuda\"", "no NVIDIA driver"]);
    }
    assert_refused(&scene, "spec.toml --set run.device=tpu", &["`tpu` is not a device"]);
}

/// A scene with a network of Keras in `net.safetensors` and an image in `images.npy`.
fn explaining() -> (Scene, Vec<u8>) {
    let net = fs::read(repository("tensor/tests/data/keras_pumpkin_net.safetensors")).expect("the reference network");
    let scene = Scene::new().file("net.safetensors", &net);
    write_npy(&scene.path("images.npy"), &[1, 98, 98], &[0.5; 98 * 98]);
    (scene, net)
}

fn explain(weights: &str, images: &str) -> String {
    format!("explain --weights {weights} --images {images} --out maps.npy")
}

#[test]
fn weights_that_are_none_are_refused() {
    let (scene, net) = explaining();
    scene.write("truncated.safetensors", &net[..net.len() / 2]);
    scene.write("text.safetensors", "not a network at all, but a text");
    scene.write("empty.safetensors", "");
    let header = 8 + u64::from_le_bytes(net[..8].try_into().expect("eight bytes")) as usize;
    let mut poisoned = net.clone();
    poisoned[header..header + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    scene.write("nan.safetensors", poisoned);
    let (shape, other) = (b"\"shape\":[16,1,3,3]", b"\"shape\":[1,16,3,3]");
    let place = net.windows(shape.len()).position(|window| window == shape).expect("the first kernel's shape");
    let mut reshaped = net.clone();
    reshaped[place..place + other.len()].copy_from_slice(other);
    scene.write("reshaped.safetensors", reshaped);
    for (name, reason) in [
        ("truncated.safetensors", "safetensors"),
        ("text.safetensors", "safetensors"),
        ("empty.safetensors", "safetensors"),
        ("nan.safetensors", "conv1.bias"),
        ("reshaped.safetensors", "conv1.weight"),
        ("missing.safetensors", "No such file"),
    ] {
        assert_refused(&scene, &explain(name, "images.npy"), &[name, reason]);
    }
}

#[test]
fn images_that_are_none_are_refused() {
    let (scene, _) = explaining();
    write_npy(&scene.path("small.npy"), &[2, 28, 28], &[0.5; 2 * 28 * 28]);
    write_npy(&scene.path("flat.npy"), &[98 * 98], &[0.5; 98 * 98]);
    write_npy(&scene.path("nan.npy"), &[1, 98, 98], &[f32::NAN; 98 * 98]);
    scene.write("text.npy", "no array");
    scene.write("text.npz", "no arrays");
    for (name, reason) in [
        ("small.npy", "28 x 28"),
        ("flat.npy", "[9604]"),
        ("nan.npy", "not finite"),
        ("text.npy", ""),
        ("text.npz", ""),
        ("missing.npy", "No such file"),
    ] {
        assert_refused(&scene, &explain("net.safetensors", name), &[name, reason]);
    }
}

#[test]
fn explaining_with_what_is_unknown_is_refused() {
    let (scene, _) = explaining();
    let command = explain("net.safetensors", "images.npy");
    assert_refused(&scene, &format!("{command} --analyzer lrp.epsilo"), &["did you mean `lrp.epsilon`?"]);
    assert_refused(&scene, &format!("{command} --set explain.epsilom=1"), &["did you mean `epsilon`?"]);
    assert_refused(&scene, &format!("{command} --analyzer lrp.flat --set explain.epsilon=1"), &["explain.epsilon"]);
}

#[test]
fn maps_of_other_images_are_not_drawn() {
    let scene = Scene::new();
    write_npy(&scene.path("images.npy"), &[2, 98, 98], &[0.5; 2 * 98 * 98]);
    write_npy(&scene.path("maps.npy"), &[1, 98, 98], &[0.5; 98 * 98]);
    write_npy(&scene.path("ages.npy"), &[3], &[20.0, 30.0, 40.0]);
    let render = "render --out pictures --images images.npy";
    assert_refused(&scene, &format!("{render} --maps maps.npy"), &["maps.npy", "(1 of 98 x 98 pixels)"]);
    assert_refused(&scene, &format!("{render} --maps images.npy --ages ages.npy"), &["ages.npy", "3 values for 2"]);
}
