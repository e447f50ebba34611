//! Evaluate: predictions, relevance maps and the network -> measurements.

use std::collections::HashMap;
use std::sync::Mutex;

use rayon::prelude::*;
use serde::Serialize;

use super::{StageContext, StageError, files};
use crate::alive;
use crate::data::{Dataset, Partition, Region, Split, is_upper};
use crate::event::Progress;
use crate::explain::Flaw;
use crate::key::Key;
use crate::metric::EvaluateSettings;
use crate::metric::ledger::{self, KeptRelevance, kept_by_layers};
use crate::metric::statistics::mean_of_defined;
use crate::metric::{
    Answers, EXPLANATION_METRICS, ExplainedSample, ExplanationMetric, LeftOutSigns, MAP_METRICS, MapMetric,
    Measurement, NETWORK_METRICS, PREDICTION_METRICS, Predicted, Probe, Probed, RegionRelevance, RelevanceSums,
    SIGN_SHARE, Score, UnitOf, by_region, locate, locate_trivial,
};
use crate::raster::RasterStack;
use crate::stage;
use crate::store::Draft;
use crate::task::Task;
use crate::unit::Units;

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
    let about = context.explained(relevance)?;
    let units = &about.meaning.units;
    let samples = data.samples(subset);

    let mut rows = score_predictions((&targets(&data, task), &predictions), &data.partition, task, units);
    if let Some(bias) = context.trained(network)?.output_bias {
        rows.push(Measurement::of_run("output_bias", bias, &UnitOf::Output.name(units)));
    }
    rows.extend(score_line(&maps, &outputs, &about));
    rows.extend(account(&context.ledger(relevance)?, &about, &outputs));

    let done = Mutex::new(0);
    let of_maps: Vec<(Vec<Score>, Vec<Score>)> = (0..maps.len())
        .into_par_iter()
        .map(|index| {
            let (map, image, sample) = (maps.get(index), data.images.get(samples[index]), samples[index]);
            let regions: Vec<Region> = data.truth.as_deref().map(|truth| truth.regions(sample)).unwrap_or_default();
            let explained = ExplainedSample { relevance: map, total: about.total(index, outputs[index]) };
            let score = |metric: &'static MapMetric| Some(Score::new(&metric.about, (metric.compute)(&explained)?));
            let mut scores: Vec<Score> = MAP_METRICS.iter().filter_map(score).collect();
            scores.extend(locate(map, image, &regions, about.meaning.blind));
            let mut trivial = locate_trivial(image, &regions, settings.seed, sample);
            if let Some(flaw) = about.flaws.get(&index) {
                // What trivial maps reach is compared over the same images.
                trivial.clear();
                withdraw(&mut scores, *flaw);
            }
            let mut done = done.lock().expect("no thread panics while it reports");
            *done += 1;
            context.progress.report(Progress::Step { done: *done, total: maps.len() as u64, unit: "maps".into() });
            (scores, trivial)
        })
        .collect();
    let (of_images, trivial): (Vec<_>, Vec<_>) = of_maps.into_iter().unzip();
    rows.extend(means(of_images.iter().chain(&trivial).flatten(), units));
    for (scores, &sample) in of_images.iter().zip(&samples) {
        rows.extend(scores.iter().map(|score| Measurement::of_maps(score, Some(sample), units)));
    }
    let range = range(samples.iter().map(|&sample| predictions[sample]));
    let scored = Scored { data: &data, samples: &samples, maps: &maps, about: &about, range };
    let (asked, signs) = ask(&scored, task, settings, probe, context);
    rows.extend(asked);

    // Pumpkins have tables of their signs instead.
    let is_users = data.truth.as_deref().is_none_or(|truth| truth.interventions().is_none());
    let sound = (0..maps.len()).filter(|index| is_users && !about.flaws.contains_key(index));
    let regions: Vec<RegionRelevance> =
        sound.flat_map(|index| by_region(&data, samples[index], maps.get(index))).collect();

    alive::during(|| {
        write(draft, files::MEASUREMENTS, &rows)?;
        write(draft, files::SIGNS, &signs)?;
        write(draft, files::REGIONS, &regions)
    })
}

