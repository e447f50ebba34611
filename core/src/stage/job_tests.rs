//! A job's key depends on all that the job holds, taken by itself: what reaches a key through the results of an earlier
//! stage would hide that it is missing in the later one.

use serde_json::{Value, json};

use super::*;
use crate::explain::Smoothing;
use crate::sim::PumpkinSettings;
use crate::stage_name::StageName;

fn key(number: u32) -> Key {
    Key::of(&json!(number))
}

/// Settings with a value for everything, whether or not one analyzer reads all of it.
fn explained() -> ExplainSettings {
    let text = "class = 'old'\nepsilon = 0.25\nbias = 'full'\nalpha = 2\ngamma = 0.5\nlow = 0\nhigh = 1\nsteps = 3\n\
                baseline = 0.5\nreference = 50.0\nuntil = 2\nsamples = 3\nsigma = 0.1\nsigma_unit = 'absolute'\nseed = 1\n\
                window = 3\nstride = 3\nfill = 0.5\n[[composite]]\nlayer = 'any'\nrule = 'z'\nepsilon = 0.1\nalpha = 2\n\
                beta = 1\nbias = 'full'\ngamma = 0.5\nlow = 0\nhigh = 1\n";
    let settings: ExplainSettings = toml::from_str(text).unwrap();
    ExplainSettings { smooth: Some(Smoothing::default()), ..settings }
}

fn jobs() -> [Job; 5] {
    let data = PumpkinSettings { target_bias: Some(50.0), ..PumpkinSettings::default() };
    let (model, train, compute) = (ModelSettings::default(), TrainSettings::default(), Compute::Cpu);
    let (evaluate, heatmaps, task) = (EvaluateSettings::default(), HeatmapSettings::default(), Task::Regression);
    let [dataset, network, relevance] = [1, 2, 3].map(key);
    [
        Job::Simulate { data: Source::Pumpkins(data) },
        Job::Train {
            dataset: dataset.clone(),
            model,
            train,
            start: None,
            compute,
            threads: 1,
            engine: EngineChoice::Auto,
        },
        Job::Explain {
            dataset: dataset.clone(),
            network: network.clone(),
            explain: explained(),
            compute,
            engine: EngineChoice::Auto,
        },
        Job::Evaluate {
            dataset: dataset.clone(),
            network: network.clone(),
            relevance: relevance.clone(),
            task,
            explain: explained(),
            evaluate,
            compute,
            engine: EngineChoice::Auto,
        },
        Job::Render { dataset, network, relevance, subset: Split::Test, heatmaps },
    ]
}

/// Every value in a tree by its pointer; lists are values as a whole where they hold no tables.
fn leaves(pointer: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| leaves(&format!("{pointer}/{name}"), value, found));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(&format!("{pointer}/{index}"), item, found));
        }
        _ => found.push(pointer.to_owned()),
    }
}

/// Other values that a setting might have.
fn others(value: &Value) -> Vec<Value> {
    const TEXTS: &[&str] = &[
        "biased",
        "eternal",
        "classification",
        "zero",
        "adamw",
        "cosine",
        "best",
        "gradient",
        "train",
        "young",
        "ignore",
        "relative",
        "absolute",
        "conv",
        "flat",
        "png",
    ];
    let texts = TEXTS.iter().map(|text| json!(text));
    match value {
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(number) if number.is_u64() => vec![json!(number.as_u64().unwrap() + 1)],
        Value::Number(number) => vec![json!(number.as_f64().unwrap() + 0.5)],
        Value::Array(items) => vec![json!(items.iter().rev().collect::<Vec<_>>())],
        _ => texts.chain([json!(key(9)), json!(Compute::Cuda(0))]).collect(),
    }
}

/// The same job with another value at `pointer`; nothing where there is only one.
fn changed(job: &Job, pointer: &str) -> Option<Job> {
    let tree = serde_json::to_value(job).unwrap();
    others(tree.pointer(pointer).unwrap()).into_iter().find_map(|value| {
        let mut tree = tree.clone();
        *tree.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value(tree).ok().filter(|other| other != job)
    })
}

#[test]
fn a_key_depends_on_every_value_of_its_job() {
    for job in jobs() {
        let mut pointers = Vec::new();
        leaves("", &serde_json::to_value(&job).unwrap(), &mut pointers);
        pointers.retain(|pointer| pointer != "/stage");
        for pointer in pointers {
            let Some(other) = changed(&job, &pointer) else {
                assert_eq!(pointer, "/heatmaps/format", "no other value is known for {pointer}: add one to `others`");
                continue;
            };
            // How relevance is found is in the key of the maps, which is part of the key of their scores.
            let told_by_maps = job.stage() == StageName::Evaluate && pointer.starts_with("/explain/");
            assert_eq!(job.key() != other.key(), !told_by_maps, "{} and {pointer}", job.stage());
        }
    }
}

#[test]
fn a_key_tells_the_versions_of_what_computed_it() {
    for job in jobs() {
        let inputs = job.inputs();
        assert_eq!((&inputs["stage"], &inputs["version"]), (&json!(job.stage()), &json!(job.version())));
        // What libtorch computes depends on it and on the kind of device.
        let by_libtorch = matches!(job, Job::Train { .. } | Job::Explain { .. } | Job::Evaluate { .. });
        let expected = if by_libtorch { json!(LIBTORCH_VERSION) } else { Value::Null };
        assert_eq!(inputs["libtorch"], expected, "{}", job.stage());
        assert_eq!(Key::of(&inputs), job.key());
    }
}

#[test]
fn of_several_equal_devices_any_will_do() {
    let mut computed = 0;
    for job in jobs().into_iter().filter(|job| serde_json::to_value(job).unwrap()["compute"] == "cpu") {
        let cuda = changed(&job, "/compute").unwrap();
        let other = changed(&cuda, "/compute/cuda").unwrap();
        assert_eq!((cuda.key(), cuda == other), (other.key(), false));
        assert_ne!(job.key(), cuda.key(), "{}", job.stage());
        computed += 1;
    }
    assert_eq!(computed, 3, "train, explain and evaluate compute");
}
