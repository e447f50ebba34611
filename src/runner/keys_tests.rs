//! Every setting of the schema, with exactly the keys that it changes.
//!
//! A key that leaves a setting out silently returns the results of another setting. So the schema is walked, and a
//! setting that the table below does not know fails the test.

use std::collections::{BTreeMap, BTreeSet};

use schemars::schema_for;
use serde_json::Value;

use super::ensembles;
use super::planner::make_plan;
use crate::spec::{Cell, CellSettings, ExperimentSpec};
use crate::stage::Compute;
use crate::stage_name::{PerStage, StageName};

/// What a setting changes: its own stage, and with it every stage that reads the results of that one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Changes {
    /// All five stages and the identifier of the run.
    Data,
    /// All stages but the simulation, and the identifier.
    Training,
    /// Explanations, their scores and pictures, and the identifier.
    Explanation,
    /// Scores and the identifier.
    Scores,
    /// Pictures, which make no other run.
    Pictures,
    /// All that follows from training, by rounding: no other run.
    Rounding,
    /// Nothing by itself: what it leads to, in a user's files, is part of the keys.
    Content,
    /// Nothing: it says where results go, or how the work is done.
    Nothing,
}

impl Changes {
    fn stages(self) -> &'static [StageName] {
        match self {
            Self::Data => &StageName::ALL,
            Self::Training | Self::Rounding => &StageName::ALL[1..],
            Self::Explanation => &StageName::ALL[2..],
            Self::Scores => &[StageName::Evaluate],
            Self::Pictures => &[StageName::Render],
            Self::Content | Self::Nothing => &[],
        }
    }

    fn run_id(self) -> bool {
        !matches!(self, Self::Pictures | Self::Rounding | Self::Content | Self::Nothing)
    }
}

/// A setting, what it changes, the context that it needs, and some of its values as TOML: none are those that the schema
/// lists, an empty one leaves the setting out, and what stands behind `;` must be set with the value.
type Row = (&'static str, Changes, &'static str, &'static [&'static str]);

use Changes::{Content, Data, Explanation, Nothing, Pictures, Rounding, Scores, Training};

const BIASED: &str = "data.distribution = 'biased'";
const FILES: &str = "data.source = 'files'\ndata.table = 't.csv'\ndata.image = 'file'\ndata.target = 'weight'";
const FOLDS: &str =
    "data.source = 'files'\ndata.table = 't.csv'\ndata.image = 'file'\ndata.target = 'weight'\ndata.folds = 5";
const SIZE: &str =
    "data.source = 'files'\ndata.table = 't.csv'\ndata.image = 'file'\ndata.target = 'weight'\ndata.size = [8, 9]";
