//! Training a network.

use std::ops::ControlFlow;
use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;
use tch::Device;
use thiserror::Error;
use xdlreg_core::data::{Partition, Split};
use xdlreg_core::event::{Epoch, Progress, ProgressSink};
use xdlreg_core::net::{
    EngineChoice, EngineKind, Keep, ModelSettings, NetworkError, NetworkSpec, OutputBias, TrainSettings,
};
use xdlreg_core::raster::RasterStack;
use xdlreg_core::seed;

use super::autograd::Autograd;
use super::engine::Engine;
use super::init::initial_weights;
#[cfg(target_arch = "x86_64")]
use super::kernel::Kernels;
use super::loss::{Losses, Objective};
use super::optimizer::learning_rate;
use super::train_state::{KeptWeights, TrainState};
use super::weights::Weights;

/// A loss so many times that of an untrained network is no longer learning.
const DIVERGENCE: f64 = 1e3;

/// Everything a training depends on. The same settings, device and thread count give the same weights, bit for bit.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// All images. Those of the training set train, those of the validation set validate, others are not looked at.
    pub images: &'a RasterStack,
    /// The target of every image.
    pub targets: &'a [f32],
    pub partition: &'a Partition,
    pub model: &'a ModelSettings,
    pub settings: &'a TrainSettings,
    /// Weights to start from, in place of random ones.
    pub start: Option<&'a Weights>,
    pub device: Device,
    pub engine: EngineChoice,
}

/// A finished training.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The weights that `keep` asks for.
    pub weights: Weights,
    /// The epoch they come from, from 1.
    pub epoch: usize,
    pub history: Vec<Epoch>,
    /// The weights of the lowest validation loss.
    pub best: KeptWeights,
    /// The last periodic checkpoint, as XDLreg stores it; `None` if no epoch was due.
    pub checkpoint: Option<KeptWeights>,
    /// What computed the steps.
    pub engine: EngineKind,
}

/// Why a training ended without weights.
#[derive(Debug, Error, PartialEq)]
pub enum TrainError {
    #[error("there are {images} images but {targets} targets in {parts} parts of the data set")]
    Counts { images: usize, targets: usize, parts: usize },
    #[error("{0}")]
    Network(#[from] NetworkError),
    #[error("{count} images are too few to split into training and validation")]
    TooFew { count: usize },
    #[error("the state to resume from belongs to another network or a longer training")]
    OtherTraining,
    #[error("training diverged in epoch {epoch}: loss {loss:e}; a smaller train.learning_rate may help")]
    Diverged { epoch: usize, loss: f64 },
    #[error("training was interrupted after epoch {epoch}")]
    Interrupted { epoch: usize },
}

impl Training<'_> {
    /// Trains from the start, or goes on from `resume`, the state of an earlier call with equal settings.
    ///
    /// After every epoch `on_epoch` may store the state, and may end the training with [`TrainError::Interrupted`].
    pub fn run(
        &self,
        resume: Option<TrainState>,
        progress: &dyn ProgressSink,
        on_epoch: &mut dyn FnMut(&TrainState) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        let network = self.model.network(self.images.shape())?;
        let (images, targets, parts) = (self.images.len(), self.targets.len(), self.partition.len());
        if images != targets || images != parts {
            return Err(TrainError::Counts { images, targets, parts });
        }
        if self.settings.epochs > 0
            && [Split::Train, Split::Validation].iter().any(|&part| self.partition.samples(part).is_empty())
        {
            return Err(TrainError::TooFew { count: images });
        }
        let objective = Objective::new(self.model.task, self.targets);
        let state = self.start(&network, resume)?;
        let (mut engine, kind) = self.engine(&objective, &state);
        self.course(&network, &objective).go_on(state, (engine.as_mut(), kind), progress, on_epoch)
    }

    fn course<'b>(&'b self, network: &'b NetworkSpec, objective: &'b Objective) -> Course<'b> {
        let [train, validation] = [Split::Train, Split::Validation].map(|part| self.partition.samples(part));
        Course { training: self, network, train, validation, objective }
    }

    /// Initial output bias, in the target's unit.
    fn output_bias(&self) -> f32 {
        match self.model.output_bias {
            OutputBias::TargetMean => {
                let sum: f64 = self.targets.iter().copied().map(f64::from).sum();
                (sum / self.targets.len() as f64) as f32
            }
            OutputBias::Zero => 0.0,
            OutputBias::Value(value) => value as f32,
        }
    }

    fn start(&self, network: &NetworkSpec, resume: Option<TrainState>) -> Result<TrainState, TrainError> {
        let of_another = |state: &TrainState| state.weights.network().without_rates() != network.without_rates();
        match resume {
            None => Ok(TrainState::new(
                self.start.cloned().unwrap_or_else(|| initial_weights(network, self.output_bias(), self.model.seed)),
            )),
            Some(state) if of_another(&state) || state.epoch() > self.settings.epochs => Err(TrainError::OtherTraining),
            Some(state) => Ok(state),
        }
    }

    /// Kernels of our own where there are some for this processor and network, else libtorch.
    fn engine<'b>(&'b self, objective: &'b Objective, state: &TrainState) -> (Box<dyn Engine + 'b>, EngineKind) {
        #[cfg(target_arch = "x86_64")]
        if self.device == Device::Cpu && self.engine == EngineChoice::Auto {
            let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
            let start = (&state.weights, &state.moments);
            if let Some(kernels) = Kernels::new(self.images, objective, self.settings, start, threads) {
                return (Box::new(kernels), EngineKind::Kernels);
            }
        }
        let (weights, moments) = (&state.weights, &state.moments);
        let autograd = Autograd::new(self.images, objective, self.settings, weights, moments, self.device);
        (Box::new(autograd), EngineKind::Libtorch)
    }
}

