//! Adam, AdamW and SGD in the form that Keras gives them, with a state that can be saved.

use std::f64::consts::PI;

use tch::{Device, Tensor};
use xdlreg_core::net::{Optimizer, Schedule, TrainSettings};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
/// Keras' epsilon, which Kingma and Ba (2015, section 2) call epsilon hat: it is added to the root of the second
/// moment before bias correction, where PyTorch adds it after.
const EPSILON: f64 = 1e-7;

/// What an optimiser remembers, value by value of the trainable parameters one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Steps taken.
    pub steps: u64,
    /// Mean gradient of Adam, or velocity of SGD.
    pub first: Vec<f32>,
    /// Mean squared gradient of Adam; unused by SGD.
    pub second: Vec<f32>,
}

impl Moments {
    pub fn zeros(parameters: usize) -> Self {
        Self { steps: 0, first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }
}

/// Learning rate of `epoch` (from 1). The cosine falls from the full rate in the first epoch towards zero after the
/// last.
pub fn learning_rate(settings: &TrainSettings, epoch: usize) -> f64 {
    match settings.schedule {
        Schedule::Constant => settings.learning_rate,
        Schedule::Cosine => {
            let progress = (epoch - 1) as f64 / settings.epochs as f64;
            settings.learning_rate * 0.5 * (1.0 + (PI * progress).cos())
        }
    }
}

/// One step's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// `m += (1 - b1) (g - m)`, `v += (1 - b2) (g^2 - v)`, `w -= decay w`, `w -= rate m / (sqrt(v) + eps)`.
    Adam { rate: f64, decay: f64 },
    /// `m = momentum m - rate g`, `w += m`.
    Sgd { rate: f64, momentum: f64 },
}

impl Update {
    /// The update of step `step` (from 1) at learning rate `rate`.
    pub fn new(settings: &TrainSettings, rate: f64, step: u64) -> Self {
        let t = step as f64;
        let corrected = rate * (1.0 - BETA2.powf(t)).sqrt() / (1.0 - BETA1.powf(t));
        match settings.optimizer {
            Optimizer::Adam => Self::Adam { rate: corrected, decay: 0.0 },
            Optimizer::Adamw => Self::Adam { rate: corrected, decay: rate * settings.weight_decay },
            Optimizer::Sgd => Self::Sgd { rate, momentum: settings.momentum },
        }
    }

    /// Changes plain weights and their moments.
    #[inline(always)]
    pub fn apply(self, weights: &mut [f32], moments: &mut Moments, gradient: &[f32]) {
        moments.steps += 1;
        let state = weights.iter_mut().zip(&mut moments.first).zip(&mut moments.second).zip(gradient);
        match self {
            Self::Adam { rate, decay } => {
                let (new1, new2) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
                let (rate, keep, epsilon) = (rate as f32, (1.0 - decay) as f32, EPSILON as f32);
                for (((w, m), v), &g) in state {
                    *m = normal((g - *m).mul_add(new1, *m));
                    *v = normal(g.mul_add(g, -*v).mul_add(new2, *v));
                    *w = *w * keep - *m * rate / (v.sqrt() + epsilon);
                }
            }
            Self::Sgd { rate, momentum } => {
                let (rate, momentum) = (rate as f32, momentum as f32);
                for (((w, m), _), &g) in state {
                    *m = normal(*m * momentum - g * rate);
                    *w += *m;
                }
            }
        }
    }
}

