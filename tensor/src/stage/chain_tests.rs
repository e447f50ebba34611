//! Stages one after the other in a store, each held to what the domain says of the very files that it read.
//!
//! What is explained is the validation set, whose first sample is not the first of the data set.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::de::DeserializeOwned;
use xdlreg_core::data::{Partition, Split};
use xdlreg_core::event::{Epoch, silent};
use xdlreg_core::explain::{Analyzer, Bias, ExplainSettings, Options, Reference};
use xdlreg_core::key::Key;
use xdlreg_core::metric::EvaluateSettings;
use xdlreg_core::metric::Measurement;
use xdlreg_core::net::{EngineChoice, Keep, ModelSettings, TrainSettings};
use xdlreg_core::picture::{self, Heatmap, HeatmapSettings, Look, Scale, Shading};
use xdlreg_core::raster::RasterStack;
use xdlreg_core::sim::{PumpkinSet, PumpkinSettings, Without};
use xdlreg_core::source::Source;
use xdlreg_core::stage::{Compute, Explained, Trained, files};
use xdlreg_core::stage_name::StageName;
use xdlreg_core::store::pumpkins;
use xdlreg_core::store::seal::seal_bytes;
use xdlreg_core::store::{Entry, arrays};
use xdlreg_core::task::Task;

use super::*;
use crate::net::{Network, Training, Weights};

const EXPLAINED: Split = Split::Validation;

/// A store with the stages that were carried out so far.
struct Chain {
    _folder: tempfile::TempDir,
    store: Store,
    memory: Memory,
    keys: BTreeMap<StageName, Key>,
}

impl Chain {
    /// With a data set of 100 pumpkins.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, memory) = (Store::new(folder.path()), Memory::default());
        let mut chain = Self { _folder: folder, store, memory, keys: BTreeMap::new() };
        let data = PumpkinSettings { n_samples: 100, seed: 2, ..PumpkinSettings::default() };
        chain.carry(Job::Simulate { data: Source::Pumpkins(data) });
        chain
    }

    /// Carries a job out and returns its entry.
    fn carry(&mut self, job: Job) -> Entry {
        let done = carry_out(&job, Device::Cpu, &self.store, &silent, &self.memory, || ()).expect("the stage");
        assert!(matches!(done, Carried::Done(_)), "{done:?}");
        self.keys.insert(job.stage(), job.key());
        self.store.require(job.stage(), &job.key()).expect("its entry")
    }

    fn key(&self, stage: StageName) -> Key {
        self.keys[&stage].clone()
    }

    fn data(&self) -> PumpkinSet {
        let entry = self.store.require(StageName::Simulate, &self.key(StageName::Simulate)).expect("the data set");
        pumpkins::load(&entry.file(files::DATA)).expect("pumpkins")
    }

    fn train_job(&self, train: TrainSettings, threads: usize) -> Job {
        Job::Train {
            dataset: self.key(StageName::Simulate),
            model: small(),
            train,
            start: None,
            compute: Compute::Cpu,
            threads,
            engine: EngineChoice::Auto,
        }
    }

    /// A training, and maps of the validation set.
    fn explained(explain: &ExplainSettings) -> (Self, Entry) {
        let mut chain = Self::new();
        let job = chain.train_job(trained(2), 1);
        chain.carry(job);
        let entry = chain.explain(explain);
        (chain, entry)
    }

    fn explain(&mut self, explain: &ExplainSettings) -> Entry {
        let (dataset, network) = (self.key(StageName::Simulate), self.key(StageName::Train));
        self.carry(Job::Explain {
            dataset,
            network,
            explain: explain.clone(),
            compute: Compute::Cpu,
            engine: EngineChoice::Auto,
        })
    }

    fn net(&self) -> Network {
        let entry = self.store.require(StageName::Train, &self.key(StageName::Train)).expect("the network");
        net(&entry, files::MODEL)
    }
}

fn small() -> ModelSettings {
    ModelSettings { conv_filters: [4, 4, 6, 8, 5], dense_units: 8, seed: 1, ..ModelSettings::default() }
}

fn trained(epochs: usize) -> TrainSettings {
    TrainSettings { epochs, learning_rate: 0.01, ..TrainSettings::default() }
}

fn explaining(analyzer: &str) -> ExplainSettings {
    given(analyzer, Options::default())
}

/// An analyzer with options, all of which it takes.
fn given(analyzer: &str, mut options: Options) -> ExplainSettings {
    let analyzer = Analyzer::new(analyzer, &mut options).expect(analyzer);
    assert_eq!(options, Options::default(), "{} takes others", analyzer.name());
    ExplainSettings { subset: EXPLAINED, ..ExplainSettings::of(analyzer) }
}

fn json<T: DeserializeOwned>(entry: &Entry, file: &str) -> T {
    serde_json::from_slice(&fs::read(entry.file(file)).expect("a file")).expect("JSON")
}

