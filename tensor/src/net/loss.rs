//! What a training minimises, and the error it reports.

use xdlreg_core::data::is_upper;
use xdlreg_core::task::Task;

/// The objective with the targets of all samples.
#[derive(Debug, Clone)]
pub struct Objective {
    task: Task,
    targets: Vec<f32>,
}

/// Means over samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// Squared error in the target's unit squared, or cross entropy in nats.
    pub loss: f64,
    /// Absolute error in the target's unit; for classes |true class - predicted class|, which is the share of wrong predictions.
    pub mae: f64,
}

impl Objective {
    /// Of these targets, or for classification of 0 for the lower class and 1 for the upper one.
    pub fn new(task: Task, targets: &[f32]) -> Self {
        let targets = match task {
            Task::Regression => targets.to_vec(),
            Task::Classification => is_upper(targets).into_iter().map(|upper| f32::from(u8::from(upper))).collect(),
        };
        Self { task, targets }
    }

    pub fn task(&self) -> Task {
        self.task
    }

    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Losses of the raw network `outputs` (one value or two logits a sample) for `samples`, in that order.
    pub fn losses(&self, outputs: &[f32], samples: impl IntoIterator<Item = usize>) -> Losses {
        let mut sum = Losses { loss: 0.0, mae: 0.0 };
        let mut count = 0.0;
        for (index, sample) in samples.into_iter().enumerate() {
            let target = f64::from(self.targets[sample]);
            match self.task {
                Task::Regression => {
                    let error = f64::from(outputs[index]) - target;
                    sum.loss += error * error;
                    sum.mae += error.abs();
                }
                Task::Classification => {
                    let (lower, upper) = (f64::from(outputs[2 * index]), f64::from(outputs[2 * index + 1]));
                    let (right, wrong) = if target > 0.5 { (upper, lower) } else { (lower, upper) };
                    sum.loss += softplus(wrong - right);
                    sum.mae += f64::from(u8::from(wrong > right));
                }
            }
            count += 1.0;
        }
        Losses { loss: sum.loss / count, mae: sum.mae / count }
    }

    /// Gradient of the mean loss of a batch of `batch` samples at the raw outputs for `sample`; the second value counts
    /// for classification only.
    pub fn gradient(&self, outputs: &[f32], sample: usize, batch: usize) -> [f32; 2] {
        let (target, share) = (self.targets[sample], 1.0 / batch as f32);
        match self.task {
            Task::Regression => [2.0 * (outputs[0] - target) * share, 0.0],
            Task::Classification => {
                let upper = 1.0 / (1.0 + (outputs[0] - outputs[1]).exp());
                [(target - upper) * share, (upper - target) * share]
            }
        }
    }

    /// Loss of a network that always answers `output_bias` (or "either"): the scale against which a training that
    /// diverges is told apart from one that is merely bad.
    pub fn untrained_loss(&self, output_bias: f32, samples: &[usize]) -> f64 {
        match self.task {
            Task::Regression => self.losses(&vec![output_bias; samples.len()], samples.iter().copied()).loss,
            Task::Classification => std::f64::consts::LN_2,
        }
    }
}

/// ln(1 + e^x), without overflow: the cross entropy of two classes whose logits differ by -x.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regression_averages_squared_and_absolute_errors_over_samples() {
        let objective = Objective::new(Task::Regression, &[20.0, 50.0, 80.0]);
        let losses = objective.losses(&[83.0, 16.0], [2, 0]);
        assert_eq!(losses, Losses { loss: (9.0 + 16.0) / 2.0, mae: 3.5 });
    }

    #[test]
    fn cross_entropy_is_that_of_softmax() {
        let objective = Objective::new(Task::Classification, &[20.0, 50.0, 51.0, 80.0]);
        assert_eq!(objective.targets(), [0.0, 0.0, 1.0, 1.0]);
        let (young, old) = (0.3f64, -1.1f64);
        let p_old = old.exp() / (young.exp() + old.exp());
        let losses = objective.losses(&[0.3, -1.1, 0.3, -1.1], [0, 3]);
        let expected = (-(1.0 - p_old).ln() - p_old.ln()) / 2.0;
        assert!((losses.loss - expected).abs() < 1e-7);
        assert_eq!(losses.mae, 0.5);
        assert!(objective.losses(&[1000.0, -1000.0], [3]).loss == 2000.0);
    }
}