fn write<T: Serialize>(draft: &Draft, file: &str, rows: &[T]) -> Result<(), StageError> {
    let text = serde_json::to_vec(rows).map_err(StageError::failed)?;
    draft.write(file, &text).map_err(StageError::io(draft.folder()))
}

/// From the least to the largest of finite values.
fn range(values: impl Iterator<Item = f64>) -> f64 {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    high - low
}

/// Takes away what is scored of a map that means nothing. How large a sign is remains: it is not about the map.
fn withdraw(scores: &mut [Score], flaw: Flaw) {
    let of_map = scores.iter_mut().filter(|score| score.about != &SIGN_SHARE);
    of_map.for_each(|score| score.withdraw(flaw.name()));
}

/// How the sums of the maps that mean something follow what they explain.
fn score_line(maps: &RasterStack, outputs: &[f64], about: &stage::Explained) -> Vec<Measurement> {
    let sound: Vec<usize> = (0..outputs.len()).filter(|index| !about.flaws.contains_key(index)).collect();
    let outputs: Vec<f64> = sound.iter().map(|&index| outputs[index]).collect();
    let sums: Vec<f64> = sound.iter().map(|&index| maps.get(index).sum()).collect();
    let row = |metric: &ExplanationMetric| {
        let value = (metric.compute)(&RelevanceSums { predictions: &outputs, sums: &sums });
        Measurement::of_run(metric.about.name, value, &metric.about.unit.name(&about.meaning.units))
    };
    EXPLANATION_METRICS.iter().map(row).collect()
}

fn score_predictions(
    (targets, predictions): (&[f64], &[f64]),
    partition: &Partition,
    task: Task,
    units: &Units,
) -> Vec<Measurement> {
    let mut rows = Vec::new();
    for (split, prefix) in [(Split::Train, "train"), (Split::Validation, "val"), (Split::Test, "test")] {
        let samples = partition.samples(split);
        let of_part = |values: &[f64]| samples.iter().map(|&sample| values[sample]).collect::<Vec<_>>();
        let (targets, predictions) = (of_part(targets), of_part(predictions));
        let predicted = Predicted { targets: &targets, predictions: &predictions };
        for metric in PREDICTION_METRICS.iter().filter(|metric| metric.task == task) {
            let name = format!("{prefix}_{}", metric.about.name);
            rows.push(Measurement::of_run(name, (metric.compute)(&predicted), &metric.about.unit.name(units)));
        }
    }
    rows
}

/// What layers kept of relevance, and how much is found nowhere.
fn account(kept: &[KeptRelevance], about: &stage::Explained, outputs: &[f64]) -> Vec<Measurement> {
    if kept.is_empty() {
        return Vec::new();
    }
    let (layers, units) = (about.layers.len(), &about.meaning.units);
    let mut rows = Vec::new();
    for (layer, means) in about.layers.iter().zip(kept_by_layers(kept, layers)) {
        for (kept, mean) in [&ledger::KEPT_BY_BIASES, &ledger::KEPT_BY_STABILISERS].into_iter().zip(means) {
            let row = Measurement::of_run(format!("{}.{layer}", kept.name), mean, &kept.unit.name(units));
            rows.push(Measurement { headline: false, ..row });
        }
    }
    let total = |(index, &output): (usize, &f64)| about.total(index, output).unwrap_or(output);
    let totals: Vec<f64> = outputs.iter().enumerate().map(total).collect();
    let unaccounted = ledger::unaccounted(kept, layers, &totals);
    rows.push(Measurement::of_run(ledger::UNACCOUNTED.name, unaccounted, &ledger::UNACCOUNTED.unit.name(units)));
    rows
}

/// The maps that are scored.
struct Scored<'a> {
    data: &'a Dataset,
    /// Index in the data set of each.
    samples: &'a [usize],
    maps: &'a RasterStack,
    about: &'a stage::Explained,
    /// Of the predictions of all of them.
    range: f64,
}