fn net(entry: &Entry, file: &str) -> Network {
    let bytes = fs::read(entry.file(file)).expect("weights");
    Network::new(&Weights::from_bytes(&bytes).expect("a network"), Device::Cpu)
}

/// The mean absolute error over the validation set.
fn val_mae(net: &Network, data: &PumpkinSet) -> f64 {
    let samples = Split::Validation.range(data.len());
    let (predictions, ages) = (net.predict(&data.images.slice(samples.clone())), &data.ages()[samples]);
    predictions.iter().zip(ages).map(|(f, age)| f64::from((f - age).abs())).sum::<f64>() / ages.len() as f64
}

#[test]
fn a_training_keeps_what_it_is_asked_for_and_says_so() {
    let mut chain = Chain::new();
    for keep in [Keep::Last, Keep::Best] {
        let train = TrainSettings { keep, checkpoint_every: 2, ..trained(6) };
        let entry = {
            let job = chain.train_job(train, 1);
            chain.carry(job)
        };
        let data = chain.data();
        let history: Vec<Epoch> = json(&entry, files::EPOCHS);
        let best = |epochs: &[usize]| {
            epochs
                .iter()
                .copied()
                .min_by(|a, b| history[a - 1].val_loss.total_cmp(&history[b - 1].val_loss))
                .expect("one")
        };
        let (overall, due) = (best(&[1, 2, 3, 4, 5, 6]), best(&[2, 4, 6]));
        assert!(overall != 6 && due != 6, "the last epoch must not be the best: {history:?}");
        let expected = if keep == Keep::Best { overall } else { 6 };
        let facts: Trained = json(&entry, files::TRAINED);
        assert_eq!(facts.epoch, expected);
        let kept = net(&entry, files::MODEL);
        assert!((val_mae(&kept, &data) - history[expected - 1].val_mae).abs() < 1e-3, "{keep:?}");
        assert_eq!(facts.output_bias, Some(f64::from(kept.weights().get("output.bias").values[0])));
        assert_eq!(
            arrays::read_vector(&entry.file(files::PREDICTIONS)).expect("predictions"),
            kept.predict(&data.images)
        );
        let checkpoints: Vec<&String> =
            entry.manifest.files.keys().filter(|name| name.starts_with(files::CHECKPOINTS)).collect();
        assert_eq!(checkpoints, [&format!("{}/epoch-{due:03}.safetensors", files::CHECKPOINTS)]);
        let checkpoint = net(&entry, checkpoints[0]);
        assert!((val_mae(&checkpoint, &data) - history[due - 1].val_mae).abs() < 1e-3);
        let left = chain.store.scratch(&chain.key(StageName::Train)).exists().expect("a readable store");
        assert!(!left, "what to go on from is of no more use");
    }
}

#[test]
fn a_training_has_the_threads_it_is_given_and_gives_them_back() {
    let chain = Chain::new();
    let before = tch::get_num_threads();
    for threads in [1, 2, 3] {
        let seen = Mutex::new(Vec::new());
        let note = |_| seen.lock().expect("no panic").push(tch::get_num_threads());
        let job = chain.train_job(trained(2), threads);
        carry_out(&job, Device::Cpu, &chain.store, &note, &chain.memory, || ()).expect("a training");
        assert_eq!(seen.into_inner().expect("no panic"), [threads as i32; 2]);
        assert_eq!(tch::get_num_threads(), before);
    }
}

