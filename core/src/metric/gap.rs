//! The gap between prediction and target, such as the brain-age gap: raw, and without the pull of predictions towards the mean.
//!
//! A regression that is not perfect predicts too much for small targets and too little for large ones, so that the raw gap depends
//! on the target. The corrections fit this dependence on validation data, and take it out.

use super::statistics::{Line, line};

/// Prediction less target, in the target's unit; NaN where the validation data determine no correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Prediction - target.
    pub raw: f64,
    /// (prediction - b) / a - target, with prediction = a target + b in the validation data (Cole et al., Molecular Psychiatry 23
    /// (2018) 1385, doi 10.1038/mp.2017.62).
    pub cole: f64,
    /// Prediction - target - (a target + b), with prediction - target = a target + b in the validation data (Beheshti et al.,
    /// NeuroImage: Clinical 24 (2019) 102063, doi 10.1016/j.nicl.2019.102063).
    pub beheshti: f64,
    /// Prediction + (target - (a target + b)) - target, with prediction = a target + b in the validation data (de Lange and Cole,
    /// NeuroImage: Clinical 26 (2020) 102229, doi 10.1016/j.nicl.2020.102229). It is equal to Beheshti's but for rounding.
    pub de_lange: f64,
}

/// The corrections, fitted.
#[derive(Debug, Clone, Copy)]
pub struct GapCorrection {
    /// Of predictions over targets.
    predictions: Line,
    /// Of raw gaps over targets.
    gaps: Line,
}

impl GapCorrection {
    /// Fits the corrections to targets and predictions that took no part in the training.
    pub fn fit(targets: &[f64], predictions: &[f64]) -> Self {
        let gaps: Vec<f64> = targets.iter().zip(predictions).map(|(target, prediction)| prediction - target).collect();
        Self { predictions: line(targets, predictions), gaps: line(targets, &gaps) }
    }

    pub fn gap(&self, target: f64, prediction: f64) -> Gap {
        let Self { predictions, gaps } = self;
        let expected = predictions.slope * target + predictions.intercept;
        // A level line cannot be inverted.
        let inverted =
            if predictions.slope == 0.0 { f64::NAN } else { (prediction - predictions.intercept) / predictions.slope };
        Gap {
            raw: prediction - target,
            cole: inverted - target,
            beheshti: prediction - target - (gaps.slope * target + gaps.intercept),
            de_lange: prediction + (target - expected) - target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets and predictions, for which `tests/fixtures/gap.py` fits the lines with scikit-learn.
    fn pairs() -> (Vec<f64>, Vec<f64>) {
        let targets: Vec<f64> = (0..12).map(|k| 20.0 + 5.0 * f64::from(k)).collect();
        let predictions =
            targets.iter().enumerate().map(|(k, target)| 30.0 + 0.4 * target + [1.5, -2.0, 0.25, 3.0][k % 4]);
        let predictions = predictions.collect();
        (targets, predictions)
    }

    #[test]
    fn gaps_are_those_of_scikit_learn() {
        let (targets, predictions) = pairs();
        let correction = GapCorrection::fit(&targets[..8], &predictions[..8]);
        for (k, expected) in EXPECTED {
            let gap = correction.gap(targets[k], predictions[k]);
            for (found, expected) in [gap.raw, gap.cole, gap.beheshti, gap.de_lange].into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "row {k}: {found} instead of {expected}");
            }
        }
    }

    /// Printed by `tests/fixtures/gap.py`: row, raw, Cole, Beheshti, de Lange.
    const EXPECTED: [(usize, [f64; 4]); 3] = [
        (0, [19.5, 3.18181818181818, 1.375, 1.375]),
        (7, [0.0, 4.049586776859499, 1.75, 1.75]),
        (11, [-12.0, 2.5619834710743703, 1.1071428571428612, 1.1071428571428612]),
    ];

    #[test]
    fn corrected_gaps_do_not_depend_on_the_target_where_they_were_fitted() {
        let (targets, predictions) = pairs();
        let correction = GapCorrection::fit(&targets, &predictions);
        let slope = |of: fn(Gap) -> f64| {
            let gaps: Vec<f64> = targets.iter().zip(&predictions).map(|(t, p)| of(correction.gap(*t, *p))).collect();
            line(&targets, &gaps).slope
        };
        assert!(slope(|gap| gap.raw) < -0.5);
        for of in [|gap: Gap| gap.cole, |gap: Gap| gap.beheshti, |gap: Gap| gap.de_lange] {
            assert!(slope(of).abs() < 1e-12);
        }
    }

    #[test]
    fn what_does_not_vary_has_no_correction() {
        let one = GapCorrection::fit(&[50.0, 50.0], &[40.0, 60.0]).gap(50.0, 55.0);
        assert!(one.raw == 5.0 && one.cole.is_nan() && one.beheshti.is_nan() && one.de_lange.is_nan());
        let level = GapCorrection::fit(&[40.0, 60.0], &[50.0, 50.0]).gap(50.0, 55.0);
        assert!(level.cole.is_nan() && level.beheshti == 5.0);
        assert!(GapCorrection::fit(&[], &[]).gap(50.0, 55.0).cole.is_nan());
    }
}
