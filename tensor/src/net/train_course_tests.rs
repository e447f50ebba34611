//! The course of a training: which samples, masks and rates its engine gets, and what is kept of what comes out.
//!
//! The engine is scripted, so that losses are chosen and weights tell of which epoch they are.

use std::collections::BTreeSet;
use std::f64::consts::PI;

use xdlreg_core::event::silent;
use xdlreg_core::net::Schedule;
use xdlreg_core::sim::{SHAPE, SIDE};
use xdlreg_core::task::Task;

use super::*;
use crate::net::optimizer::Moments;

/// Of 30 images 24 train and 3 validate: with batches of 5 the last one has 4.
const IMAGES: usize = 30;
const TRAINED: usize = 24;

/// What a training asked of its engine in one step.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    batch: Vec<usize>,
    mask: Vec<f32>,
    rate: f64,
}

/// An engine whose validation losses are given, epoch by epoch, and whose weights are all the number of the epoch.
struct Scripted<'a> {
    ages: &'a [f32],
    losses: &'a [f64],
    weights: Weights,
    epoch: usize,
    steps: Vec<Vec<Step>>,
    outputs: usize,
    /// What is put out for training samples, epoch by epoch; 50 years where that is not given.
    put_out: &'a [f32],
}

impl Engine for Scripted<'_> {
    fn step(&mut self, batch: &[usize], mask: &[f32], rate: f64) {
        self.steps.resize(self.epoch + 1, Vec::new());
        self.steps[self.epoch].push(Step { batch: batch.to_vec(), mask: mask.to_vec(), rate });
        self.outputs += batch.len();
    }

    fn take_outputs(&mut self) -> Vec<f32> {
        vec![self.put_out.get(self.epoch).copied().unwrap_or(50.0); std::mem::take(&mut self.outputs)]
    }

    fn evaluate(&mut self, samples: &[usize]) -> Vec<f32> {
        assert_eq!(samples, [24, 25, 26], "the validation set is the tenth after the training set");
        let error = self.losses[self.epoch].sqrt() as f32;
        self.epoch += 1;
        samples.iter().map(|&sample| self.ages[sample] + error).collect()
    }

    fn weights(&self) -> Weights {
        Weights::build(self.weights.network(), |_, shape| vec![self.epoch as f32; shape.iter().product()])
    }

    fn moments(&self) -> Moments {
        Moments { steps: self.epoch as u64, first: Vec::new(), second: Vec::new() }
    }
}

fn small() -> ModelSettings {
    ModelSettings { conv_filters: [4, 4, 6, 8, 5], dense_units: 8, seed: 5, ..ModelSettings::default() }
}

fn settings(epochs: usize) -> TrainSettings {
    TrainSettings { epochs, batch_size: 5, ..TrainSettings::default() }
}

/// A training with these images, targets and settings.
fn training<'a>(
    (images, targets, partition): &'a (RasterStack, Vec<f32>, Partition),
    model: &'a ModelSettings,
    settings: &'a TrainSettings,
) -> Training<'a> {
    Training {
        images,
        targets,
        partition,
        model,
        settings,
        start: None,
        device: Device::Cpu,
        engine: EngineChoice::Auto,
    }
}

/// Images of no content with these targets.
fn blank(ages: &[f32]) -> (RasterStack, Vec<f32>, Partition) {
    (RasterStack::zeros(IMAGES, SIDE, SIDE), ages.to_vec(), Partition::in_order(IMAGES))
}

fn start(training: &Training, resume: Option<TrainState>) -> TrainState {
    training.start(&training.model.network(SHAPE).expect("a network"), resume).expect("a state of this training")
}

/// Lets an engine carry a training out.
fn carry_out(training: &Training, state: TrainState, engine: &mut Scripted) -> Result<Trained, TrainError> {
    let network = training.model.network(SHAPE).expect("a network");
    let objective = Objective::new(training.model.task, training.targets);
    let course = training.course(&network, &objective);
    course.go_on(state, (engine, EngineKind::Libtorch), &silent, &mut |_| ControlFlow::Continue(()))
}