/// Zero for what is so small that arithmetic with it would be slow (subnormal numbers): the moments of weights that get
/// no gradient decay to it.
#[inline(always)]
fn normal(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

/// Weights and moments on a device of libtorch.
#[derive(Debug)]
pub struct TensorState {
    pub steps: u64,
    pub weights: Tensor,
    first: Tensor,
    second: Tensor,
}

impl TensorState {
    pub fn new(weights: &[f32], moments: &Moments, device: Device) -> Self {
        let on_device = |values: &[f32]| Tensor::from_slice(values).to_device(device);
        Self {
            steps: moments.steps,
            weights: on_device(weights),
            first: on_device(&moments.first),
            second: on_device(&moments.second),
        }
    }

    pub fn moments(&self) -> Moments {
        let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor).expect("f32 moments");
        Moments { steps: self.steps, first: values(&self.first), second: values(&self.second) }
    }

    /// Changes the weights in place; call it without recording gradients.
    pub fn apply(&mut self, update: Update, gradient: &Tensor) {
        self.steps += 1;
        match update {
            Update::Adam { rate, decay } => {
                self.first += (gradient - &self.first) * (1.0 - BETA1);
                self.second += (gradient * gradient - &self.second) * (1.0 - BETA2);
                if decay != 0.0 {
                    self.weights *= 1.0 - decay;
                }
                self.weights -= &self.first * rate / (self.second.sqrt() + EPSILON);
            }
            Update::Sgd { rate, momentum } => {
                self.first *= momentum;
                self.first -= gradient * rate;
                self.weights += &self.first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook form, in f64: bias-corrected moments and an epsilon rescaled to Keras' place.
    fn naive_adam(gradients: &[f64], rate: f64, weight_decay: f64, mut w: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (index, g) in gradients.iter().enumerate() {
            let t = index as i32 + 1;
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let (m_hat, v_hat) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
            let epsilon = 1e-7 / (1.0 - 0.999f64.powi(t)).sqrt();
            w -= rate * weight_decay * w;
            w -= rate * m_hat / (v_hat.sqrt() + epsilon);
        }
        w
    }

    const GRADIENTS: [f64; 5] = [0.5, -3.0, 1e-6, 20.0, 0.25];

    fn run(settings: &TrainSettings) -> f64 {
        let (mut weights, mut moments) = ([2.0], Moments::zeros(1));
        for g in GRADIENTS {
            let update = Update::new(settings, settings.learning_rate, moments.steps + 1);
            update.apply(&mut weights, &mut moments, &[g as f32]);
        }
        let on_tensors = run_on_tensors(settings);
        assert!((f64::from(weights[0]) - on_tensors).abs() < 1e-5, "{} against {on_tensors}", weights[0]);
        on_tensors
    }

    fn run_on_tensors(settings: &TrainSettings) -> f64 {
        let mut state = TensorState::new(&[2.0], &Moments::zeros(1), Device::Cpu);
        for g in GRADIENTS {
            let update = Update::new(settings, settings.learning_rate, state.steps + 1);
            state.apply(update, &Tensor::from_slice(&[g as f32]));
        }
        state.weights.double_value(&[0])
    }

    #[test]
    fn adam_and_adamw_follow_the_textbook() {
        for (optimizer, weight_decay, decay) in [(Optimizer::Adam, 0.3, 0.0), (Optimizer::Adamw, 0.3, 0.3)] {
            let settings = TrainSettings { optimizer, weight_decay, learning_rate: 0.1, ..TrainSettings::default() };
            let expected = naive_adam(&GRADIENTS, 0.1, decay, 2.0);
            assert!((run(&settings) - expected).abs() < 1e-5, "{} against {expected}", run(&settings));
        }
    }

    #[test]
    fn momentum_accumulates_a_velocity() {
        let settings =
            TrainSettings { optimizer: Optimizer::Sgd, momentum: 0.5, learning_rate: 0.1, ..TrainSettings::default() };
        let (mut velocity, mut w) = (0.0, 2.0);
        for g in GRADIENTS {
            velocity = 0.5 * velocity - 0.1 * g;
            w += velocity;
        }
        assert!((run(&settings) - w).abs() < 1e-5);
    }

    #[test]
    fn the_cosine_falls_from_the_full_rate_towards_zero() {
        let settings = TrainSettings { schedule: Schedule::Cosine, epochs: 4, ..TrainSettings::default() };
        let rates: Vec<f64> = (1..=4).map(|epoch| learning_rate(&settings, epoch) / settings.learning_rate).collect();
        let half = 0.5f64.sqrt();
        for (rate, expected) in rates.iter().zip([1.0, 0.5 + half / 2.0, 0.5, 0.5 - half / 2.0]) {
            assert!((rate - expected).abs() < 1e-12);
        }
    }
}