const ATLAS: &str = "data.source = 'files'\ndata.table = 't.csv'\ndata.image = 'file'\ndata.target = 'weight'\ndata.atlas.labels = 'a.npy'";
const NO_TABLE: &str = "data.source = 'files'\ndata.image = 'file'\ndata.target = 'weight'";
const NO_IMAGE: &str = "data.source = 'files'\ndata.table = 't.csv'\ndata.target = 'weight'";
const NO_TARGET: &str = "data.source = 'files'\ndata.table = 't.csv'\ndata.image = 'file'";
const ADAMW: &str = "train.optimizer = 'adamw'";
const SGD: &str = "train.optimizer = 'sgd'";
const BOX: &str = "explain.analyzer = 'zennit.epsilon_gamma_box'";
const PATH: &str = "explain.analyzer = 'integrated_gradients'";
const FLAT: &str = "explain.analyzer = 'lrp.sequential_preset_b_flat_until_idx'";
const NOISE: &str = "explain.analyzer = 'smoothgrad'";
const WINDOWS: &str = "explain.analyzer = 'occlusion'";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("experiment.name", Nothing, "", &["'a'", "'b'"]),
    ("experiment.description", Nothing, "", &["", "'b'"]),
    ("experiment.output", Nothing, "", &["", "'elsewhere'"]),

    ("data.n_samples", Data, "", &["100", "101"]),
    ("data.distribution", Data, "", &["'uniform'", "'biased'; data.target_bias = 50"]),
    ("data.target_bias", Data, BIASED, &["50", "50.5"]),
    ("data.skew_factor", Data, "", &["", "0.75"]),
    ("data.growth_mode", Data, "", &[]),
    ("data.min_age", Data, "", &["", "21"]),
    ("data.max_age", Data, "", &["", "79"]),
    ("data.seed", Data, "", &["", "1"]),
    ("data.source", Data, "", &["'pumpkins'", "'files'; data.table = 't.csv'; data.image = 'file'; data.target = 'weight'"]),
    ("data.table", Content, NO_TABLE, &["'a.csv'", "'b.csv'"]),
    ("data.image", Content, NO_IMAGE, &["'a'", "'b'"]),
    ("data.images", Content, NO_IMAGE, &["'a.npy'", "'b.npy'"]),
    ("data.id", Content, FILES, &["", "'a'", "'b'"]),
    ("data.target", Data, NO_TARGET, &["'a'", "'b'"]),
    ("data.unit", Data, FILES, &["", "'g'", "'kg'"]),
    ("data.split.column", Content, FILES, &["'a'", "'b'"]),
    ("data.split.train", Content, FILES, &["", "0.8"]),
    ("data.split.validation", Content, FILES, &["", "0.2"]),
    ("data.split.test", Content, FILES, &["", "0.2"]),
    ("data.split.seed", Content, FILES, &["", "1"]),
    ("data.split.stratify", Content, FILES, &["", "true"]),
    ("data.group", Content, FILES, &["", "'a'", "'b'"]),
    ("data.folds", Content, FILES, &["", "3; data.fold = 1", "5; data.fold = 1"]),
    ("data.fold", Content, FOLDS, &["0", "1"]),
    ("data.masks", Data, FILES, &["", "{ a = 'mask' }", "{ b = 'mask' }"]),
    ("data.channels", Data, FILES, &["", "1", "3"]),
    ("data.intensity", Data, FILES, &["'as-is'", "'unit'", "'zscore'", "'zscore-train'"]),
    ("data.size", Data, FILES, &["", "[8, 9]", "[9, 8]"]),
    ("data.fit", Data, SIZE, &["'resize'", "'crop'"]),
    ("data.atlas", Content, FILES, &["", "'a.npy'", "{ labels = 'a.npy', names = 'a.csv' }"]),
    ("data.atlas.labels", Content, FILES, &["'a.npy'", "'b.npy'"]),
    ("data.atlas.names", Content, ATLAS, &["", "'a.csv'"]),
    ("data.group_by", Data, FILES, &["", "'a'", "'b'"]),
    ("data.bad_rows", Content, FILES, &["'refuse'", "'exclude'"]),

    ("model.task", Training, "", &[]),
    ("model.output_bias", Training, "", &["'target-mean'", "'zero'", "50", "50.5"]),
    ("model.batch_norm", Training, "", &["false", "true"]),
    ("model.dropout", Training, "", &["", "0.0", "0.25"]),
    ("model.conv_filters", Training, "", &["", "[17, 16, 32, 64, 32]", "[16, 17, 32, 64, 32]", "[16, 16, 32, 64, 33]"]),
    ("model.dense_units", Training, "", &["", "65"]),
    ("model.seed", Training, "", &["", "1"]),
    ("model.architecture", Training, "",
        &["'pumpkin_net'", "'layers'; model.layers = [{ type = 'flatten' }, { type = 'dense', units = 1 }]", "'resnet18'", "'vgg11'",
          "'sfcn'"]),
    // Its content counts.
    ("model.weights", Content, "", &["'a.safetensors'", "'b.safetensors'"]),
    ("model.layers[].type", Training, "",
        &["'conv', filters = 2", "'dense', units = 2", "'batch_norm'", "'relu'", "'max_pool'", "'flatten'", "'dropout'",
          "'leaky_relu'", "'elu'", "'avg_pool'", "'global_avg_pool'", "'residual', branch = []"]),
    ("model.layers[].name", Training, "type = 'relu'", &["", "'mine'"]),
    ("model.layers[].filters", Training, "type = 'conv'", &["2", "3"]),
    ("model.layers[].units", Training, "type = 'dense'", &["2", "3"]),
    ("model.layers[].kernel", Training, "type = 'conv', filters = 2", &["", "2", "[2, 3]"]),
    ("model.layers[].stride", Training, "type = 'conv', filters = 2", &["", "2", "[2, 3]"]),
    ("model.layers[].padding", Training, "type = 'conv', filters = 2", &["'same'", "'valid'", "1", "[1, 2]"]),
    ("model.layers[].bias", Training, "type = 'conv', filters = 2", &["true", "false"]),
    ("model.layers[].rate", Training, "type = 'dropout'", &["", "0.25"]),
    ("model.layers[].epsilon", Training, "type = 'batch_norm'", &["", "1e-5"]),
    ("model.layers[].slope", Training, "type = 'leaky_relu'", &["", "0.2"]),
    ("model.layers[].alpha", Training, "type = 'elu'", &["", "0.5"]),
    ("model.layers[].output", Training, "type = 'avg_pool'", &["", "2", "[2, 3]"]),
    ("model.layers[].branch", Training, "type = 'residual'", &["[]", "[{ type = 'relu' }]"]),
    ("model.layers[].shortcut", Training, "type = 'residual', branch = []", &["", "[{ type = 'relu' }]"]),

    ("train.epochs", Training, "", &["", "1"]),
    ("train.batch_size", Training, "", &["", "5"]),
    ("train.learning_rate", Training, "", &["", "0.001"]),
    ("train.optimizer", Training, "", &[]),
    ("train.weight_decay", Training, ADAMW, &["", "0.1"]),
    ("train.momentum", Training, SGD, &["", "0.5"]),
    ("train.schedule", Training, "", &[]),
    ("train.patience", Training, "", &["", "3"]),
    ("train.keep", Training, "", &[]),
    ("train.checkpoint_every", Training, "", &["", "1"]),

    ("explain.name", Nothing, "", &["", "'mine'", "'yours'"]),
    ("explain.analyzer", Explanation, "", &[]),
    ("explain.subset", Explanation, "", &[]),
    ("explain.class", Explanation, "model.task = 'classification'", &["", "'predicted'", "'young'", "'old'"]),
    ("explain.epsilon", Explanation, "", &["", "0.0", "0.25"]),
    ("explain.bias", Explanation, "", &["", "'full'", "'signed'", "'ignore'"]),
    ("explain.alpha", Explanation, "explain.analyzer = 'lrp.alpha_beta'", &["", "2"]),
    ("explain.gamma", Explanation, BOX, &["", "0.5"]),
    ("explain.low", Explanation, BOX, &["", "-1"]),
    ("explain.high", Explanation, BOX, &["", "2"]),
    ("explain.steps", Explanation, PATH, &["", "3"]),
    ("explain.baseline", Explanation, PATH, &["", "0.5"]),
    ("explain.reference", Explanation, "", &["", "'none'", "'output-bias'", "'mean'", "50", "51"]),
    ("explain.reference.ages", Explanation, "", &["[20, 30]", "[20, 31]", "[21, 30]"]),
    ("explain.reference.flooding", Explanation, "", &["50", "51"]),
    ("explain.until", Explanation, FLAT, &["", "2"]),
    ("explain.samples", Explanation, NOISE, &["", "2"]),
    ("explain.sigma", Explanation, NOISE, &["", "0.2"]),
    ("explain.sigma_unit", Explanation, NOISE, &["", "'relative'", "'absolute'"]),
    ("explain.seed", Explanation, NOISE, &["", "1"]),
    ("explain.window", Explanation, WINDOWS, &["", "3"]),
    ("explain.stride", Explanation, WINDOWS, &["", "3"]),
    ("explain.fill", Explanation, WINDOWS, &["", "0.5"]),
    ("explain.smooth.samples", Explanation, "explain.smooth.seed = 0", &["", "2"]),
    ("explain.smooth.sigma", Explanation, "explain.smooth.seed = 0", &["", "0.2"]),
    ("explain.smooth.sigma_unit", Explanation, "explain.smooth.seed = 0", &[]),
    ("explain.smooth.seed", Explanation, "", &["0", "1"]),
    ("explain.composite[].layer", Explanation, "rule = 'flat'", &["'conv1'", "'conv2'"]),
    ("explain.composite[].rule", Explanation, "layer = 'conv'",
        &["'z'", "'epsilon'", "'alpha_beta'", "'z_plus'", "'gamma'", "'w_square'", "'flat'", "'z_b', low = 0, high = 1"]),
    ("explain.composite[].epsilon", Explanation, "layer = 'conv', rule = 'epsilon'", &["", "0.1", "0.2"]),
    ("explain.composite[].alpha", Explanation, "layer = 'conv', rule = 'alpha_beta'", &["", "2"]),
    ("explain.composite[].beta", Explanation, "layer = 'conv', rule = 'alpha_beta'", &["", "1"]),
    ("explain.composite[].bias", Explanation, "layer = 'conv', rule = 'z'", &["", "'full'", "'signed'", "'ignore'"]),
    ("explain.composite[].gamma", Explanation, "layer = 'conv', rule = 'gamma'", &["", "0.5"]),
    ("explain.composite[].low", Explanation, "layer = 'conv', rule = 'z_b', high = 1", &["0", "-1"]),
    ("explain.composite[].high", Explanation, "layer = 'conv', rule = 'z_b', low = 0", &["1", "2"]),

    ("evaluate.scores", Scores, "", &["", "[]", "['causal']", "['faithfulness', 'causal', 'sensitivity', 'randomisation']"]),
    ("evaluate.images", Scores, "", &["", "11"]),
    ("evaluate.signs", Scores, "", &["", "21"]),
    ("evaluate.steps", Scores, "", &["", "11"]),
    ("evaluate.flipped", Scores, "", &["", "0.2"]),
    ("evaluate.fill", Scores, "", &["", "0.5"]),
    ("evaluate.draws", Scores, "", &["", "11"]),
    ("evaluate.radius", Scores, "", &["", "0.03"]),
    ("evaluate.seed", Scores, "", &["", "1"]),

    ("heatmaps.count", Pictures, "", &["", "0", "21"]),
    ("heatmaps.pointers", Pictures, "", &["false", "true"]),
    ("heatmaps.true_scale", Pictures, "", &["false", "true"]),
    ("heatmaps.format", Pictures, "", &[]),
    ("heatmaps.scale", Pictures, "", &["'image'", "'run'", "0.5"]),
    ("heatmaps.colormap", Pictures, "", &[]),
    ("heatmaps.clip_quantile", Pictures, "", &["", "0.99"]),
    ("heatmaps.colorbar", Pictures, "", &["", "false"]),

    // What a device changes depends on what is found there: see the test of devices.
    ("run.device", Nothing, "", &["'auto'", "'cpu'", "'cuda'", "'cuda:1'"]),
    ("run.workers", Nothing, "", &["", "2"]),
    ("run.executor", Nothing, "", &[]),
    ("run.slurm.partition", Nothing, "", &["", "'long'"]),
    ("run.slurm.account", Nothing, "", &["", "'a'"]),
    ("run.slurm.time", Nothing, "", &["", "'2:00:00'"]),
    ("run.slurm.mem", Nothing, "", &["", "'4G'"]),
    ("run.slurm.cpus", Nothing, "", &["", "2"]),
    ("run.slurm.gres", Nothing, "", &["", "'gpu:1'"]),
    ("run.slurm.constraint", Nothing, "", &["", "'avx512'"]),
    ("run.slurm.setup", Nothing, "", &["", "['module load gcc']"]),
    ("run.slurm.extra", Nothing, "", &["", "['--qos=normal']"]),
    ("run.slurm.tasks_per_job", Nothing, "", &["'auto'", "2"]),
    ("run.slurm.max_parallel", Nothing, "", &["", "2"]),
    ("run.slurm.mem_growth", Nothing, "", &["", "2.0"]),
    ("run.slurm.requeues", Nothing, "", &["", "2"]),
    ("run.slurm.warning", Nothing, "", &["", "60"]),
    ("run.engine", Rounding, "", &[]),
    ("run.threads_per_worker", Rounding, "", &["", "2"]),
    ("run.retries", Nothing, "", &["", "2"]),
    ("run.timeout", Nothing, "", &["", "60"]),
    ("run.fail_fast", Nothing, "", &["false", "true"]),
];