/// Trains with these validation losses, from `resume` on. Returns all steps by epoch as well.
fn course_from(
    resume: Option<TrainState>,
    model: &ModelSettings,
    settings: &TrainSettings,
    losses: &[f64],
) -> (Result<Trained, TrainError>, Vec<Vec<Step>>) {
    let ages: Vec<f32> = (0..IMAGES).map(|index| 20.0 + 2.0 * index as f32).collect();
    let data = blank(&ages);
    let training = training(&data, model, settings);
    let state = start(&training, resume);
    let (weights, epoch) = (state.weights.clone(), state.epoch());
    let mut engine = Scripted { ages: &ages, losses, weights, epoch, steps: Vec::new(), outputs: 0, put_out: &[] };
    (carry_out(&training, state, &mut engine), engine.steps)
}

fn course(model: &ModelSettings, settings: &TrainSettings, losses: &[f64]) -> (Trained, Vec<Vec<Step>>) {
    let (trained, steps) = course_from(None, model, settings, losses);
    (trained.expect("a training"), steps)
}

fn order(steps: &[Step]) -> Vec<usize> {
    steps.iter().flat_map(|step| step.batch.clone()).collect()
}

/// The number that all of some weights are.
fn mark(weights: &Weights) -> usize {
    let values: BTreeSet<usize> =
        weights.parameters().iter().flat_map(|parameter| &parameter.values).map(|&value| value as usize).collect();
    assert_eq!(values.len(), 1);
    values.into_iter().next().expect("some weights")
}

#[test]
fn every_epoch_takes_each_training_sample_once_in_an_order_of_its_own() {
    let (_, steps) = course(&small(), &settings(3), &[1.0; 3]);
    for epoch in &steps {
        let sizes: Vec<usize> = epoch.iter().map(|step| step.batch.len()).collect();
        assert_eq!(sizes, [5, 5, 5, 5, 4]);
        let mut samples = order(epoch);
        assert!(!samples.is_sorted());
        samples.sort_unstable();
        assert!(samples.into_iter().eq(0..TRAINED));
    }
    let orders: BTreeSet<Vec<usize>> = steps.iter().map(|epoch| order(epoch)).collect();
    assert_eq!(orders.len(), 3, "the order changes from epoch to epoch");
    let (_, other) = course(&ModelSettings { seed: 6, ..small() }, &settings(3), &[1.0; 3]);
    assert_ne!(order(&steps[0]), order(&other[0]), "the seed decides");
}

#[test]
fn masks_drop_the_asked_share_anew_in_every_step() {
    let (_, features) = small().network(SHAPE).expect("a network").dropouts()[0];
    let masks = |dropout: f64, seed: u64| -> Vec<Step> {
        course(&ModelSettings { dropout, seed, ..small() }, &settings(3), &[1.0; 3]).1.concat()
    };
    for (dropout, kept) in [(0.0, 1.0), (0.25, 4.0 / 3.0), (0.75, 4.0_f32)] {
        let steps = masks(dropout, 5);
        assert!(steps.iter().all(|step| step.mask.len() == step.batch.len() * features));
        let factors: Vec<f32> = steps.iter().flat_map(|step| step.mask.iter().copied()).collect();
        assert!(factors.iter().all(|&factor| factor == 0.0 || (factor - kept).abs() < 1e-6));
        let dropped = factors.iter().filter(|&&factor| factor == 0.0).count() as f64 / factors.len() as f64;
        let error = (dropout * (1.0 - dropout) / factors.len() as f64).sqrt();
        assert!((dropped - dropout).abs() <= 5.0 * error, "{dropped} of {dropout}");
        if dropout > 0.0 {
            // A step's mask begins with that of its first sample.
            let distinct: BTreeSet<Vec<bool>> = steps
                .iter()
                .flat_map(|step| step.mask.chunks(features))
                .map(|mask| mask.iter().map(|&f| f == 0.0).collect())
                .collect();
            assert_eq!(distinct.len(), 3 * TRAINED, "every sample of every epoch has a mask of its own");
            assert_ne!(steps, masks(dropout, 6), "the seed decides");
        }
    }
}

