//! Dropout, the hidden dense layer with ReLU, and the output layer, forward and backward, one sample at a time.

use super::layout::Layout;

/// What the dense layers keep of a sample between the passes.
#[derive(Debug, Clone)]
pub struct Hidden {
    /// Features after dropout, `[features]`.
    pub features: Vec<f32>,
    /// After ReLU, `[units]`.
    pub units: Vec<f32>,
    d_units: Vec<f32>,
    /// The network's raw outputs, one or two.
    pub outputs: Vec<f32>,
}

impl Hidden {
    pub fn new(layout: &Layout) -> Self {
        Self {
            features: vec![0.0; layout.features.len()],
            units: vec![0.0; layout.units],
            d_units: vec![0.0; layout.units],
            outputs: vec![0.0; layout.outputs],
        }
    }

    /// Outputs from `features`. Features that are zero, after dropout and ReLU most of them, cost nothing.
    #[inline(always)]
    pub fn forward(&mut self, layout: &Layout, parameters: &[f32]) {
        let units = layout.units;
        self.units.copy_from_slice(&parameters[layout.dense_bias..][..units]);
        let weights = parameters[layout.dense_weights..].chunks_exact(units);
        for (&feature, weights) in self.features.iter().zip(weights) {
            if feature != 0.0 {
                for (unit, &weight) in self.units.iter_mut().zip(weights) {
                    *unit = feature.mul_add(weight, *unit);
                }
            }
        }
        for unit in &mut self.units {
            *unit = unit.max(0.0);
        }
        let weights = parameters[layout.output_weights..].chunks_exact(units);
        for (index, (output, weights)) in self.outputs.iter_mut().zip(weights).enumerate() {
            *output = parameters[layout.output_bias + index];
            for (&unit, &weight) in self.units.iter().zip(weights) {
                *output = unit.mul_add(weight, *output);
            }
        }
    }

    /// Adds to `gradient` what this sample contributes, given the loss' gradient at the outputs, and writes that at the
    /// features after dropout.
    #[inline(always)]
    pub fn backward(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        d_outputs: &[f32],
        gradient: &mut [f32],
        d_features: &mut [f32],
    ) {
        let units = layout.units;
        self.d_units.fill(0.0);
        for (index, &d_output) in d_outputs.iter().enumerate() {
            let weights = &parameters[layout.output_weights + index * units..][..units];
            let d_weights = &mut gradient[layout.output_weights + index * units..][..units];
            for unit in 0..units {
                self.d_units[unit] = d_output.mul_add(weights[unit], self.d_units[unit]);
                d_weights[unit] = d_output.mul_add(self.units[unit], d_weights[unit]);
            }
            if layout.outputs == 1 {
                gradient[layout.output_bias] += d_output;
            }
        }
        for (d_unit, &unit) in self.d_units.iter_mut().zip(&self.units) {
            if unit <= 0.0 {
                *d_unit = 0.0;
            }
        }
        for (d_bias, &d_unit) in gradient[layout.dense_bias..].iter_mut().zip(&self.d_units) {
            *d_bias += d_unit;
        }
        let weights = parameters[layout.dense_weights..].chunks_exact(units);
        let d_weights = gradient[layout.dense_weights..].chunks_exact_mut(units);
        for (((&feature, d_feature), weights), d_weights) in
            self.features.iter().zip(d_features).zip(weights).zip(d_weights)
        {
            // Where a feature is zero it was dropped or its pooling window has no winner: nothing flows further.
            *d_feature = 0.0;
            if feature != 0.0 {
                *d_feature = dot(weights, &self.d_units);
                for (d_weight, &d_unit) in d_weights.iter_mut().zip(&self.d_units) {
                    *d_weight = feature.mul_add(d_unit, *d_weight);
                }
            }
        }
    }
}

/// Sum of products, in sixteen interleaved sums so that it can be vectorised.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (a, b) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest = a.remainder().iter().zip(b.remainder()).fold(0.0f32, |sum, (&x, &y)| x.mul_add(y, sum));
    for (x, y) in a.zip(b) {
        for lane in 0..16 {
            sums[lane] = x[lane].mul_add(y[lane], sums[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest
}
