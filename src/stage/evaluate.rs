//! Evaluate: predictions and relevance maps -> measurements.

use serde::{Deserialize, Serialize};

use super::{StageContext, StageError, files};
use crate::event::Progress;
use crate::metric::{EXPLANATION_METRICS, Explained, ExplainedSample, MAP_METRICS, PREDICTION_METRICS, Predicted};
use crate::sim::{Dataset, Split, is_old};
use crate::spec::Task;
use crate::store::{Draft, Key};

/// One score, in long form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Index of the sample in the data set; none for a score of the whole run.
    pub sample: Option<usize>,
    pub metric: String,
    /// The sign of age it is about, where it is about one.
    pub sign: Option<String>,
    /// None where the score is not defined, such as a correlation with a constant.
    pub value: Option<f64>,
    pub unit: String,
}

impl Measurement {
    fn new(sample: Option<usize>, metric: impl Into<String>, value: f64, unit: &str) -> Self {
        let value = Some(value).filter(|value| value.is_finite());
        Self { sample, metric: metric.into(), sign: None, value, unit: unit.to_owned() }
    }
}

/// Scores the predictions of every split and the maps of the explained one, into `draft`.
pub fn run(
    (dataset, network, relevance): (&Key, &Key, &Key),
    task: Task,
    subset: Split,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let data = context.dataset(dataset)?;
    let predictions: Vec<f64> = context.predictions(network)?.into_iter().map(f64::from).collect();
    let (maps, outputs) = context.relevance(relevance)?;
    let outputs: Vec<f64> = outputs.into_iter().map(f64::from).collect();

    let mut rows = Vec::new();
    let targets = targets(&data, task);
    for (split, prefix) in [(Split::Train, "train"), (Split::Validation, "val"), (Split::Test, "test")] {
        let range = split.range(data.len());
        let predicted = Predicted { targets: &targets[range.clone()], predictions: &predictions[range] };
        for metric in PREDICTION_METRICS.iter().filter(|metric| metric.task == task) {
            let name = format!("{prefix}_{}", metric.name);
            rows.push(Measurement::new(None, name, (metric.compute)(&predicted), metric.unit));
        }
    }
    if let Some(bias) = context.trained(network)?.output_bias {
        rows.push(Measurement::new(None, "output_bias", bias, "years"));
    }
    let sums: Vec<f64> = maps.iter().map(|map| map.sum()).collect();
    for metric in EXPLANATION_METRICS {
        let value = (metric.compute)(&Explained { predictions: &outputs, sums: &sums });
        rows.push(Measurement::new(None, metric.name, value, metric.unit));
    }
    let total = maps.len() as u64;
    for (index, (sample, relevance)) in subset.range(data.len()).zip(maps.iter()).enumerate() {
        let explained = ExplainedSample { relevance, prediction: outputs[index] };
        for metric in MAP_METRICS {
            rows.push(Measurement::new(Some(sample), metric.name, (metric.compute)(&explained), metric.unit));
        }
        context.progress.report(Progress::Step { done: index as u64 + 1, total, unit: "maps".into() });
    }

    let path = draft.file(files::MEASUREMENTS).map_err(StageError::io(draft.folder()))?;
    let text = serde_json::to_vec(&rows).map_err(StageError::failed)?;
    std::fs::write(&path, text).map_err(StageError::io(path))
}

/// What the network should say: ages in years, or 1 for "old" and 0 for "young".
fn targets(data: &Dataset, task: Task) -> Vec<f64> {
    let ages = data.ages();
    match task {
        Task::Regression => ages.into_iter().map(f64::from).collect(),
        Task::Classification => is_old(&ages).into_iter().map(|old| f64::from(u8::from(old))).collect(),
    }
}