const ADVICE: &str = "add a line to TABLE with the stages that read it and some valid values, see that it is part of \
                      exactly their keys (src/stage/job.rs) and of `run_id` (src/runner/plan.rs), and raise the \
                      versions of stages whose stored results it makes invalid";

/// The settings of a schema by their dotted keys, each with the texts that it lists as allowed.
fn settings_of(schema: &Value) -> BTreeMap<String, BTreeSet<String>> {
    fn walk(root: &Value, node: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
        if let Some(reference) = node["$ref"].as_str() {
            return walk(root, root.pointer(&reference[1..]).expect("a place in the schema"), path, found);
        }
        for branches in ["oneOf", "anyOf", "allOf"].iter().filter_map(|name| node[*name].as_array()) {
            branches.iter().for_each(|branch| walk(root, branch, path, found));
        }
        if let Some(properties) = node["properties"].as_object() {
            let dot = if path.is_empty() { "" } else { "." };
            properties.iter().for_each(|(name, inner)| walk(root, inner, &format!("{path}{dot}{name}"), found));
            return;
        }
        let items = &node["items"];
        let item = items["$ref"].as_str().map_or(items, |reference| root.pointer(&reference[1..]).expect("a place"));
        // Layers within layers have the same settings once more.
        if item["properties"].is_object() && !path.contains("[]") {
            return walk(root, item, &format!("{path}[]"), found);
        }
        let listed = node["enum"].as_array().into_iter().flatten().chain(node.get("const"));
        let texts: Vec<String> = listed.filter_map(|text| text.as_str().map(str::to_owned)).collect();
        let is_value = node["type"].is_string() || node["type"].is_array() || !texts.is_empty();
        if is_value && node["type"] != "null" {
            found.entry(path.to_owned()).or_default().extend(texts);
        }
    }
    let mut found = BTreeMap::new();
    walk(schema, schema, "", &mut found);
    found
}

