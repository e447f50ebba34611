//! Training a PumpkinNet.

use std::ops::ControlFlow;
use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;
use tch::Device;
use thiserror::Error;
use xdlreg_core::event::{Epoch, Progress, ProgressSink};
use xdlreg_core::net::{Keep, ModelSettings, OutputBias, TrainSettings};
use xdlreg_core::raster::RasterStack;
use xdlreg_core::sim::SIDE;
use xdlreg_core::seed;
use xdlreg_core::data::Split;

use super::architecture::Architecture;
use super::autograd::Autograd;
use super::engine::Engine;
use super::init::initial_weights;
#[cfg(target_arch = "x86_64")]
use super::kernel::Kernels;
use super::loss::{Losses, Objective};
use super::optimizer::learning_rate;
use super::train_state::{Kept, TrainState};
use super::weights::Weights;

/// A loss so many times that of an untrained network is no longer learning.
const DIVERGENCE: f64 = 1e3;

/// Everything a training depends on. The same settings, device and thread count give the same weights, bit for bit.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// All images `[n, 98, 98]`: the first 80 % train, the next 10 % validate, the last 10 % are not looked at.
    pub images: &'a RasterStack,
    /// Age in years of every image.
    pub ages: &'a [f32],
    pub model: &'a ModelSettings,
    pub settings: &'a TrainSettings,
    pub device: Device,
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
    pub best: Kept,
    /// The last periodic checkpoint, as XDLreg stores it; `None` if no epoch was due.
    pub checkpoint: Option<Kept>,
}

