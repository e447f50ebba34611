//! Weights of one's own: training starts from them, they are explained as they are, they predict images of files; and tables of
//! layers.

use std::fs;

use crate::harness::{Scene, TINY, numbers, read_npy, repository};

const NET: &str = "tensor/tests/data/keras_pumpkin_net.safetensors";

/// A spec that starts from weights.
fn starting(weights: &str, epochs: usize) -> String {
    let run = TINY.replace("epochs = 1", &format!("epochs = {epochs}"));
    format!("[model]\nweights = '{weights}'\n{run}")
}

/// A scene with the weights of Keras in `study/net.safetensors`.
fn scene() -> Scene {
    Scene::new().file("study/net.safetensors", fs::read(repository(NET)).expect("the reference network"))
}

#[test]
fn weights_are_explained_as_they_are_wherever_they_lie() {
    let scene = scene().file("study/spec.toml", starting("net.safetensors", 0));
    scene.run("study/spec.toml").exits(0);
    let results = scene.results("spec");
    let (id, table) = (results.run_id(), results.table("predictions"));
    assert_eq!(results.table("epochs").height(), 0);
    let model = crate::harness::read_safetensors(&results.path(&format!("models/{id}.safetensors")));
    assert_eq!(model, crate::harness::read_safetensors(&scene.path("study/net.safetensors")));

    // The same predictions for the same images as a table of their own.
    let data = scene.listing("results/spec/datasets");
    let images = data.iter().find(|name| name.ends_with(".npz")).expect("a data set");
    let predict = format!("predict --weights study/net.safetensors --images results/spec/datasets/{images}");
    scene.run(&format!("{predict} --out p.parquet --set run.device=cpu")).succeeds();
    scene.run(&format!("{predict} --out p.csv --set run.device=cpu")).succeeds();
    let file = fs::File::open(scene.path("p.parquet")).expect("a table");
    let own = polars::prelude::SerReader::finish(<polars::prelude::ParquetReader<_> as polars::prelude::SerReader<
        _,
    >>::new(file));
    let own = own.expect("a table");
    for column in ["sample", "target", "prediction"] {
        assert_eq!(numbers(&own, column), numbers(&table, column), "{column}");
    }
    let csv = fs::read_to_string(scene.path("p.csv")).expect("a table");
    let last = csv.lines().last().expect("rows").split(',').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(csv.lines().count(), own.height() + 1);
    let written = numbers(&own, "prediction")[own.height() - 1] as f32;
    assert_eq!(last[3].parse::<f32>().expect("a number"), written);

    // A file that was renamed is no change, the spec of the results means the same, and other weights are noticed.
    fs::rename(scene.path("study/net.safetensors"), scene.path("study/renamed.safetensors")).expect("it is there");
    scene.write("study/spec.toml", starting("renamed.safetensors", 0));
    let plan = scene.run("plan study/spec.toml").succeeds();
    assert!(plan.stdout.contains(&id) && plan.stdout.contains("5 cached"), "{}", plan.stdout);
    scene.run("study/spec.toml").succeeds();
    let again = scene.run("plan results/spec/spec.toml").succeeds();
    assert!(again.stdout.contains(&id) && again.stdout.contains("5 cached"), "{}", again.stdout);
    let mut bytes = fs::read(scene.path("study/renamed.safetensors")).expect("weights");
    let end = bytes.len() - 2;
    bytes[end] ^= 0x10;
    fs::write(scene.path("study/renamed.safetensors"), bytes).expect("weights");
    let plan = scene.run("plan study/spec.toml").succeeds();
    assert!(!plan.stdout.contains(&id) && plan.stdout.contains("1 cached"), "{}", plan.stdout);
}

#[test]
fn training_goes_on_from_weights() {
    let scene = scene().file("study/one.toml", starting("net.safetensors", 1)).file(
        "sweep.toml",
        format!(
            "{TINY}[[sweep]]\ngrid = {{ 'model.weights' = ['study/net.safetensors', 'study/copy.safetensors'] }}\n"
        ),
    );
    scene.run("study/one.toml").succeeds();
    let results = scene.results("one");
    let tuned = crate::harness::read_safetensors(&results.path(&format!("models/{}.safetensors", results.run_id())));
    let start = crate::harness::read_safetensors(&scene.path("study/net.safetensors"));
    let (tuned, start) = (&tuned["conv1.weight"].1, &start["conv1.weight"].1);
    let moved = tuned.iter().zip(start).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Adam moves each weight by about its learning rate a step, and there are 20 steps.
    assert!(moved > 0.0 && moved < 20.0 * 6e-4, "{moved}");
    fs::copy(scene.path("study/net.safetensors"), scene.path("study/copy.safetensors")).expect("a copy");
    let plan = scene.run("plan sweep.toml").succeeds();
    assert!(plan.stdout.contains("1 run:"), "equal weights are one run: {}", plan.stdout);
}

