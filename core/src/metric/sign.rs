//! Signs that were left out one at a time, as they are stored: the raw data of the causal scores.

use serde::{Deserialize, Serialize};

/// All signs of a kind that were left out, in all images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOutSigns {
    /// Such as "lesions".
    pub kind: String,
    /// How many rows and columns beyond a sign's own pixels count, for each of its sums of relevance.
    pub radii: Vec<usize>,
    /// The unit of relevance.
    pub relevance_unit: String,
    pub signs: Vec<LeftOutSign>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOutSign {
    /// Index of the sample in the data set.
    pub sample: usize,
    /// Which of the sample's signs of this kind it is, in the order of the table of samples.
    pub index: usize,
    /// Row and column of its middle.
    pub middle: [usize; 2],
    /// f(x) - f(x without it), in the target's unit; none where that is no number.
    pub effect: Option<f64>,
    /// Sum of relevance for each of the radii; none where that is no number.
    pub relevance: Vec<Option<f64>>,
}

impl LeftOutSigns {
    /// The sum of relevance over one of these signs within `radius` rows and columns, where this was asked for.
    pub fn relevance(&self, sign: &LeftOutSign, radius: usize) -> Option<f64> {
        let place = self.radii.iter().position(|&known| known == radius)?;
        sign.relevance.get(place).copied().flatten()
    }
}
