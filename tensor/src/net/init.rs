//! Initial weights.

use rand::RngExt;
use xdlreg_core::net::NetworkSpec;
use xdlreg_core::seed;
use xdlreg_core::task::Task;

use super::weights::Weights;

/// Glorot-uniform kernels (Glorot and Bengio 2010), zero biases, neutral batch norm, and for a regression `output_bias`.
///
/// Every kernel has a random stream of its own, so the same seed gives the same convolutions whatever follows them.
pub fn initial_weights(network: &NetworkSpec, output_bias: f32, model_seed: u64) -> Weights {
    let last = format!("{}.bias", network.output().name);
    let bias = if network.task() == Task::Regression { output_bias } else { 0.0 };
    Weights::build(network, |name, shape| {
        let count = shape.iter().product();
        match name {
            _ if name == last => vec![bias; count],
            _ if shape.len() > 1 => glorot(name, shape, count, model_seed),
            // Of one axis, only batch norm has weights.
            _ if name.ends_with(".running_var") || name.ends_with(".weight") => vec![1.0; count],
            _ => vec![0.0; count],
        }
    })
}

/// U(-l, l) with l = sqrt(6 / (fan_in + fan_out)), fans counting the kernel's area.
fn glorot(name: &str, shape: &[usize], count: usize, model_seed: u64) -> Vec<f32> {
    let area: usize = shape[2..].iter().product();
    let limit = (6.0 / (area * (shape[0] + shape[1])) as f64).sqrt();
    let mut stream = seed::stream(model_seed, &format!("init {name}"), 0);
    (0..count).map(|_| stream.random_range(-limit..limit) as f32).collect()
}

#[cfg(test)]
mod tests {
    use xdlreg_core::net::ModelSettings;
    use xdlreg_core::sim::SHAPE;

    use super::*;

    #[test]
    fn kernels_fill_the_glorot_interval_and_all_else_is_neutral() {
        let model = ModelSettings { batch_norm: true, ..ModelSettings::default() };
        let weights = initial_weights(&model.network(SHAPE).expect("a network"), 51.5, 7);
        let kernel = &weights.get("conv4.weight").values;
        let limit = (6.0f32 / (9.0 * (64.0 + 32.0))).sqrt();
        let mean = kernel.iter().sum::<f32>() / kernel.len() as f32;
        let variance = kernel.iter().map(|w| w * w).sum::<f32>() / kernel.len() as f32;
        assert!(kernel.iter().all(|w| w.abs() <= limit));
        assert!(mean.abs() < 0.03 * limit, "mean {mean}");
        assert!((variance / (limit * limit / 3.0) - 1.0).abs() < 0.05, "variance {variance}");
        assert!(weights.get("conv2.bias").values.iter().all(|&b| b == 0.0));
        assert!(weights.get("bn3.weight").values.iter().all(|&b| b == 1.0));
        assert!(weights.get("bn3.running_mean").values.iter().all(|&b| b == 0.0));
        assert!(weights.get("bn3.running_var").values.iter().all(|&b| b == 1.0));
        assert_eq!(weights.get("output.bias").values, [51.5]);
    }

    /// Kernels that began alike would say the same of their inputs, each on its own scale.
    #[test]
    fn every_kernel_has_random_numbers_of_its_own() {
        const SHOWN: usize = 64;
        let weights = initial_weights(&ModelSettings::default().network(SHAPE).expect("a network"), 50.0, 7);
        let kernels: Vec<(&str, Vec<f32>)> = weights
            .parameters()
            .iter()
            .filter(|parameter| parameter.shape.len() > 1)
            .map(|parameter| {
                let largest = parameter.values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
                (parameter.name.as_str(), parameter.values[..SHOWN].iter().map(|value| value / largest).collect())
            })
            .collect();
        assert_eq!(kernels.len(), 7);
        for (index, (name, one)) in kernels.iter().enumerate() {
            for (other_name, other) in &kernels[..index] {
                // Products of independent numbers from -1 to 1 have a mean of 0 and a variance of 1/9.
                let mean = one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>() / SHOWN as f32;
                assert!(mean.abs() < 5.0 / (3.0 * (SHOWN as f32).sqrt()), "{name} and {other_name} are alike");
            }
        }
    }
}