#[test]
fn every_step_of_an_epoch_has_the_rate_of_the_schedule() {
    for (schedule, share) in [(Schedule::Constant, 0.0), (Schedule::Cosine, 1.0)] {
        let settings = TrainSettings { schedule, learning_rate: 0.02, ..settings(4) };
        let (_, steps) = course(&small(), &settings, &[1.0; 4]);
        for (epoch, steps) in steps.iter().enumerate() {
            let cosine = 0.5 * (1.0 + (PI * epoch as f64 / 4.0).cos());
            let expected = 0.02 * (share * cosine + 1.0 - share);
            assert!(steps.iter().all(|step| (step.rate - expected).abs() < 1e-15), "{schedule:?} in epoch {epoch}");
        }
    }
}

/// The first epoch is the best of all, so that a checkpoint that were compared with it would never be kept.
const LOSSES: [f64; 7] = [1.0, 5.0, 4.0, 3.0, 2.0, 6.0, 7.0];

#[test]
fn a_checkpoint_is_the_best_of_the_epochs_that_are_due_and_no_other() {
    for (every, expected) in [(1, Some(1)), (2, Some(4)), (3, Some(3)), (5, Some(5)), (7, Some(7)), (8, None)] {
        let (trained, _) = course(&small(), &TrainSettings { checkpoint_every: every, ..settings(7) }, &LOSSES);
        let kept = trained.checkpoint.map(|kept| (kept.epoch, mark(&kept.weights)));
        assert_eq!(kept, expected.map(|epoch| (epoch, epoch)), "every {every}");
        assert_eq!((trained.best.epoch, mark(&trained.best.weights)), (1, 1));
    }
}

#[test]
fn the_kept_weights_are_those_of_the_kept_epoch() {
    let losses = [4.0, 2.0, 3.0, 2.0];
    for (keep, epoch) in [(Keep::Last, 4), (Keep::Best, 2)] {
        let (trained, _) = course(&small(), &TrainSettings { keep, ..settings(4) }, &losses);
        assert_eq!((trained.epoch, mark(&trained.weights)), (epoch, epoch), "{keep:?}");
        let validated: Vec<f64> = trained.history.iter().map(|epoch| epoch.val_loss).collect();
        assert!(validated.iter().zip(losses).all(|(found, expected)| (found - expected).abs() < 1e-4));
    }
}

#[test]
fn patience_counts_the_epochs_since_the_best() {
    let losses = [4.0, 2.0, 3.0, 1.0, 5.0, 5.0, 5.0, 0.5];
    for (patience, epochs) in [(0, 8), (1, 3), (2, 6), (3, 7), (4, 8)] {
        let (trained, steps) = course(&small(), &TrainSettings { patience, ..settings(8) }, &losses);
        assert_eq!((trained.history.len(), steps.len()), (epochs, epochs), "patience {patience}");
    }
}

#[test]
fn a_loss_beyond_reason_or_no_number_ends_a_training_in_its_epoch() {
    // A loss of validation that is merely large is bad luck; one that is no number is not.
    let (trained, _) = course(&small(), &settings(2), &[1e9, 1.0]);
    assert_eq!(trained.epoch, 2);
    for worst in [f64::NAN, f64::INFINITY] {
        let (trained, steps) = course_from(None, &small(), &settings(3), &[1.0, worst, 1.0]);
        assert!(matches!(trained, Err(TrainError::Diverged { epoch: 2, .. })), "{trained:?}");
        assert_eq!(steps.len(), 2);
    }
}