#[test]
fn weights_that_do_not_fit_are_told_before_any_work() {
    let layers = "[model]\narchitecture = 'layers'\nweights = 'study/net.safetensors'\nlayers = [\
        { type = 'conv', name = 'conv1', filters = 16, stride = 2 }, { type = 'flatten' }, { type = 'dense', name = 'dense', units = 64 }, \
        { type = 'dense', name = 'output', units = 1 }]\n";
    let scene = scene()
        .file("layers.toml", format!("{layers}{TINY}"))
        .file("wide.toml", starting("study/net.safetensors", 1).replace("[model]\n", "[model]\ndense_units = 65\n"))
        .file("absent.toml", starting("study/no.safetensors", 1))
        .file("bias.toml", starting("study/net.safetensors", 1).replace("[model]\n", "[model]\noutput_bias = 'zero'\n"))
        .file("random.toml", TINY.replace("epochs = 1", "epochs = 0"))
        .file("study/text.safetensors", "no weights at all, but a text of some length")
        .file("text.toml", starting("study/text.safetensors", 0));
    scene.run("layers.toml").exits(2).complains(&[
        "layer `dense` expects 512 inputs but `conv1` provides 38,416 (16 x 49 x 49)",
        "layers.toml:3:11",
    ]);
    scene.run("wide.toml").exits(2).complains(&["\"dense.weight\"", "shape [64, 512]", "expected [65, 512]"]);
    scene.run("absent.toml").exits(2).complains(&["study/no.safetensors", "No such file"]);
    scene.run("bias.toml").exits(2).complains(&["the output bias is in the weights"]);
    scene.run("random.toml").exits(2).complains(&["train.epochs must be at least 1, got 0"]);
    scene.run("text.toml").exits(2).complains(&["study/text.safetensors", "not a complete safetensors file"]);
    assert!(!scene.path("results").exists());
    for bad in [
        "predict --images a.npy --out p.csv",
        "predict --weights w --images a.npy --out p.xlsx",
        "predict --spec random.toml --images a.npy --out p.csv",
    ] {
        scene.run(bad).exits(2);
        assert!(!scene.path("p.csv").exists() && !scene.path("p.xlsx").exists());
    }
}

#[test]
fn the_network_of_a_spec_is_explained_and_predicts() {
    let scene = scene().file("net.toml", "[model]\nweights = 'study/net.safetensors'\n");
    scene.run("simulate --n 25 --seed 5 --out set.npz").succeeds();
    let explain = "--images set.npz --set run.device=cpu --analyzer lrp.epsilon";
    let of_spec = scene.run(&format!("explain --spec net.toml {explain} --out a.npy")).succeeds();
    scene.run(&format!("explain --weights study/net.safetensors {explain} --out b.npy")).succeeds();
    assert_eq!(read_npy(&scene.path("a.npy")), read_npy(&scene.path("b.npy")));
    scene.run("predict --spec net.toml --images set.npz --set run.device=cpu --out p.csv").succeeds();
    let csv = fs::read_to_string(scene.path("p.csv")).expect("a table");
    for (image, line) in csv.lines().skip(1).take(20).enumerate() {
        let prediction = line.rsplit(',').next().expect("cells");
        assert!(of_spec.stdout.contains(&format!("image {image}: prediction {prediction}\n")), "{}", of_spec.stdout);
    }
    assert!(of_spec.stdout.contains("... and 5 more"), "{}", of_spec.stdout);
}

#[test]
fn the_layers_of_a_network_are_shown() {
    let scene = Scene::new()
        .file("own.toml", TINY)
        .file("resnet.toml", format!("[model]\narchitecture = 'resnet18'\n{TINY}"))
        .file(
            "sweep.toml",
            format!("{TINY}[[sweep]]\ngrid = {{ 'model.dense_units' = [8, 9], 'model.seed' = [1, 2] }}\n"),
        )
        .file(
            "bad.toml",
            format!("[model]\narchitecture = 'layers'\nlayers = [{{ type = 'dense', units = 1 }}]\n{TINY}"),
        );
    let own = scene.run("network own.toml").succeeds().stdout;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in ["conv1 conv 16 x 98 x 98 160 1,382,976 3 x 3", "dense dense 64 32,832 32,768 98 x 98"] {
        assert!(own.lines().any(|own| words(own) == line), "{own}");
    }
    assert!(own.contains("\n60,593 parameters;"), "{own}");
    let resnet = scene.run("network resnet.toml").succeeds().stdout;
    assert!(resnet.contains("\n  layer2.0.downsample.0  conv ") && resnet.contains("running statistics"), "{resnet}");
    let sweep = scene.run("network sweep.toml").succeeds().stdout;
    assert_eq!(sweep.matches("images of").count(), 2, "{sweep}");
    scene.run("network bad.toml").exits(2).complains(&["flatten"]);
    assert!(!scene.path("results").exists());
}
