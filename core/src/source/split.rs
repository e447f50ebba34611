//! Which rows of a table train, validate and test.
//!
//! Rows are drawn by shares, or in folds of a cross-validation. Those of one group stay together; a stratified draw gives all
//! parts about the same distribution of the target.

use std::collections::HashMap;

use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{Partition, Split};
use crate::seed;
use crate::settings::Invalid;
use crate::settings::number::{Bound, number, seed as valid_seed};

/// Which rows train, validate and test: drawn at random by shares, or given by a column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSettings {
    /// A column that contains "train", "validation" or "test", instead of shares. With `data.folds` it contains
    /// the fold of each row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Share of the rows used for training. Default: 0.8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<f64>,
    /// Share of the rows used for validation. Default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Share of the rows used for testing. Default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
    /// Seed of the random split. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether all splits, or folds, get about the same distribution of the target. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratify: Option<bool>,
}

/// A fold of a cross-validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// How many there are.
    pub count: usize,
    /// The one that is tested.
    pub tested: usize,
}

/// More folds than these are a mistake: each is a training.
pub const MOST_FOLDS: usize = 1000;

/// Shares of the rows, and the seed with which they are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitShares {
    pub train: f64,
    pub validation: f64,
    pub seed: u64,
}

impl SplitSettings {
    pub fn shares(&self) -> SplitShares {
        let (validation, test) = (self.validation.unwrap_or(0.1), self.test.unwrap_or(0.1));
        // Without a share of its own, training has what the others leave.
        let train = self.train.unwrap_or(1.0 - validation - test);
        SplitShares { train, validation, seed: self.seed.unwrap_or(0) }
    }

    pub(super) fn validate(&self, folds: bool) -> Vec<Invalid> {
        let given = [("train", self.train), ("validation", self.validation), ("test", self.test)];
        let mut invalid: Vec<Invalid> = given
            .into_iter()
            .filter_map(|(key, share)| number(&format!("data.split.{key}"), share?, Bound::Below(0.0, 1.0)))
            .collect();
        invalid.extend(self.seed.and_then(|value| valid_seed("data.split.seed", value)));
        if folds {
            return invalid.into_iter().chain(self.validate_beside_folds()).collect();
        }
        let drawn = self.seed.is_some() || self.stratify.is_some() || given.iter().any(|(_, share)| share.is_some());
        if self.column.is_some() && drawn {
            let message = "the column says which rows train, so that nothing is drawn";
            invalid.push(Invalid::new(
                "data.split.column",
                message,
                "leave the shares, the seed and stratify out, or the column",
            ));
        }
        let sum = self.train.unwrap_or(0.8) + self.validation.unwrap_or(0.1) + self.test.unwrap_or(0.1);
        let all = self.train.is_some() && (sum - 1.0).abs() > 1e-9;
        if invalid.is_empty() && (all || self.shares().train <= 0.0) {
            let message =
                format!("the shares of training, validation and test must add up to 1, but they add up to {sum}");
            invalid.push(Invalid::new(
                "data.split",
                message,
                "use for example { train = 0.8, validation = 0.1, test = 0.1 }",
            ));
        }
        invalid
    }

    /// With folds, the share of validation alone is left to choose.
    fn validate_beside_folds(&self) -> Vec<Invalid> {
        let needless = [("train", self.train), ("test", self.test)].into_iter().filter(|(_, share)| share.is_some());
        let shares = needless.map(|(key, _)| {
            let message = format!("with data.folds every row is tested once, so that there is no share `{key}`");
            Invalid::new(format!("data.split.{key}"), message, "leave it out; validation = 0.1 can be set")
        });
        let stratified = self.column.is_some() && self.stratify.is_some();
        let stratify = stratified.then(|| {
            let message = "the column says which fold a row is in, so that nothing is stratified";
            Invalid::new("data.split.stratify", message, "leave it out, or the column")
        });
        shares.chain(stratify).collect()
    }
}

pub(super) fn validate_folds(folds: Option<usize>, fold: Option<usize>) -> Vec<Invalid> {
    let mut invalid = Vec::new();
    if let Some(folds) = folds.filter(|folds| !(2..=MOST_FOLDS).contains(folds)) {
        let message = format!("data.folds must be from 2 to {MOST_FOLDS}, got {folds}");
        invalid.push(Invalid::new("data.folds", message, "use for example folds = 5"));
    }
    match (folds, fold) {
        (None, Some(_)) => {
            let message = "data.fold says which of the folds is tested, but there are no folds";
            invalid.push(Invalid::new("data.fold", message, "add for example data.folds = 5, or leave it out"));
        }
        (Some(folds), Some(fold)) if fold >= folds && invalid.is_empty() => {
            let message = format!("data.fold must be from 0 to {}, got {fold}", folds - 1);
            invalid.push(Invalid::new("data.fold", message, "leave it out to test each fold in turn"));
        }
        _ => {}
    }
    invalid
}

/// What decides about a row's part, beside chance.
pub(super) struct Rows<'a> {
    pub targets: &'a [f32],
    /// The group of each row, where there are such.
    pub groups: Option<&'a [&'a str]>,
    /// The fold of each row as a column names it.
    pub folds: Option<&'a [usize]>,
}

/// Rows that stay together.
struct Block {
    rows: Vec<usize>,
    /// Mean of their targets.
    target: f64,
}