/// A training on its way through the epochs.
struct Course<'a> {
    training: &'a Training<'a>,
    network: &'a NetworkSpec,
    train: Vec<usize>,
    validation: Vec<usize>,
    objective: &'a Objective,
}

impl Course<'_> {
    /// Trains from `state` to the end, with an engine that holds its weights and moments.
    fn go_on(
        &self,
        mut state: TrainState,
        (engine, kind): (&mut dyn Engine, EngineKind),
        progress: &dyn ProgressSink,
        on_epoch: &mut dyn FnMut(&TrainState) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        let untrained = self.objective.untrained_loss(self.training.output_bias(), &self.train);
        let limit = DIVERGENCE * untrained.max(1.0);
        while state.epoch() < self.training.settings.epochs && !self.out_of_patience(&state) {
            let epoch = self.epoch(state.epoch() + 1, engine);
            let worst = if epoch.val_loss.is_finite() { epoch.train_loss } else { epoch.val_loss };
            if !worst.is_finite() || worst > limit {
                return Err(TrainError::Diverged { epoch: epoch.epoch, loss: worst });
            }
            self.record(&mut state, epoch.clone(), engine);
            let stored = on_epoch(&state);
            // Told last: an epoch that is said to be finished is not lost.
            progress.report(Progress::Epoch(epoch));
            if stored.is_break() {
                return Err(TrainError::Interrupted { epoch: state.epoch() });
            }
        }
        Ok(self.finish(state, kind))
    }

    /// One pass over the shuffled training samples, and the validation.
    fn epoch(&self, epoch: usize, engine: &mut dyn Engine) -> Epoch {
        let clock = Instant::now();
        let Training { model, settings, .. } = self.training;
        let mut order = self.train.clone();
        order.shuffle(&mut seed::stream(model.seed, "shuffle", epoch as u64));
        let mut dropout = seed::stream(model.seed, "dropout", epoch as u64);
        let rates = self.network.dropouts();
        let dropped: usize = rates.iter().map(|(_, values)| values).sum();
        // A batch that is larger than the training set is all of it.
        let batch_size = settings.batch_size.min(order.len());
        let mut mask = vec![0.0; batch_size * dropped];
        let rate = learning_rate(settings, epoch);
        for batch in order.chunks(batch_size) {
            let mask = &mut mask[..batch.len() * dropped];
            draw_masks(&mut dropout, &rates, mask);
            engine.step(batch, mask, rate);
        }
        let Losses { loss: train_loss, mae: train_mae } = self.objective.losses(&engine.take_outputs(), order);
        let outputs = engine.evaluate(&self.validation);
        let Losses { loss: val_loss, mae: val_mae } = self.objective.losses(&outputs, self.validation.iter().copied());
        Epoch { epoch, train_loss, train_mae, val_loss, val_mae, epoch_seconds: clock.elapsed().as_secs_f64() }
    }

    fn out_of_patience(&self, state: &TrainState) -> bool {
        let waited = state.best.as_ref().map_or(0, |best| state.epoch() - best.epoch);
        let patience = self.training.settings.patience;
        patience > 0 && waited >= patience
    }

    fn record(&self, state: &mut TrainState, epoch: Epoch, engine: &dyn Engine) {
        let (number, val_loss) = (epoch.epoch, epoch.val_loss);
        state.history.push(epoch);
        state.weights = engine.weights();
        state.moments = engine.moments();
        let improves =
            |kept: &Option<KeptWeights>| kept.as_ref().is_none_or(|kept| val_loss < state.val_loss(kept.epoch));
        let (is_best, is_checkpoint) = (improves(&state.best), improves(&state.checkpoint));
        let kept = KeptWeights { epoch: number, weights: state.weights.clone() };
        let every = self.training.settings.checkpoint_every;
        let due = every > 0 && number.is_multiple_of(every);
        if due && is_checkpoint {
            state.checkpoint = Some(kept.clone());
        }
        if is_best {
            state.best = Some(kept);
        }
    }

    fn finish(&self, state: TrainState, engine: EngineKind) -> Trained {
        let last = KeptWeights { epoch: state.epoch(), weights: state.weights };
        let best = state.best.unwrap_or_else(|| last.clone());
        let kept = match self.training.settings.keep {
            Keep::Last => last,
            Keep::Best => best.clone(),
        };
        let (history, checkpoint) = (state.history, state.checkpoint);
        Trained { weights: kept.weights, epoch: kept.epoch, history, best, checkpoint, engine }
    }
}

/// Draws the masks of all dropouts, image after image. Each has a rate and a number of values.
fn draw_masks(stream: &mut seed::Stream, dropouts: &[(f64, usize)], mut masks: &mut [f32]) {
    while !masks.is_empty() {
        for &(rate, values) in dropouts {
            let (own, others) = masks.split_at_mut(values);
            draw_mask(stream, rate, own);
            masks = others;
        }
    }
}

/// Inverted dropout: each feature is kept with probability 1 - `rate` and then scaled by 1 / (1 - `rate`).
fn draw_mask(stream: &mut seed::Stream, rate: f64, mask: &mut [f32]) {
    let threshold = (rate * 2f64.powi(32)) as u64;
    let kept = (1.0 / (1.0 - rate)) as f32;
    for factor in mask {
        *factor = if u64::from(stream.next_u32()) < threshold { 0.0 } else { kept };
    }
}

#[cfg(test)]
#[path = "train_course_tests.rs"]
mod course_tests;
#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
