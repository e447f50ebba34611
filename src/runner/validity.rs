//! Which finished runs mean something, and what must be known of those that do.

use crate::data::{Split, is_upper};
use crate::explain::Finding;
use crate::metric::{Measurement, ledger};
use crate::tables::RunDetails;
use crate::task::Task;

/// What is said of a complete run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Why its results mean nothing, if so: a prediction that is no number, a network that predicts the test set worse than
    /// the mean target of the training set does, maps that mean nothing, or relevance that gets lost on its way.
    pub reason: Option<String>,
    /// What else a user must know.
    pub note: Option<String>,
}

/// What is said of the results of a complete run.
pub fn verdict(run: &RunDetails, findings: &[Finding], task: Task) -> Verdict {
    let (worse, little_worse) = against_means(run, task);
    let condemned = Finding::condemn(findings);
    let found = Finding::join(findings);
    let meaningless = || found.clone().filter(|_| condemned).map(|found| format!("most maps mean nothing: {found}"));
    let reason = not_finite(run).or(worse).or_else(meaningless).or_else(|| not_conserved(run));
    let told = reason.as_deref().is_some_and(|reason| reason.starts_with("most maps"));
    let notes = little_worse.into_iter().chain(found.filter(|_| !told)).chain(about_little(run));
    let notes: Vec<String> = notes.collect();
    Verdict { reason, note: (!notes.is_empty()).then(|| notes.join("; ")) }
}

fn not_finite(run: &RunDetails) -> Option<String> {
    let predictions = &run.predictions;
    let broken = predictions.iter().filter(|prediction| !prediction.is_finite()).count();
    (broken > 0).then(|| format!("{broken} of {} predictions are not finite", predictions.len()))
}

/// What is said of a network that predicts the test set worse than a mean does: a reason why the run is invalid, where it is that of
/// the training set, the only one that a network may know; a note, where it is that of the test set alone.
fn against_means(run: &RunDetails, task: Task) -> (Option<String>, Option<String>) {
    let Some(samples) = &run.samples else { return (None, None) };
    let (predictions, targets) = (&run.predictions, targets(&samples.targets, task));
    let [train, test] = [Split::Train, Split::Test].map(|split| samples.partition.samples(split));
    let mean = |samples: &[usize]| samples.iter().map(|&sample| targets[sample]).sum::<f64>() / samples.len() as f64;
    let mse = |guess: &dyn Fn(usize) -> f64| {
        let errors = test.iter().map(|&sample| (guess(sample) - targets[sample]).powi(2));
        errors.sum::<f64>() / test.len() as f64
    };
    let (trained, tested) = (mean(&train), mean(&test));
    let [own, of_trained, of_tested] =
        [mse(&|sample| f64::from(predictions[sample])), mse(&|_| trained), mse(&|_| tested)];
    if own > of_trained {
        let reason = format!(
            "worse than predicting the mean of the training set, {trained:.2}: test MSE {own:.3}, that of this mean \
             {of_trained:.3} (of the test set's own mean, {tested:.2}, {of_tested:.3})"
        );
        (Some(reason), None)
    } else if own > of_tested {
        let note = format!(
            "predicts the test set worse than its own mean, {tested:.2}, does: test MSE {own:.3}, that of this mean \
             {of_tested:.3} (of the training set's mean, {trained:.2}, {of_trained:.3})"
        );
        (None, Some(note))
    } else {
        (None, None)
    }
}

fn not_conserved(run: &RunDetails) -> Option<String> {
    let unaccounted = run.measurements.iter().find(|row| row.metric == ledger::UNACCOUNTED.name)?.value?;
    (unaccounted > ledger::MOST_UNACCOUNTED)
        .then(|| format!("relevance is not conserved: {:.1} % of a prediction is found nowhere", 100.0 * unaccounted))
}

/// A rank correlation of this size looks like a finding ...
const NOTABLE: f64 = 0.3;
/// ... and is one about nothing, where all signs of a kind together move predictions by less than this share of their range.
const LITTLE: f64 = 0.01;