/// Draws the part of every row.
pub(super) fn draw(rows: &Rows, settings: &SplitSettings, fold: Option<Fold>) -> Partition {
    let shares = settings.shares();
    let stratify = settings.stratify == Some(true);
    let count = rows.targets.len();
    if fold.is_none() && !stratify && rows.groups.is_none() {
        return draw_rows(count, shares);
    }
    let mut random = seed::stream(shares.seed, "split", 0);
    let Some(Fold { count: folds, tested }) = fold else {
        let test = (1.0 - shares.train - shares.validation).max(0.0);
        let blocks = arrange(rows.blocks(), stratify, stretch(&[shares.train, shares.validation, test]), &mut random);
        return assign(count, &blocks, [shares.train, shares.validation, test]);
    };
    let blocks = arrange(rows.blocks(), stratify, folds, &mut random);
    let fold_of = match rows.folds {
        Some(given) => given.to_vec(),
        None => deal(count, &blocks, folds, stratify),
    };
    let (test, rest): (Vec<Block>, Vec<Block>) = blocks.into_iter().partition(|block| fold_of[block.rows[0]] == tested);
    let left = rest.iter().map(|block| block.rows.len()).sum::<usize>().max(1);
    let validation = (shares.validation * count as f64 / left as f64).min(0.5);
    let shares_left = [1.0 - validation, validation, 0.0];
    // Another draw than that of the folds, of its own for each of them.
    let mut random = seed::stream(shares.seed, "fold", tested as u64);
    let rest = arrange(rest, stratify, stretch(&shares_left), &mut random);
    let mut partition = assign_parts(count, &rest, shares_left);
    test.iter().flat_map(|block| &block.rows).for_each(|&row| partition[row] = Split::Test);
    Partition::new(partition)
}

/// Parts of these shares, each row by itself; limits are rounded to whole rows.
fn draw_rows(rows: usize, shares: SplitShares) -> Partition {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut seed::stream(shares.seed, "split", 0));
    let limit = |share: f64| (share * rows as f64).round() as usize;
    let (train, validation) = (limit(shares.train), limit(shares.train + shares.validation));
    let mut parts = vec![Split::Test; rows];
    for (place, &row) in order.iter().enumerate() {
        if place < train {
            parts[row] = Split::Train;
        } else if place < validation {
            parts[row] = Split::Validation;
        }
    }
    Partition::new(parts)
}

impl Rows<'_> {
    /// Groups in the order in which they first appear, or single rows.
    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut place: HashMap<&str, usize> = HashMap::new();
        for (row, &target) in self.targets.iter().enumerate() {
            let group = self.groups.map(|groups| groups[row]);
            let index = group.map_or(blocks.len(), |group| *place.entry(group).or_insert(blocks.len()));
            if index == blocks.len() {
                blocks.push(Block { rows: Vec::new(), target: 0.0 });
            }
            blocks[index].rows.push(row);
            blocks[index].target += f64::from(target);
        }
        blocks.iter_mut().for_each(|block| block.target /= block.rows.len() as f64);
        blocks
    }
}

/// So many neighbours in the order of targets are exchanged at random: enough that each part takes one.
fn stretch(shares: &[f64]) -> usize {
    let least = shares.iter().copied().filter(|share| *share > 0.0).fold(1.0, f64::min);
    (1.0 / least).ceil().min(1e6) as usize
}

/// Blocks in the order in which parts take them: large ones first, so that sizes can be balanced by the small ones; or, stratified,
/// by their targets, with the neighbours of each stretch in random order.
fn arrange(mut blocks: Vec<Block>, stratify: bool, stretch: usize, random: &mut seed::Stream) -> Vec<Block> {
    blocks.shuffle(random);
    if stratify {
        blocks.sort_by(|a, b| a.target.total_cmp(&b.target));
        blocks.chunks_mut(stretch.max(1)).for_each(|some| some.shuffle(random));
    } else {
        blocks.sort_by_key(|block| std::cmp::Reverse(block.rows.len()));
    }
    blocks
}

fn assign(rows: usize, blocks: &[Block], shares: [f64; 3]) -> Partition {
    Partition::new(assign_parts(rows, blocks, shares))
}

/// Gives each block to the part that lacks most rows of its share of those that were given so far.
fn assign_parts(rows: usize, blocks: &[Block], shares: [f64; 3]) -> Vec<Split> {
    let mut parts = vec![Split::Train; rows];
    let (mut given, mut taken) = (0.0, [0.0; 3]);
    for block in blocks {
        let size = block.rows.len() as f64;
        given += size;
        let lack =
            |part: usize| if shares[part] > 0.0 { shares[part] * given - taken[part] } else { f64::NEG_INFINITY };
        let part = (1..3).fold(0, |best, part| if lack(part) > lack(best) { part } else { best });
        taken[part] += size;
        block.rows.iter().for_each(|&row| parts[row] = Split::PARTS[part]);
    }
    parts
}

/// The fold of every row. Stratified, every fold takes one block of each stretch of neighbours, the smallest fold the largest;
/// otherwise each block goes to the fold that has fewest rows.
fn deal(rows: usize, blocks: &[Block], folds: usize, stratify: bool) -> Vec<usize> {
    let mut fold_of = vec![0; rows];
    let mut sizes = vec![0; folds];
    let mut give = |block: &Block, fold: usize, sizes: &mut [usize]| {
        sizes[fold] += block.rows.len();
        block.rows.iter().for_each(|&row| fold_of[row] = fold);
    };
    for some in blocks.chunks(if stratify { folds } else { 1 }) {
        let mut emptiest: Vec<usize> = (0..folds).collect();
        emptiest.sort_by_key(|&fold| sizes[fold]);
        let mut largest: Vec<&Block> = some.iter().collect();
        largest.sort_by_key(|block| std::cmp::Reverse(block.rows.len()));
        largest.into_iter().zip(emptiest).for_each(|(block, fold)| give(block, fold, &mut sizes));
    }
    fold_of
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