/// The spec in which a setting has a value.
fn spec(path: &str, context: &str, value: &str) -> ExperimentSpec {
    let assigned = |key: &str| if value.is_empty() { String::new() } else { format!("{key} = {value}") };
    let entry = |key: &str| {
        let comma = if value.is_empty() || context.is_empty() { "" } else { ", " };
        format!("{{ {context}{comma}{} }}", assigned(key))
    };
    let mut text = match path.split_once("[].") {
        Some(("explain.composite", key)) => {
            let entry = entry(key);
            format!("explain.analyzer = 'lrp'\nexplain.composite = [{entry}, {{ layer = 'any', rule = 'z' }}]")
        }
        Some(("model.layers", key)) => {
            let (entry, rest) = (entry(key), "{ type = 'flatten' }, { type = 'dense', units = 1 }");
            let before = if entry.contains("dense") { "flatten" } else { "relu" };
            format!("model.architecture = 'layers'\nmodel.layers = [{{ type = '{before}' }}, {entry}, {rest}]")
        }
        Some((list, _)) => panic!("{list} is a new list of tables: say here how a spec has one"),
        None => format!("{context}\n{}", assigned(path).replace(';', "\n")),
    };
    if value == "'lrp'" {
        text += "\nexplain.composite = [{ layer = 'any', rule = 'z' }]";
    }
    let mut spec: ExperimentSpec = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    if spec.experiment.name.is_empty() {
        spec.experiment.name = "name".into();
    }
    assert_eq!(spec.validate(), [], "{text}");
    spec
}