/// Why a training ended without weights.
#[derive(Debug, Error, PartialEq)]
pub enum TrainError {
    #[error("there are {images} images but {ages} ages")]
    Counts { images: usize, ages: usize },
    #[error("PumpkinNet takes images of {SIDE} x {SIDE} pixels, these have {height} x {width}")]
    ImageSize { height: usize, width: usize },
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
        self.check()?;
        let objective = Objective::new(self.model.task, self.ages);
        let state = self.start(resume)?;
        let mut engine = self.engine(&objective, &state);
        self.go_on(state, engine.as_mut(), &objective, progress, on_epoch)
    }

    /// Trains from `state` to the end, with an engine that holds its weights and moments.
    fn go_on(
        &self,
        mut state: TrainState,
        engine: &mut dyn Engine,
        objective: &Objective,
        progress: &dyn ProgressSink,
        on_epoch: &mut dyn FnMut(&TrainState) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        let limit = DIVERGENCE * objective.untrained_loss(self.output_bias(), self.train_samples()).max(1.0);
        while state.epoch() < self.settings.epochs && !self.out_of_patience(&state) {
            let epoch = self.epoch(state.epoch() + 1, engine, objective);
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
        Ok(self.finish(state))
    }

    fn check(&self) -> Result<(), TrainError> {
        let (count, height, width) = (self.images.len(), self.images.height(), self.images.width());
        if count != self.ages.len() {
            return Err(TrainError::Counts { images: count, ages: self.ages.len() });
        }
        if (height, width) != (SIDE, SIDE) {
            return Err(TrainError::ImageSize { height, width });
        }
        if self.train_samples().is_empty() || self.val_samples().is_empty() {
            return Err(TrainError::TooFew { count });
        }
        Ok(())
    }

    fn train_samples(&self) -> std::ops::Range<usize> {
        Split::Train.range(self.images.len())
    }

    fn val_samples(&self) -> std::ops::Range<usize> {
        Split::Validation.range(self.images.len())
    }

    /// Initial output bias in years.
    fn output_bias(&self) -> f32 {
        match self.model.output_bias {
            OutputBias::TargetMean => {
                (self.ages.iter().map(|&age| f64::from(age)).sum::<f64>() / self.ages.len() as f64) as f32
            }
            OutputBias::Zero => 0.0,
            OutputBias::Years(years) => years as f32,
        }
    }

    fn start(&self, resume: Option<TrainState>) -> Result<TrainState, TrainError> {
        let architecture = Architecture::of(self.model);
        match resume {
            None => Ok(TrainState::new(initial_weights(architecture, self.output_bias(), self.model.seed))),
            Some(state) if state.weights.architecture() != architecture || state.epoch() > self.settings.epochs => {
                Err(TrainError::OtherTraining)
            }
            Some(state) => Ok(state),
        }
    }

    /// Kernels of our own where there are some for this processor and network, else libtorch.
    fn engine<'b>(&'b self, objective: &'b Objective, state: &TrainState) -> Box<dyn Engine + 'b> {
        #[cfg(target_arch = "x86_64")]
        if self.device == Device::Cpu {
            let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
            let start = (&state.weights, &state.moments);
            if let Some(kernels) = Kernels::new(self.images, objective, self.settings, start, threads) {
                return Box::new(kernels);
            }
        }
        let (weights, moments) = (&state.weights, &state.moments);
        Box::new(Autograd::new(self.images, objective, self.settings, weights, moments, self.device))
    }

    /// One pass over the shuffled training samples, and the validation.
    fn epoch(&self, epoch: usize, engine: &mut dyn Engine, objective: &Objective) -> Epoch {
        let clock = Instant::now();
        let mut order: Vec<usize> = self.train_samples().collect();
        order.shuffle(&mut seed::stream(self.model.seed, "shuffle", epoch as u64));
        let mut dropout = seed::stream(self.model.seed, "dropout", epoch as u64);
        // A batch that is larger than the training set is all of it.
        let batch_size = self.settings.batch_size.min(order.len());
        let mut mask = vec![0.0; batch_size * Architecture::of(self.model).features()];
        let rate = learning_rate(self.settings, epoch);
        for batch in order.chunks(batch_size) {
            let mask = &mut mask[..batch.len() * Architecture::of(self.model).features()];
            draw_mask(&mut dropout, self.model.dropout, mask);
            engine.step(batch, mask, rate);
        }
        let Losses { loss: train_loss, mae: train_mae } = objective.losses(&engine.take_outputs(), order);
        let Losses { loss: val_loss, mae: val_mae } =
            objective.losses(&engine.evaluate(self.val_samples()), self.val_samples());
        Epoch { epoch, train_loss, train_mae, val_loss, val_mae, epoch_seconds: clock.elapsed().as_secs_f64() }
    }

    fn out_of_patience(&self, state: &TrainState) -> bool {
        let waited = state.best.as_ref().map_or(0, |best| state.epoch() - best.epoch);
        self.settings.patience > 0 && waited >= self.settings.patience
    }

    fn record(&self, state: &mut TrainState, epoch: Epoch, engine: &dyn Engine) {
        let (number, val_loss) = (epoch.epoch, epoch.val_loss);
        state.history.push(epoch);
        state.weights = engine.weights();
        state.moments = engine.moments();
        let improves = |kept: &Option<Kept>| kept.as_ref().is_none_or(|kept| val_loss < state.val_loss(kept.epoch));
        let (is_best, is_checkpoint) = (improves(&state.best), improves(&state.checkpoint));
        let kept = Kept { epoch: number, weights: state.weights.clone() };
        let due = self.settings.checkpoint_every > 0 && number.is_multiple_of(self.settings.checkpoint_every);
        if due && is_checkpoint {
            state.checkpoint = Some(kept.clone());
        }
        if is_best {
            state.best = Some(kept);
        }
    }

    fn finish(&self, state: TrainState) -> Trained {
        let last = Kept { epoch: state.epoch(), weights: state.weights };
        let best = state.best.unwrap_or_else(|| last.clone());
        let kept = match self.settings.keep {
            Keep::Last => last,
            Keep::Best => best.clone(),
        };
        Trained { weights: kept.weights, epoch: kept.epoch, history: state.history, best, checkpoint: state.checkpoint }
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
