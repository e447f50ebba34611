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

/// Values that are updated at once on a CPU: with their moments and temporary values they stay in the second-level cache.
const CHUNK: i64 = 1 << 15;

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

    /// Changes the weights in place, given the gradients of all parameters in their order; call it without recording
    /// gradients.
    ///
    /// On a CPU the values are updated in chunks. Temporary tensors as long as all weights would come from fresh pages of memory in
    /// every operation, which took ResNet-18 as much time as the rest of a step.
    pub fn apply(&mut self, update: Update, gradients: &[Tensor]) {
        self.steps += 1;
        let mut start = 0;
        for gradient in gradients {
            let gradient = gradient.reshape(-1);
            let length = gradient.size()[0];
            // On a GPU every operation costs a launch instead.
            let chunk = if gradient.device() == Device::Cpu { CHUNK } else { length.max(1) };
            for from in (0..length).step_by(chunk as usize) {
                self.apply_from(start + from, update, &gradient.narrow(0, from, chunk.min(length - from)));
            }
            start += length;
        }
    }

    /// Changes the weights from `start` on, as many as the gradient has values.
    fn apply_from(&mut self, start: i64, update: Update, gradient: &Tensor) {
        let part = |of: &Tensor| of.narrow(0, start, gradient.size()[0]);
        let (mut weights, mut first) = (part(&self.weights), part(&self.first));
        match update {
            Update::Adam { rate, decay } => {
                let mut second = part(&self.second);
                first += (gradient - &first) * (1.0 - BETA1);
                second += (gradient * gradient - &second) * (1.0 - BETA2);
                if decay != 0.0 {
                    weights *= 1.0 - decay;
                }
                weights -= &first * rate / (second.sqrt() + EPSILON);
            }
            Update::Sgd { rate, momentum } => {
                first *= momentum;
                first -= gradient * rate;
                weights += &first;
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
            state.apply(update, &[Tensor::from_slice(&[g as f32])]);
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

    /// Chunks and the parameters they come from make no difference to the bit.
    #[test]
    fn an_update_in_chunks_is_an_update_of_everything_at_once() {
        let length = 2 * CHUNK + 77;
        tch::manual_seed(1);
        let gradient = Tensor::randn([length], (tch::Kind::Float, Device::Cpu));
        let start: Vec<f32> = Vec::try_from(Tensor::randn([length], (tch::Kind::Float, Device::Cpu))).expect("floats");
        let sgd = Update::Sgd { rate: 0.1, momentum: 0.9 };
        for update in [Update::Adam { rate: 0.01, decay: 0.001 }, sgd] {
            let mut states = [(); 3].map(|()| TensorState::new(&start, &Moments::zeros(start.len()), Device::Cpu));
            for _ in 0..3 {
                states[0].apply(update, &[gradient.shallow_clone()]);
                states[1].apply(update, &[gradient.narrow(0, 0, 501), gradient.narrow(0, 501, length - 501)]);
                states[2].apply_from(0, update, &gradient);
            }
            assert!(states[1..].iter().all(|state| state.weights.equal(&states[0].weights)), "{update:?}");
            assert!(states[0].moments().second == states[2].moments().second);
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
