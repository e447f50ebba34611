//! A part of the rows that train: fewer of them, or those around a target value.
//!
//! Rows that validate and test stay as they are, so that networks that were trained on different parts are compared on the same
//! images. Rows are drawn without replacement, so that no image is in a data set twice.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use rand::RngExt;
use rand::seq::SliceRandom;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bad_data::BadData;
use super::file_source::FileSource;
use super::table::Row;
use crate::data::{Partition, Split};
use crate::seed;

/// `data.n_samples`, and whether it was written: users' own rows are all used unless it was.
#[derive(Debug, Clone, Copy)]
pub struct SampleCount {
    pub count: usize,
    pub given: bool,
}

impl SampleCount {
    /// As nobody wrote it.
    pub fn default_of(count: usize) -> Self {
        Self { count, given: false }
    }

    pub(super) fn is_default(&self) -> bool {
        !self.given
    }
}

/// The same number is the same setting, whoever wrote it.
impl PartialEq for SampleCount {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count
    }
}

impl From<usize> for SampleCount {
    fn from(count: usize) -> Self {
        Self { count, given: true }
    }
}

impl Serialize for SampleCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.count.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SampleCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        usize::deserialize(deserializer).map(Self::from)
    }
}

impl JsonSchema for SampleCount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        usize::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        usize::json_schema(generator)
    }
}

/// Which rows train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsample {
    /// How many; of a biased draw half of them by default.
    pub count: Option<usize>,
    /// The value around which most of them are, and the share that is drawn from all rows alike.
    pub bias: Option<(f64, f64)>,
    pub seed: u64,
}

/// The standard deviation around a target bias, as a share of the range of the targets that train: of pumpkins 4 of 60 years.
const SPREAD: f64 = 4.0 / 60.0;

/// Leaves the rows out that are not drawn. Returns the parts of those that stay.
///
/// # Errors
/// [`BadData`] if fewer rows train than are asked for.
pub(super) fn draw(source: &FileSource, rows: &mut Vec<Row>, partition: Partition) -> Result<Partition, BadData> {
    let Some(subsample) = source.subsample else { return Ok(partition) };
    let training = partition.samples(Split::Train);
    let targets: Vec<f64> = training.iter().map(|&row| f64::from(rows[row].target)).collect();
    let allowed: RangeInclusive<usize> = 1..=training.len();
    let count = subsample.count.unwrap_or(training.len().div_ceil(2));
    if !allowed.contains(&count) {
        let message = format!("data.n_samples asks for {count} rows that train, but there are {}", training.len());
        let help = format!("use a number from 1 to {}, or leave data.n_samples out", training.len());
        return Err(BadData::whole(source.table.display(), message, help));
    }
    let mut kept = vec![true; rows.len()];
    training.iter().for_each(|&row| kept[row] = false);
    chosen(&targets, count, &subsample).into_iter().for_each(|index| kept[training[index]] = true);
    let parts = (0..rows.len()).filter(|&row| kept[row]).map(|row| partition.of(row)).collect();
    let mut kept = kept.into_iter();
    rows.retain(|_| kept.next() == Some(true));
    Ok(Partition::new(parts))
}

/// The indices of `count` of these targets.
///
/// The first share of a biased draw takes all rows with the same probability. The rest is drawn one after the other from those that are left, with
/// probabilities in proportion to a normal density around the bias (Efraimidis and Spirakis 2006, by the largest of log weights with
/// Gumbel noise).
fn chosen(targets: &[f64], count: usize, subsample: &Subsample) -> Vec<usize> {
    let mut random = seed::stream(subsample.seed, "subsample", 0);
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.shuffle(&mut random);
    let Some((bias, share)) = subsample.bias else {
        order.truncate(count);
        return order;
    };
    let uniform = ((count as f64 * share + 1e-6) as usize).min(count);
    let mut rest = order.split_off(uniform);
    let (low, high) = targets.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &t| (l.min(t), h.max(t)));
    let deviation = (SPREAD * (high - low)).max(f64::MIN_POSITIVE);
    let mut keyed: Vec<(f64, usize)> = rest
        .drain(..)
        .map(|index| {
            let distance = (targets[index] - bias) / deviation;
            let noise = -(-random.random_range(f64::MIN_POSITIVE..1.0).ln()).ln();
            (noise - 0.5 * distance * distance, index)
        })
        .collect();
    keyed.sort_by(|one, other| other.0.total_cmp(&one.0));
    order.extend(keyed.into_iter().take(count - uniform).map(|(_, index)| index));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize, bias: Option<(f64, f64)>, seed: u64) -> Vec<f64> {
        let targets: Vec<f64> = (0..6000).map(|index| 20.0 + f64::from(index) / 100.0).collect();
        let chosen = chosen(&targets, count, &Subsample { count: Some(count), bias, seed });
        let mut distinct = chosen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), count, "no row is drawn twice");
        chosen.into_iter().map(|index| targets[index]).collect()
    }

    #[test]
    fn a_plain_draw_is_of_all_targets_alike() {
        let drawn = of(3000, None, 1);
        let mean = drawn.iter().sum::<f64>() / 3000.0;
        // A standard error is 17.3 / sqrt(3000) = 0.32, less without replacement.
        assert!((mean - 50.0).abs() < 1.5, "{mean}");
        assert_ne!(of(100, None, 1), of(100, None, 2));
        assert_eq!(of(100, None, 1), of(100, None, 1));
    }

    #[test]
    fn a_biased_draw_has_its_share_around_the_bias() {
        let drawn = of(1000, Some((55.0, 0.8)), 3);
        let (uniform, around) = drawn.split_at(800);
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
        };
        // The range is 60, so that the deviation is 4, as of pumpkins.
        let (mean, deviation) = moments(around);
        assert!((mean - 55.0).abs() < 1.0 && (3.4..5.0).contains(&deviation), "{mean} {deviation}");
        assert!((moments(uniform).1 - 17.3).abs() < 1.5);
        // Far from all targets, the nearest are drawn.
        let nearest = of(50, Some((1e6, 0.0)), 4);
        assert!(nearest.iter().all(|target| *target > 79.0), "{nearest:?}");
    }
}
