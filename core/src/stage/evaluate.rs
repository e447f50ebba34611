//! Evaluate: predictions, relevance maps and the network -> measurements.

use std::collections::HashMap;
use std::sync::Mutex;

use rayon::prelude::*;

use super::{StageContext, StageError, files};
use crate::alive;
use crate::event::Progress;
use crate::key::Key;
use crate::metric::EvaluateSettings;
use crate::metric::ledger::{self, Kept, kept_by_layers};
use crate::metric::statistics::mean_of_defined;
use crate::metric::{
    EXPLANATION_METRICS, Explained, ExplainedSample, MAP_METRICS, Measurement, NETWORK_METRICS, PREDICTION_METRICS,
    Predicted, Probe, Probed, Score, locate, locate_trivial,
};
use crate::raster::RasterStack;
use crate::sim::{Dataset, Split, is_old};
use crate::stage;
use crate::store::Draft;
use crate::task::Task;

/// Scores the predictions of every split and the maps of the explained one, into `draft`.
pub fn run(
    (dataset, network, relevance): (&Key, &Key, &Key),
    task: Task,
    subset: Split,
    settings: &EvaluateSettings,
    probe: &dyn Probe,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let data = context.dataset(dataset)?;
    let predictions: Vec<f64> = context.predictions(network)?.into_iter().map(f64::from).collect();
    let (maps, outputs) = context.relevance(relevance)?;
    let outputs: Vec<f64> = outputs.into_iter().map(f64::from).collect();
    let about_maps = context.explained(relevance)?;
    let reference = about_maps.reference;
    let samples: Vec<usize> = subset.range(data.len()).collect();

    let mut rows = score_predictions(&targets(&data, task), &predictions, task);
    if let Some(bias) = context.trained(network)?.output_bias {
        rows.push(Measurement::of_run("output_bias", bias, "years"));
    }
    let sums: Vec<f64> = maps.iter().map(|map| map.sum()).collect();
    for metric in EXPLANATION_METRICS {
        let value = (metric.compute)(&Explained { predictions: &outputs, sums: &sums });
        rows.push(Measurement::of_run(metric.about.name, value, metric.about.unit));
    }

    rows.extend(account(&context.ledger(relevance)?, &about_maps, &outputs));

    let (blind, done) = (probe.is_blind(), Mutex::new(0));
    let of_maps: Vec<(Vec<Score>, Vec<Score>)> = (0..maps.len())
        .into_par_iter()
        .map(|index| {
            let (map, pumpkin) = (maps.get(index), &data.pumpkins[samples[index]]);
            let explained = ExplainedSample { relevance: map, prediction: outputs[index], reference };
            let mut scores: Vec<Score> =
                MAP_METRICS.iter().map(|metric| Score::new(&metric.about, (metric.compute)(&explained))).collect();
            scores.extend(locate(map, pumpkin, blind));
            let trivial = locate_trivial(data.images.get(samples[index]), pumpkin, settings.seed, samples[index]);
            let mut done = done.lock().expect("no thread panics while it reports");
            *done += 1;
            context.progress.report(Progress::Step { done: *done, total: maps.len() as u64, unit: "maps".into() });
            (scores, trivial)
        })
        .collect();
    let (of_images, trivial): (Vec<_>, Vec<_>) = of_maps.into_iter().unzip();
    rows.extend(means(of_images.iter().chain(&trivial).flatten()));
    for (scores, &sample) in of_images.iter().zip(&samples) {
        rows.extend(scores.iter().map(|score| Measurement::of_maps(score, Some(sample))));
    }
    rows.extend(ask(&data, &samples, &maps, task, settings, probe, context));
    if task == Task::Classification {
        // What is explained, and so its relevance, is a logit.
        rows.iter_mut().filter(|row| row.unit == "years").for_each(|row| row.unit = "logits".into());
    }

    alive::during(|| {
        let text = serde_json::to_vec(&rows).map_err(StageError::failed)?;
        draft.write(files::MEASUREMENTS, &text).map_err(StageError::io(draft.folder()))
    })
}