/// The chosen scores that ask the network again, about some of the images, and the signs that were left out for them.
fn ask(
    scored: &Scored,
    task: Task,
    settings: &EvaluateSettings,
    probe: &dyn Probe,
    context: &StageContext,
) -> (Vec<Measurement>, Vec<LeftOutSigns>) {
    let Scored { data, samples, maps, about, range } = *scored;
    let count = settings.images.min(samples.len());
    let places = (0..count).map(|index| index * samples.len() / count);
    let (flawed, places): (Vec<usize>, Vec<usize>) = places.partition(|place| about.flaws.contains_key(place));
    let flawed: Vec<(usize, Flaw)> = flawed.into_iter().map(|place| (samples[place], about.flaws[&place])).collect();
    let samples: Vec<usize> = places.iter().map(|&place| samples[place]).collect();
    let units = &about.meaning.units;
    let truth = data.truth.as_deref();
    let targets: Vec<f64> = samples.iter().map(|&sample| f64::from(data.targets[sample])).collect();
    let probed = Probed {
        samples: &samples,
        targets: &targets,
        truth,
        images: &data.images.select(&samples),
        maps: &maps.select(&places),
        range,
        relevance_unit: &UnitOf::Relevance.name(units),
        blind: about.meaning.blind,
        settings,
    };
    let chosen = |name: &str| settings.scores.iter().any(|score| score == name);
    let metrics =
        NETWORK_METRICS.iter().filter(|metric| chosen(metric.name) && metric.task.is_none_or(|of| of == task));
    // What a data set does not offer is told when the experiment begins, and has no rows.
    let metrics: Vec<_> = metrics.filter(|metric| metric.needs.missing_in(truth).is_none()).collect();
    let (mut rows, mut signs) = (Vec::new(), Vec::new());
    for (index, metric) in metrics.iter().enumerate() {
        let Answers { scores, signs: left_out } = match flawed.first() {
            // No map is left to ask about.
            Some((_, flaw)) if probed.is_empty() => metric.undefined(flaw.name()).into(),
            _ => (metric.compute)(&probed, probe).unwrap_or_else(|error| metric.undefined(&error.to_string()).into()),
        };
        signs.extend(left_out);
        let (of_images, of_all): (Vec<Score>, Vec<Score>) = scores.into_iter().partition(|score| score.image.is_some());
        rows.extend(means(of_images.iter(), units));
        rows.extend(of_all.iter().map(|score| Measurement::of_maps(score, None, units)));
        let sample = |score: &Score| score.image.map(|image| samples[image]);
        rows.extend(of_images.iter().map(|score| Measurement::of_maps(score, sample(score), units)));
        for (sample, flaw) in &flawed {
            let scores = metric.undefined(flaw.name());
            rows.extend(scores.iter().map(|score| Measurement::of_maps(score, Some(*sample), units)));
        }
        let (done, total) = (index as u64 + 1, metrics.len() as u64);
        context.progress.report(Progress::Step { done, total, unit: "scores of the network".into() });
    }
    (rows, signs)
}

/// The mean of every score over the images for which it is defined, in the order in which scores first appear.
fn means<'a>(scores: impl Iterator<Item = &'a Score>, units: &Units) -> Vec<Measurement> {
    let mut groups: Vec<Vec<&Score>> = Vec::new();
    let mut index = HashMap::new();
    for score in scores {
        let group = *index.entry((score.about.name, &score.variant, &score.sign)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(score);
    }
    let of_group = |group: &Vec<&Score>| {
        let value = mean_of_defined(group.iter().map(|score| score.value));
        let note = group[0].note.clone().filter(|_| !value.is_finite());
        Measurement::of_maps(&Score { value, note, image: None, ..group[0].clone() }, None, units)
    };
    groups.iter().map(of_group).collect()
}

/// What the network should say: the targets, or 1 for the upper class and 0 for the lower.
fn targets(data: &Dataset, task: Task) -> Vec<f64> {
    match task {
        Task::Regression => data.targets.iter().copied().map(f64::from).collect(),
        Task::Classification => is_upper(&data.targets).into_iter().map(|upper| f64::from(u8::from(upper))).collect(),
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