/// A training loss a thousand times that of an untrained network, which says the mean age, is no longer learning.
#[test]
fn a_training_whose_loss_explodes_ends_in_that_epoch() {
    let ages: Vec<f32> = (0..IMAGES).map(|index| 20.0 + 2.0 * index as f32).collect();
    let mean = ages.iter().sum::<f32>() / IMAGES as f32;
    let error =
        |said: f32| ages[..TRAINED].iter().map(|age| f64::from(said - age).powi(2)).sum::<f64>() / TRAINED as f64;
    let limit = 1000.0 * error(mean);
    let (model, settings) = (small(), settings(3));
    let data = blank(&ages);
    let training = training(&data, &model, &settings);
    for (share, ends) in [(0.9, false), (1.1, true)] {
        // The error is all but a square of what is said, so far from any age.
        let middle = ages[..TRAINED].iter().sum::<f32>() / TRAINED as f32;
        let said = middle + (share * limit - error(middle)).sqrt() as f32;
        assert!((error(said) / (share * limit) - 1.0).abs() < 1e-3);
        let state = start(&training, None);
        let put_out = [50.0, said, 50.0];
        let mut engine = Scripted {
            ages: &ages,
            losses: &[1.0; 3],
            weights: state.weights.clone(),
            epoch: 0,
            steps: Vec::new(),
            outputs: 0,
            put_out: &put_out,
        };
        let trained = carry_out(&training, state, &mut engine);
        match ends {
            true => assert!(matches!(trained, Err(TrainError::Diverged { epoch: 2, .. })), "{trained:?}"),
            false => assert_eq!(trained.expect("a training").epoch, 3),
        }
    }
}

#[test]
fn a_resumed_training_takes_the_steps_that_are_left() {
    let settings = TrainSettings { schedule: Schedule::Cosine, checkpoint_every: 2, ..settings(4) };
    let losses = [3.0, 5.0, 4.0, 6.0];
    let (whole, steps) = course(&small(), &settings, &losses);
    let (data, model) = (blank(&[50.0; IMAGES]), small());
    let mut state = start(&training(&data, &model, &settings), None);
    state.history = whole.history[..2].to_vec();
    let kept = |epoch| Some(KeptWeights { epoch, weights: state.weights.clone() });
    (state.best, state.checkpoint) = (kept(1), kept(2));
    let (resumed, rest) = course_from(Some(state), &small(), &settings, &losses);
    let resumed = resumed.expect("a training");
    assert_eq!(rest[..2], [vec![], vec![]], "nothing is done again");
    assert_eq!(rest[2..], steps[2..]);
    assert_eq!((resumed.best.epoch, resumed.checkpoint.map(|kept| kept.epoch), resumed.history.len()), (1, Some(2), 4));
}

#[test]
fn the_output_bias_starts_where_it_is_told_to() {
    // The mean of all ages is not that of the training set.
    let ages: Vec<f32> = (0..IMAGES).map(|index| if index < TRAINED { 30.0 } else { 80.0 }).collect();
    let data = blank(&ages);
    let start = |output_bias| {
        let (model, settings) = (ModelSettings { output_bias, ..small() }, settings(1));
        start(&training(&data, &model, &settings), None).weights.get("output.bias").values[0]
    };
    assert_eq!(start(OutputBias::TargetMean), 40.0);
    assert_eq!((start(OutputBias::Zero), start(OutputBias::Value(33.5))), (0.0, 33.5));
    let classes = ModelSettings { task: Task::Classification, ..small() };
    assert!(classes.network(SHAPE).expect("a network").parameters().iter().all(|(name, _)| name != "output.bias"));
}

/// The samples of a part need not lie beside each other.
#[test]
fn a_training_takes_the_samples_of_its_parts_wherever_they_are() {
    let parts = (0..IMAGES).map(|sample| if sample % 3 == 1 { Split::Validation } else { Split::Train });
    let data = (RasterStack::zeros(IMAGES, SIDE, SIDE), vec![50.0; IMAGES], Partition::new(parts.collect()));
    let (model, settings) = (small(), settings(1));
    let training = training(&data, &model, &settings);
    let network = model.network(SHAPE).expect("a network");
    let objective = Objective::new(model.task, training.targets);
    let course = training.course(&network, &objective);
    assert!(
        course.train.iter().all(|sample| sample % 3 != 1) && course.validation.iter().all(|sample| sample % 3 == 1)
    );
    assert_eq!((course.train.len(), course.validation.len()), (20, 10));
}
