//! Train, validation and test: by index, without shuffling.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a data set: the first 80 % train, the next 10 % validate, the last 10 % test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Validation,
    Test,
    All,
}

impl Split {
    /// The samples of this part, of `n` samples. Limits are rounded down, so no sample is left out.
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

    /// The part that `sample` of `n` samples belongs to.
    pub fn of(sample: usize, n: usize) -> Self {
        [Self::Train, Self::Validation].into_iter().find(|part| sample < part.range(n).end).unwrap_or(Self::Test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thousand_samples_split_as_published() {
        assert_eq!(
            [Split::Train, Split::Validation, Split::Test].map(|part| part.range(2000)),
            [0..1600, 1600..1800, 1800..2000]
        );
    }

    #[test]
    fn the_parts_tile_any_number_of_samples() {
        for n in 0..300 {
            let parts = [Split::Train, Split::Validation, Split::Test];
            let tiled: Vec<usize> = parts.into_iter().flat_map(|part| part.range(n)).collect();
            assert!(tiled.into_iter().eq(Split::All.range(n)));
            for part in parts {
                assert!(part.range(n).all(|sample| Split::of(sample, n) == part));
            }
        }
    }
}