fn score_predictions(targets: &[f64], predictions: &[f64], task: Task) -> Vec<Measurement> {
    let mut rows = Vec::new();
    for (split, prefix) in [(Split::Train, "train"), (Split::Validation, "val"), (Split::Test, "test")] {
        let range = split.range(targets.len());
        let predicted = Predicted { targets: &targets[range.clone()], predictions: &predictions[range] };
        for metric in PREDICTION_METRICS.iter().filter(|metric| metric.task == task) {
            let name = format!("{prefix}_{}", metric.about.name);
            rows.push(Measurement::of_run(name, (metric.compute)(&predicted), metric.about.unit));
        }
    }
    rows
}

/// What layers kept of relevance, and how much is found nowhere.
fn account(kept: &[Kept], about: &stage::Explained, outputs: &[f64]) -> Vec<Measurement> {
    if kept.is_empty() {
        return Vec::new();
    }
    let layers = about.layers.len();
    let mut rows = Vec::new();
    for (layer, means) in about.layers.iter().zip(kept_by_layers(kept, layers)) {
        for (about, mean) in [&ledger::KEPT_BY_BIASES, &ledger::KEPT_BY_STABILISERS].into_iter().zip(means) {
            let row = Measurement::of_run(format!("{}.{layer}", about.name), mean, about.unit);
            rows.push(Measurement { headline: false, ..row });
        }
    }
    let unaccounted = ledger::unaccounted(kept, layers, outputs, about.reference);
    rows.push(Measurement::of_run(ledger::UNACCOUNTED.name, unaccounted, ledger::UNACCOUNTED.unit));
    rows
}

/// The chosen scores that ask the network again, about some of the images.
fn ask(
    data: &Dataset,
    samples: &[usize],
    maps: &RasterStack,
    task: Task,
    settings: &EvaluateSettings,
    probe: &dyn Probe,
    context: &StageContext,
) -> Vec<Measurement> {
    let count = settings.images.min(samples.len());
    let places: Vec<usize> = (0..count).map(|index| index * samples.len() / count).collect();
    let samples: Vec<usize> = places.iter().map(|&place| samples[place]).collect();
    let pumpkins: Vec<_> = samples.iter().map(|&sample| &data.pumpkins[sample]).collect();
    let probed = Probed {
        samples: &samples,
        pumpkins: &pumpkins,
        images: &data.images.select(&samples),
        maps: &maps.select(&places),
        blind: probe.is_blind(),
        settings,
    };
    let chosen = |name: &str| settings.scores.iter().any(|score| score == name);
    let metrics =
        NETWORK_METRICS.iter().filter(|metric| chosen(metric.name) && metric.task.is_none_or(|of| of == task));
    let metrics: Vec<_> = metrics.collect();
    let mut rows = Vec::new();
    for (index, metric) in metrics.iter().enumerate() {
        let scores = (metric.compute)(&probed, probe).unwrap_or_else(|error| metric.undefined(&error));
        let (of_images, of_all): (Vec<Score>, Vec<Score>) = scores.into_iter().partition(|score| score.image.is_some());
        rows.extend(means(of_images.iter()));
        rows.extend(of_all.iter().map(|score| Measurement::of_maps(score, None)));
        rows.extend(of_images.iter().map(|score| Measurement::of_maps(score, score.image.map(|image| samples[image]))));
        let (done, total) = (index as u64 + 1, metrics.len() as u64);
        context.progress.report(Progress::Step { done, total, unit: "scores of the network".into() });
    }
    rows
}

/// The mean of every score over the images for which it is defined, in the order in which scores first appear.
fn means<'a>(scores: impl Iterator<Item = &'a Score>) -> Vec<Measurement> {
    let mut groups: Vec<Vec<&Score>> = Vec::new();
    let mut index = HashMap::new();
    for score in scores {
        let group = *index.entry((score.about.name, &score.variant, score.sign)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(score);
    }
    let of_group = |group: &Vec<&Score>| {
        let value = mean_of_defined(group.iter().map(|score| score.value));
        let note = group[0].note.clone().filter(|_| !value.is_finite());
        Measurement::of_maps(&Score { value, note, image: None, ..group[0].clone() }, None)
    };
    groups.iter().map(of_group).collect()
}

/// What the network should say: ages in years, or 1 for "old" and 0 for "young".
fn targets(data: &Dataset, task: Task) -> Vec<f64> {
    let ages = data.ages();
    match task {
        Task::Regression => ages.into_iter().map(f64::from).collect(),
        Task::Classification => is_old(&ages).into_iter().map(|old| f64::from(u8::from(old))).collect(),
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