/// Correlations with effects that hardly change what the network says: its maps may rank lesions well that do not matter to it.
fn about_little(run: &RunDetails) -> Vec<String> {
    let of_run = |row: &&Measurement| row.sample.is_none() && row.headline;
    let correlated = run.measurements.iter().filter(of_run);
    let correlated =
        correlated.filter(|row| ["causal_spearman", "causal_spearman.kind"].contains(&row.metric.as_str()));
    let told = |row: &Measurement| {
        let correlation = row.value.filter(|value| value.abs() >= NOTABLE)?;
        let of_sign = |name: &'static str| {
            run.measurements.iter().filter(move |other| other.metric == name && other.sign == row.sign)
        };
        let share = of_sign("causal_range_share").find_map(|row| row.value).filter(|&share| share < LITTLE)?;
        let worth: Vec<&Measurement> = of_sign("causal_years").filter(|row| row.sample.is_some()).collect();
        let sizes = || worth.iter().filter_map(|row| row.value).map(f64::abs);
        let mean = sizes().sum::<f64>() / sizes().count() as f64;
        let signs = row.sign.as_deref().and_then(|sign| sign.split('_').next()).unwrap_or("signs");
        Some(format!(
            "the Spearman correlation of {correlation:.2} between the relevance over {signs} and their worth is about small \
             effects: an image without its {signs} changes the prediction by {mean:.2} {} on average, {:.2} % of the range of \
             predictions",
            worth.first().map_or("", |row| row.unit.as_str()),
            100.0 * share
        ))
    };
    correlated.filter_map(told).collect()
}

