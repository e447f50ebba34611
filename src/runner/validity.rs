//! Which finished runs mean something.

use crate::metric::ledger;
use crate::sim::{Split, is_old};
use crate::tables::RunRecord;
use crate::task::Task;

/// Why the results of a complete run mean nothing, if so: a prediction that is no number, a network that predicts the
/// test set worse than the mean target of the training set does, or relevance that gets lost on its way.
pub fn verdict(record: &RunRecord, task: Task) -> Option<String> {
    let predictions = &record.predictions;
    let broken = predictions.iter().filter(|(_, prediction)| !prediction.is_finite()).count();
    if broken > 0 {
        return Some(format!("{broken} of {} predictions are not finite", predictions.len()));
    }
    let targets = targets(record, task);
    let of = |split: Split| split.range(predictions.len());
    let mean = targets[of(Split::Train)].iter().sum::<f64>() / of(Split::Train).len() as f64;
    let mse = |guess: &dyn Fn(usize) -> f64| {
        let errors = of(Split::Test).map(|sample| (guess(sample) - targets[sample]).powi(2));
        errors.sum::<f64>() / of(Split::Test).len() as f64
    };
    let (own, trivial) = (mse(&|sample| f64::from(predictions[sample].1)), mse(&|_| mean));
    if own > trivial {
        return Some(format!("worse than predicting the mean: test MSE {own:.3}, that of the mean {trivial:.3}"));
    }
    let unaccounted = record.measurements.iter().find(|row| row.metric == ledger::UNACCOUNTED.name)?.value?;
    (unaccounted > ledger::MOST_UNACCOUNTED)
        .then(|| format!("relevance is not conserved: {:.1} % of a prediction is found nowhere", 100.0 * unaccounted))
}

/// What the network should have said.
fn targets(record: &RunRecord, task: Task) -> Vec<f64> {
    let ages: Vec<f32> = record.predictions.iter().map(|(age, _)| *age as f32).collect();
    match task {
        Task::Regression => ages.into_iter().map(f64::from).collect(),
        Task::Classification => is_old(&ages).into_iter().map(|old| f64::from(u8::from(old))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Measurement;
    use crate::runner::make_plan;
    use crate::spec::{Cell, CellSettings, ExperimentSpec};
    use crate::stage::Compute;

    fn record(predict: impl Fn(u32) -> f32) -> RunRecord {
        let cell = Cell { settings: CellSettings::default(), spec: ExperimentSpec::default() };
        let plan = make_plan(&[cell], Compute::Cpu);
        let mut record = RunRecord::pending(&plan, &plan.runs[0]);
        record.predictions = (0..100).map(|sample| 20 + sample * 37 % 61).map(|age| (age, predict(age))).collect();
        record
    }

    #[test]
    fn a_network_must_beat_the_mean() {
        assert_eq!(verdict(&record(|age| age as f32 + 3.0), Task::Regression), None);
        let reason = verdict(&record(|_| 90.0), Task::Regression).unwrap();
        assert!(reason.starts_with("worse than predicting the mean"), "{reason}");
        let old = |age| if age >= 50 { 0.9 } else { 0.2 };
        assert_eq!(verdict(&record(old), Task::Classification), None);
        assert!(verdict(&record(|age| 1.0 - old(age)), Task::Classification).is_some());
    }

    /// The mean that must be beaten is that of the training set: a network may know no other.
    #[test]
    fn the_mean_to_beat_is_that_of_the_training_set() {
        let mut record = record(|_| 0.0);
        // Ages of 40 in training and of 60 or 70 in the test: 55 is better than 40 and worse than the test's own mean.
        record.predictions = (0..100).map(|n| (if n < 90 { 40 } else { 60 + n % 2 * 10 }, 55.0)).collect();
        assert_eq!(verdict(&record, Task::Regression), None);
        record.predictions.iter_mut().for_each(|(_, prediction)| *prediction = 39.0);
        assert!(verdict(&record, Task::Regression).is_some());
        // Only predictions of the test set count.
        record.predictions[..90].iter_mut().for_each(|(_, prediction)| *prediction = 1e9);
        record.predictions[90..].iter_mut().for_each(|(age, prediction)| *prediction = *age as f32);
        assert_eq!(verdict(&record, Task::Regression), None);
    }

    #[test]
    fn relevance_must_be_conserved() {
        let with = |value| {
            let mut record = record(|age| age as f32);
            record.measurements.push(Measurement {
                sample: None,
                metric: ledger::UNACCOUNTED.name.into(),
                sign: None,
                value: Some(value),
                unit: ledger::UNACCOUNTED.unit.into(),
                note: None,
                headline: true,
            });
            verdict(&record, Task::Regression)
        };
        assert_eq!(with(1e-6), None);
        let reason = with(0.02).unwrap();
        assert_eq!(reason, "relevance is not conserved: 2.0 % of a prediction is found nowhere");
    }

    #[test]
    fn a_prediction_must_be_a_number() {
        let reason = verdict(&record(|age| if age == 30 { f32::NAN } else { age as f32 }), Task::Regression).unwrap();
        assert!(reason.ends_with("of 100 predictions are not finite"), "{reason}");
    }
}