#[test]
fn a_training_goes_on_from_where_an_earlier_attempt_was() {
    let mut chain = Chain::new();
    let (train, data) = (trained(3), chain.data());
    let job = chain.train_job(train.clone(), 1);
    let (model, ages) = (small(), data.ages());
    let partition = Partition::in_order(data.len());
    let training = Training {
        images: &data.images,
        targets: &ages,
        partition: &partition,
        model: &model,
        settings: &train,
        start: None,
        device: Device::Cpu,
        engine: EngineChoice::Auto,
    };
    let mut planted = None;
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let mut keep = |state: &crate::net::TrainState| {
        planted = (state.epoch() == 2).then(|| state.clone());
        if planted.is_some() { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    };
    training.run(None, &silent, &mut keep).expect_err("it is interrupted");
    tch::set_num_threads(threads);
    let mut state = planted.expect("two epochs");
    // Epochs that are not done again keep the time that they took.
    state.history.iter_mut().for_each(|epoch| epoch.epoch_seconds = 4321.0);
    let scratch = chain.store.scratch(&job.key());
    scratch.make().expect("a folder");
    scratch.replace("state.safetensors", &seal_bytes(&state.to_bytes())).expect("the state");
    let entry = chain.carry(job);
    let history: Vec<Epoch> = json(&entry, files::EPOCHS);
    let kept: Vec<bool> = history.iter().map(|epoch| epoch.epoch_seconds == 4321.0).collect();
    assert_eq!(kept, [true, true, false]);
    assert!(!scratch.exists().expect("a readable store"));
}

/// A reference group is taken from the training set, whether the data set is in memory or only on disk.
#[test]
fn references_are_taken_from_training_samples_alone() {
    let (from, to) = (20.0, 45.0);
    let (mut chain, _) = Chain::explained(&explaining("lrp.flat"));
    let (net, data) = (chain.net(), chain.data());
    let (predictions, ages) = (net.predict(&data.images), data.ages());
    let mean = |samples: std::ops::Range<usize>| {
        let group = samples.filter(|&sample| (from..=to).contains(&f64::from(ages[sample])));
        let values: Vec<f64> = group.map(|sample| f64::from(predictions[sample])).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let expected = mean(Split::Train.range(100));
    let options = Options { reference: Some(Reference::Ages([from, to])), ..Options::default() };
    for (memory, analyzer) in [("remembered", "lrp.flat"), ("on disk", "lrp.w_square")] {
        if memory == "on disk" {
            chain.memory = Memory::default();
        }
        let entry = chain.explain(&given(analyzer, options.clone()));
        let facts: Explained = json(&entry, files::EXPLAINED);
        assert!((facts.reference - expected).abs() < 1e-3, "{memory}: {} for {expected}", facts.reference);
    }
}

fn maps(entry: &Entry) -> RasterStack {
    arrays::read_stack(&entry.file(files::RELEVANCE)).expect("maps")
}

fn evaluate(chain: &mut Chain, explain: &ExplainSettings, evaluate: EvaluateSettings) -> Vec<Measurement> {
    let entry = chain.carry(Job::Evaluate {
        dataset: chain.key(StageName::Simulate),
        network: chain.key(StageName::Train),
        relevance: chain.key(StageName::Explain),
        task: Task::Regression,
        explain: explain.clone(),
        evaluate,
        compute: Compute::Cpu,
        engine: EngineChoice::Auto,
    });
    json(&entry, files::MEASUREMENTS)
}

fn value(rows: &[Measurement], metric: &str, sign: Option<&str>, sample: Option<usize>) -> Option<f64> {
    let found = rows.iter().find(|row| row.metric == metric && row.sign.as_deref() == sign && row.sample == sample);
    found.and_then(|row| row.value)
}

#[test]
fn every_map_is_scored_against_its_own_pumpkin() {
    let settings = explaining("lrp.flat");
    let (mut chain, entry) = Chain::explained(&settings);
    let rows = evaluate(
        &mut chain,
        &settings,
        EvaluateSettings { scores: vec!["causal".into()], images: 3, ..EvaluateSettings::default() },
    );
    let (data, net, maps) = (chain.data(), chain.net(), maps(&entry));
    let share_on = |map: &[f32], inside: &[bool]| {
        let positive = || map.iter().map(|&r| f64::from(r.max(0.0)));
        positive().zip(inside).filter(|(_, inside)| **inside).map(|(r, _)| r).sum::<f64>() / positive().sum::<f64>()
    };
    let mut of_images = Vec::new();
    for (index, sample) in EXPLAINED.range(100).enumerate() {
        let (map, pumpkin) = (maps.get(index), &data.pumpkins[sample]);
        let sum = value(&rows, "sum_relevance", None, Some(sample)).expect("a sum");
        assert!((sum - map.sum()).abs() < 1e-9 * (1.0 + sum.abs()), "sample {sample}");
        let inside = pumpkin.atrophy_mask(1).to_bools();
        let found = value(&rows, "mass_accuracy.positive", Some("atrophies_r1"), Some(sample)).expect("a share");
        assert!((found - share_on(map.pixels, &inside)).abs() < 1e-6, "sample {sample}");
        of_images.push(share_on(data.images.get(sample).pixels, &inside));
    }
    let mean = of_images.iter().sum::<f64>() / of_images.len() as f64;
    let found = value(&rows, "mass_accuracy.image", Some("atrophies_r1"), None).expect("the image's");
    assert!((found - mean).abs() < 1e-6, "{found} for {mean}");

    // The network is asked about every third of ten images.
    let asked: Vec<usize> = rows
        .iter()
        .filter(|row| row.metric == "causal_years" && row.sign.as_deref() == Some("atrophies"))
        .filter_map(|row| row.sample)
        .collect();
    assert_eq!(asked, [80, 83, 86]);
    for sample in asked {
        let pumpkin = &data.pumpkins[sample];
        let predict = |without| f64::from(net.predict(&RasterStack::new(98, 98, pumpkin.redraw(without)))[0]);
        let worth = predict(Without::Nothing) - predict(Without::Atrophies);
        let found = value(&rows, "causal_years", Some("atrophies"), Some(sample)).expect("years");
        assert!((found - worth).abs() < 1e-3, "sample {sample}: {found} for {worth}");
    }
}

/// What layers keep is stored as biases, stabilisers and the rest, and is scored under these names.
#[test]
fn what_biases_and_stabilisers_keep_is_told_apart() {
    // Biases that the rule leaves out keep nothing; with a tiny epsilon stabilisers do not, either.
    for (bias, epsilon, by_biases, by_stabilisers) in
        [(Bias::Ignore, 1.0, false, true), (Bias::Full, 1e-12, true, false)]
    {
        let settings = given("lrp.epsilon", Options { bias: Some(bias), epsilon: Some(epsilon), ..Options::default() });
        let (mut chain, entry) = Chain::explained(&settings);
        let kept = arrays::read_triples(&entry.file(files::LEDGER)).expect("a ledger");
        let largest = |part: usize| kept.iter().map(|kept| kept[part].abs()).fold(0.0, f32::max);
        let told = |part: usize| largest(part) > 1e-2;
        assert_eq!((told(0), told(1)), (by_biases, by_stabilisers), "{} and {}", largest(0), largest(1));
        let scores = EvaluateSettings { scores: Vec::new(), ..EvaluateSettings::default() };
        let rows = evaluate(&mut chain, &settings, scores);
        for (index, layer) in ["conv1", "conv2", "conv3", "conv4", "conv5", "dense", "output"].into_iter().enumerate() {
            for (part, name) in ["kept_by_biases", "kept_by_stabilisers"].into_iter().enumerate() {
                let of_layer = kept.iter().skip(index).step_by(7).map(|kept| f64::from(kept[part]));
                let mean = of_layer.sum::<f64>() / 10.0;
                let found = value(&rows, &format!("{name}.{layer}"), None, None).expect("a mean");
                assert!((found - mean).abs() < 1e-6 * (1.0 + mean.abs()), "{name}.{layer}: {found} for {mean}");
            }
        }
    }
}

/// Scores that explain again do so against the same reference.
#[test]
fn scores_know_the_samples_of_a_reference() {
    let reference = Some(Reference::Ages([20.0, 60.0]));
    let settings = given("lrp.flat", Options { reference, ..Options::default() });
    let (mut chain, _) = Chain::explained(&settings);
    let scores =
        EvaluateSettings { scores: vec!["sensitivity".into()], images: 2, draws: 1, ..EvaluateSettings::default() };
    let rows = evaluate(&mut chain, &settings, scores);
    assert!(value(&rows, "max_sensitivity", None, None).is_some(), "maps could not be made again");
}

#[test]
fn pictures_show_the_explained_samples_with_their_own_maps() {
    let (mut chain, entry) = Chain::explained(&explaining("lrp.flat"));
    let (data, maps) = (chain.data(), maps(&entry));
    let predictions = chain.net().predict(&data.images);
    let truth = xdlreg_core::data::Dataset::from(data.clone()).truth.expect("what is known of pumpkins");
    for (true_scale, pointers) in [(false, true), (true, false)] {
        let heatmaps = HeatmapSettings { count: 3, pointers, true_scale, ..HeatmapSettings::default() };
        let labels = if true_scale { Scale::True(Some("years")) } else { Scale::Relative };
        let [dataset, network, relevance] =
            [StageName::Simulate, StageName::Train, StageName::Explain].map(|stage| chain.key(stage));
        let entry = chain.carry(Job::Render { dataset, network, relevance, subset: EXPLAINED, heatmaps });
        let mut expected = BTreeMap::new();
        for (index, sample) in EXPLAINED.range(100).take(3).enumerate() {
            let (age, prediction) = (Some(("age", data.pumpkins[sample].age as f32)), Some(predictions[sample]));
            for pointer in [false, true].into_iter().filter(|pointer| pointers || !pointer) {
                let heatmap = Heatmap {
                    image: data.images.get(sample),
                    relevance: maps.get(index),
                    marks: if pointer { truth.marks(sample) } else { Vec::new() },
                    shading: Shading::default(),
                    look: Look { labels, ..Look::default() },
                    title: picture::title(sample, age, prediction),
                };
                let drawn =
                    picture::render(&[heatmap], picture::PictureFormat::Png, &silent).expect("a picture").remove(0);
                expected.insert(format!("{}.png", picture::file_name(sample, age, prediction, pointer)), drawn);
            }
        }
        let names: Vec<&String> = entry.manifest.files.keys().collect();
        assert_eq!(names, expected.keys().collect::<Vec<_>>());
        let path = |name: &String| -> PathBuf { entry.file(name) };
        assert!(expected.iter().all(|(name, drawn)| fs::read(path(name)).expect("a picture") == *drawn));
    }
}