/// What the network should have said.
pub(super) fn targets(targets: &[f32], task: Task) -> Vec<f64> {
    match task {
        Task::Regression => targets.iter().copied().map(f64::from).collect(),
        Task::Classification => is_upper(targets).into_iter().map(|upper| f64::from(u8::from(upper))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::Partition;
    use crate::explain::Flaw;
    use crate::sim;
    use crate::store::dataset::Samples;

    /// A run of a hundred samples with these targets and predictions.
    fn run_of(rows: impl Iterator<Item = (f32, f32)>) -> RunDetails {
        let (targets, predictions): (Vec<f32>, Vec<f32>) = rows.unzip();
        let (partition, names) = (Partition::in_order(targets.len()), vec![String::new(); targets.len()]);
        let samples = Arc::new(Samples { targets, target: sim::age(), partition, names, grouping: None });
        RunDetails { samples: Some(samples), predictions, ..RunDetails::default() }
    }

    fn run(predict: impl Fn(u32) -> f32) -> RunDetails {
        let ages = (0..100).map(|sample| 20 + sample * 37 % 61);
        run_of(ages.map(|age| (age as f32, predict(age))))
    }

    fn judged(run: &RunDetails, task: Task) -> Verdict {
        verdict(run, &[], task)
    }

    #[test]
    fn a_network_must_beat_the_mean() {
        assert_eq!(judged(&run(|age| age as f32 + 3.0), Task::Regression), Verdict::default());
        let reason = judged(&run(|_| 90.0), Task::Regression).reason.unwrap();
        assert!(reason.starts_with("worse than predicting the mean of the training set, 49."), "{reason}");
        assert!(reason.contains("of the test set's own mean, "), "{reason}");
        let old = |age| if age >= 50 { 0.9 } else { 0.2 };
        assert_eq!(judged(&run(old), Task::Classification), Verdict::default());
        assert!(judged(&run(|age| 1.0 - old(age)), Task::Classification).reason.is_some());
    }

    /// The mean that must be beaten is that of the training set: a network may know no other. That of the test set is told.
    #[test]
    fn the_mean_to_beat_is_that_of_the_training_set() {
        // Ages of 40 in training and of 60 or 70 in the test: 55 is better than 40 and worse than the test's own mean.
        let ages: Vec<f32> = (0..100).map(|n| if n < 90 { 40.0 } else { (60 + n % 2 * 10) as f32 }).collect();
        let mut run = run_of(ages.iter().map(|&age| (age, 55.0)));
        let Verdict { reason, note } = judged(&run, Task::Regression);
        let note = note.expect("R2 is below 0");
        assert!(reason.is_none() && note.starts_with("predicts the test set worse than its own mean, 65.00"), "{note}");
        run.predictions.fill(39.0);
        assert!(judged(&run, Task::Regression).reason.is_some());
        // Only predictions of the test set count.
        run.predictions[..90].fill(1e9);
        run.predictions[90..].copy_from_slice(&ages[90..]);
        assert_eq!(judged(&run, Task::Regression), Verdict::default());
    }

    #[test]
    fn maps_that_mean_nothing_are_noted_and_most_of_them_make_a_run_invalid() {
        let with = |maps, flaw| {
            let finding = Finding { flaw, maps, of: 20, message: format!("{maps} of 20 maps are odd") };
            verdict(&run(|age| age as f32), &[finding], Task::Regression)
        };
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(with(9, Some(Flaw::Zero)), Verdict { reason: None, note: said("9 of 20 maps are odd") });
        let reason = said("most maps mean nothing: 11 of 20 maps are odd");
        assert_eq!(with(11, Some(Flaw::Absorbed)), Verdict { reason, note: None });
        assert_eq!(with(20, None), Verdict { reason: None, note: said("20 of 20 maps are odd") });
    }

    #[test]
    fn relevance_must_be_conserved() {
        let with = |value| {
            let mut run = run(|age| age as f32);
            run.measurements.push(Measurement {
                sample: None,
                metric: ledger::UNACCOUNTED.name.into(),
                sign: None,
                value: Some(value),
                unit: "1".into(),
                note: None,
                headline: true,
            });
            judged(&run, Task::Regression).reason
        };
        assert_eq!(with(1e-6), None);
        let reason = with(0.02).unwrap();
        assert_eq!(reason, "relevance is not conserved: 2.0 % of a prediction is found nowhere");
    }

    /// A correlation of 0.94 over lesions that are worth a hundredth of a year together is told for what it is.
    #[test]
    fn a_correlation_over_effects_of_no_size_is_noted() {
        let row = |sample, metric: &str, value| Measurement {
            sample,
            metric: metric.into(),
            sign: Some("lesions".into()),
            value: Some(value),
            unit: "years".into(),
            note: None,
            headline: sample.is_none(),
        };
        let with = |correlation, share, years: f64| {
            let mut run = run(|age| age as f32);
            run.measurements = vec![
                row(None, "causal_spearman", correlation),
                row(None, "causal_range_share", share),
                row(Some(95), "causal_years", years),
                row(Some(96), "causal_years", -3.0 * years),
            ];
            let Verdict { reason, note } = judged(&run, Task::Regression);
            assert_eq!(reason, None);
            note
        };
        let note = with(0.94, 0.0002, 0.005).expect("effects of a hundredth of a year");
        assert_eq!(
            note,
            "the Spearman correlation of 0.94 between the relevance over lesions and their worth is about small effects: an \
             image without its lesions changes the prediction by 0.01 years on average, 0.02 % of the range of predictions"
        );
        assert_eq!(with(0.94, 0.02, 0.5), None, "effects of some size");
        assert_eq!(with(0.1, 0.0002, 0.005), None, "nobody takes it for a finding");
        assert!(with(-0.94, 0.0002, 0.005).is_some());
    }

    #[test]
    fn a_prediction_must_be_a_number() {
        let reason = judged(&run(|age| if age == 30 { f32::NAN } else { age as f32 }), Task::Regression);
        let reason = reason.reason.unwrap();
        assert!(reason.ends_with("of 100 predictions are not finite"), "{reason}");
    }
}
