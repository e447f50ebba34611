//! Networks of one's own: residual blocks and pooling by means, shipped lists, and PumpkinNet as a list of layers.

use polars::prelude::DataFrame;

use crate::harness::{Scene, TINY, texts};

/// PumpkinNet, layer by layer, with the names that it has.
const PUMPKIN_NET: &str = "\
[model]
architecture = 'layers'
layers = [
    { type = 'conv', name = 'conv1', filters = 16 }, { type = 'relu', name = 'relu1' },
    { type = 'max_pool', name = 'pool1', kernel = 3, stride = 2, padding = 'same' },
    { type = 'conv', name = 'conv2', filters = 16 }, { type = 'relu', name = 'relu2' },
    { type = 'max_pool', name = 'pool2', kernel = 3, stride = 2, padding = 'same' },
    { type = 'conv', name = 'conv3', filters = 32 }, { type = 'relu', name = 'relu3' },
    { type = 'max_pool', name = 'pool3', kernel = 3, stride = 2, padding = 'same' },
    { type = 'conv', name = 'conv4', filters = 64 }, { type = 'relu', name = 'relu4' },
    { type = 'max_pool', name = 'pool4', kernel = 3, stride = 2, padding = 'same' },
    { type = 'conv', name = 'conv5', filters = 32, kernel = 1 }, { type = 'relu', name = 'relu5' },
    { type = 'max_pool', name = 'pool5', kernel = 3, stride = 2, padding = 'same' },
    { type = 'flatten', name = 'flatten' }, { type = 'dropout', name = 'dropout' },
    { type = 'dense', name = 'dense', units = 64 }, { type = 'relu', name = 'relu6' },
    { type = 'dense', name = 'output', units = 1 },
]
";

/// A table without what names its run.
fn anonymous(table: &DataFrame) -> DataFrame {
    table.drop_many(["run_id", "architecture"])
}

#[test]
fn pumpkin_net_as_layers_has_the_tables_of_pumpkin_net() {
    let scene = Scene::new().file("own.toml", TINY).file("layers.toml", format!("{PUMPKIN_NET}{TINY}"));
    let [own, layers] = ["own", "layers"].map(|name| {
        scene.run(&format!("{name}.toml")).succeeds();
        scene.results(name)
    });
    for name in ["predictions", "measurements", "samples"] {
        let [own, layers] = [&own, &layers].map(|results| anonymous(&results.table(name)));
        assert!(own.height() > 0 && own.equals_missing(&layers), "{name} differ:\n{own}\n{layers}");
    }
}

#[test]
fn residual_networks_are_trained_and_explained() {
    let spec = format!(
        "[model]\narchitecture = 'layers'\nlayers = [\
         {{ type = 'conv', filters = 4, stride = 3, name = 'stem' }}, {{ type = 'batch_norm' }}, {{ type = 'leaky_relu' }}, \
         {{ type = 'residual', name = 'block', branch = [{{ type = 'conv', filters = 6, stride = 2 }}, {{ type = 'elu' }}], \
         shortcut = [{{ type = 'avg_pool', padding = 'same' }}, {{ type = 'conv', filters = 6, kernel = 1, bias = false }}] }}, \
         {{ type = 'relu' }}, {{ type = 'global_avg_pool' }}, {{ type = 'dropout' }}, {{ type = 'dense', units = 1 }}]\n\
         {TINY}\n[explain]\nanalyzer = 'lrp'\n[[explain.composite]]\nlayer = 'block'\nrule = 'alpha_beta'\n\
         [[explain.composite]]\nlayer = 'any'\nrule = 'epsilon'\n"
    );
    let scene = Scene::with_spec(&spec);
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let measurements = results.table("measurements");
    let names = texts(&measurements, "metric");
    for layer in ["stem", "bn1", "block", "avg_pool1", "global_avg_pool1", "dense1"] {
        assert!(names.iter().any(|name| name.contains(layer)), "the ledger has an entry of {layer}: {names:?}");
    }
    assert!(results.score("test_mae") > 0.0);
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let spec = |layers: &str| format!("[model]\narchitecture = 'layers'\nlayers = [{layers}]\n{TINY}");
    let scene = Scene::new()
        .file(
            "unlike.toml",
            spec(
                "{ type = 'residual', branch = [{ type = 'conv', filters = 2 }] }, { type = 'flatten' }, \
                 { type = 'dense', units = 1 }",
            ),
        )
        .file(
            "deep.toml",
            spec(
                "{ type = 'residual', branch = [{ type = 'conv', filters = 1, slope = 0.1 }] }, { type = 'flatten' }, \
                 { type = 'dense', units = 1 }",
            ),
        )
        .file("small.toml", format!("[model]\narchitecture = 'vgg11'\nlayers = []\n{TINY}"));
    scene.run("unlike.toml").exits(2).complains(&[
        "model.layers.0",
        "the branch makes 2 x 98 x 98",
        "the shortcut 1 x 98 x 98",
    ]);
    scene.run("deep.toml").exits(2).complains(&["model.layers.0.branch.0.slope", "does not read `slope`"]);
    scene.run("small.toml").exits(2).complains(&["VGG-11 has layers of its own"]);
    assert!(!scene.path("results").exists());
}