/// The texts that some values of a setting are, without what is set beside them; an empty one is the default.
fn texts_of(path: &str, values: &[&str]) -> BTreeSet<String> {
    let defaults = serde_json::to_value(ExperimentSpec::default()).unwrap();
    let default = defaults.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_str).unwrap_or_default();
    let text = |value: &&str| match value.split([',', ';']).next().map(|text| text.trim().trim_matches('\'')) {
        None | Some("") => default.to_owned(),
        Some(text) => text.to_owned(),
    };
    values.iter().map(text).collect()
}

/// The keys of all stages, the identifier, and the key of the ensemble that a run would belong to.
fn identity(spec: &ExperimentSpec, compute: Compute) -> (PerStage<String>, String, String) {
    let plan = make_plan(&[Cell { settings: CellSettings::default(), spec: spec.clone() }], compute);
    let run = &plan.runs[0];
    let keys = PerStage::new(|stage| plan.tasks[run.tasks[stage]].key.to_string());
    (keys, run.run_id.clone(), ensembles::setting(&plan, run).to_string())
}

#[test]
fn every_setting_changes_exactly_the_keys_of_the_stages_that_read_it() {
    let schema = settings_of(&serde_json::to_value(schema_for!(ExperimentSpec)).unwrap());
    for path in schema.keys() {
        assert!(TABLE.iter().any(|row| row.0 == path), "the setting {path} is new: {ADVICE}");
    }
    for &(path, changes, context, values) in TABLE {
        let allowed = schema.get(path).unwrap_or_else(|| panic!("there is no setting {path}: remove its line"));
        let listed: Vec<String> = allowed.iter().map(|text| format!("'{text}'")).collect();
        let values: Vec<&str> =
            if values.is_empty() { listed.iter().map(String::as_str).collect() } else { values.to_vec() };
        let specs: Vec<ExperimentSpec> = values.iter().map(|value| spec(path, context, value)).collect();
        assert!(allowed.is_subset(&texts_of(path, &values)), "not all of {allowed:?} are tried for {path}");
        assert!(values.len() > 1 || allowed.len() == 1, "{path} has one value only");
        let seed = path.starts_with("explain.") && path.ends_with("seed") || path == "model.seed";
        let identities: Vec<_> = specs.iter().map(|spec| identity(spec, Compute::Cpu)).collect();
        for (index, one) in identities.iter().enumerate() {
            for (value, other) in values.iter().zip(&identities).skip(index + 1) {
                let told = format!("{path} = {} and {value}", values[index]);
                for stage in StageName::ALL {
                    let differ = one.0[stage] != other.0[stage];
                    assert_eq!(differ, changes.stages().contains(&stage), "whether {told} have other keys of {stage}");
                }
                assert_eq!(one.1 != other.1, changes.run_id(), "whether {told} are other runs");
                let other_ensemble = changes.run_id() && changes != Scores && !seed;
                assert_eq!(one.2 != other.2, other_ensemble, "whether {told} belong to other ensembles");
            }
        }
    }
}

#[test]
fn results_of_cpu_and_cuda_are_told_apart_and_devices_of_one_kind_are_not() {
    let spec = spec("data.seed", "", "");
    let keys = |compute| identity(&spec, compute);
    let (cpu, cuda) = (keys(Compute::Cpu), keys(Compute::Cuda(0)));
    for stage in StageName::ALL {
        let differ = cpu.0[stage] != cuda.0[stage];
        assert_eq!(differ, stage != StageName::Simulate, "{stage}");
    }
    assert_eq!(cpu.1, cuda.1, "a run is called alike wherever it is computed");
    assert_eq!(cuda, keys(Compute::Cuda(1)));
}
