//! Which samples train, validate and test.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Validation,
    Test,
    All,
}

impl Split {
    /// The parts that a sample can belong to.
    pub const PARTS: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The samples of this part, of `n` samples that are split in their order: the first 80 % train, the next 10 % validate,
    /// the last 10 % test. Limits are rounded down, so no sample is left out.
    pub fn range(self, n: usize) -> Range<usize> {
        let tenths = |count: usize| (n as u128 * count as u128 / 10) as usize;
        match self {
            Self::Train => 0..tenths(8),
            Self::Validation => tenths(8)..tenths(9),
            Self::Test => tenths(9)..n,
            Self::All => 0..n,
        }
    }

    /// Name as written in specifications and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::All => "all",
        }
    }

    /// The part of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::PARTS.into_iter().find(|part| part.name() == name)
    }
}

/// The part of every sample of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    parts: Vec<Split>,
}

impl Partition {
    /// Of these parts, one a sample.
    ///
    /// # Panics
    /// Panics for [`Split::All`], to which no sample belongs more than to another part.
    pub fn new(parts: Vec<Split>) -> Self {
        assert!(parts.iter().all(|part| Split::PARTS.contains(part)), "every sample has a part of its own");
        Self { parts }
    }

    /// Of `n` samples in their order: see [`Split::range`].
    pub fn in_order(n: usize) -> Self {
        let parts = Split::PARTS.into_iter().flat_map(|part| part.range(n).map(move |_| part));
        Self { parts: parts.collect() }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part that a sample belongs to.
    pub fn of(&self, sample: usize) -> Split {
        self.parts[sample]
    }

    /// The indices of a part's samples, ascending.
    pub fn samples(&self, split: Split) -> Vec<usize> {
        (0..self.parts.len()).filter(|&sample| split == Split::All || self.parts[sample] == split).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thousand_samples_split_as_published() {
        assert_eq!(Split::PARTS.map(|part| part.range(2000)), [0..1600, 1600..1800, 1800..2000]);
    }

    #[test]
    fn the_parts_tile_any_number_of_samples() {
        for n in 0..300 {
            let partition = Partition::in_order(n);
            assert_eq!(partition.len(), n);
            assert!(partition.samples(Split::All).into_iter().eq(0..n));
            for part in Split::PARTS {
                assert!(part.range(n).eq(partition.samples(part)));
                assert!(part.range(n).all(|sample| partition.of(sample) == part));
            }
        }
    }

    #[test]
    fn samples_of_a_part_need_not_follow_each_other() {
        let parts = [Split::Test, Split::Train, Split::Test, Split::Validation];
        let partition = Partition::new(parts.to_vec());
        assert_eq!(partition.samples(Split::Test), [0, 2]);
        assert_eq!(partition.samples(Split::All), [0, 1, 2, 3]);
        assert_eq!(parts.map(Split::name).map(|name| Split::named(name).unwrap()), parts);
        assert_eq!(Split::named("all"), None);
    }
}
