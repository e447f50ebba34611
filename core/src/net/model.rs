//! `[model]`: the network.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::Invalid;
use crate::settings::Need;
use crate::settings::number::{Bound, count, number, seed};
use crate::task::Task;

/// Where the bias of the output layer starts (the network's "target bias", in XDLreg's words).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutputBias {
    /// The mean age of the whole data set.
    TargetMean,
    Zero,
    /// A number of years.
    Years(f64),
}

impl Serialize for OutputBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::TargetMean => serializer.serialize_str("target-mean"),
            Self::Zero => serializer.serialize_str("zero"),
            Self::Years(years) => serializer.serialize_f64(*years),
        }
    }
}

impl<'de> Deserialize<'de> for OutputBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = OutputBias;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"target-mean\", \"zero\" or a number of years")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OutputBias, E> {
                match text {
                    "target-mean" => Ok(OutputBias::TargetMean),
                    "zero" => Ok(OutputBias::Zero),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, years: f64) -> Result<OutputBias, E> {
                Ok(OutputBias::Years(years))
            }

            fn visit_i64<E: de::Error>(self, years: i64) -> Result<OutputBias, E> {
                Ok(OutputBias::Years(years as f64))
            }

            fn visit_u64<E: de::Error>(self, years: u64) -> Result<OutputBias, E> {
                Ok(OutputBias::Years(years as f64))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for OutputBias {
    fn schema_name() -> Cow<'static, str> {
        "OutputBias".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "enum": ["target-mean", "zero"] }, { "type": "number" }] })
    }
}

/// `[model]`: PumpkinNet and its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// What the network predicts.
    pub task: Task,
    /// Initial output bias: "target-mean", "zero" or a number of years.
    pub output_bias: OutputBias,
    /// Batch normalisation before every convolution and before the dense layers.
    pub batch_norm: bool,
    /// Share of features dropped before the dense layers while training, 0 to below 1.
    pub dropout: f64,
    /// Filters of the five convolutions (3 x 3, the last 1 x 1).
    #[serde(deserialize_with = "five")]
    pub conv_filters: [usize; 5],
    /// Units of the hidden dense layer.
    pub dense_units: usize,
    /// Seed of initial weights, shuffling and dropout.
    pub seed: u64,
}

/// Exactly five numbers. An array alone would take the first five of more.
fn five<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 5], D::Error> {
    let filters = Vec::<usize>::deserialize(deserializer)?;
    let count = filters.len();
    filters.try_into().map_err(|_| de::Error::custom(format!("expected a list of 5 numbers, found {count}")))
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            task: Task::Regression,
            output_bias: OutputBias::TargetMean,
            batch_norm: false,
            dropout: 0.5,
            conv_filters: [16, 16, 32, 64, 32],
            dense_units: 64,
            seed: 0,
        }
    }
}

impl ModelSettings {
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid = Vec::new();
        invalid.extend(number("model.dropout", self.dropout, Bound::Below(0.0, 1.0)));
        if let OutputBias::Years(years) = self.output_bias {
            invalid.extend(number("model.output_bias", years, Bound::Any));
        }
        if self.task == Task::Classification && self.output_bias != OutputBias::TargetMean {
            invalid.push(Invalid::new(
                "model.output_bias",
                "the output layer of a classification has no bias",
                "leave model.output_bias out, or use model.task = \"regression\"",
            ));
        }
        for (block, &filters) in self.conv_filters.iter().enumerate() {
            invalid.extend(count(&format!("model.conv_filters.{block}"), filters, 1..=4096));
        }
        invalid.extend(count("model.dense_units", self.dense_units, 1..=4096));
        invalid.extend(seed("model.seed", self.seed));
        invalid
    }

    /// Features that enter the dense layer: 4 x 4 pixels of every filter of the last convolution.
    pub fn features(&self) -> u128 {
        16 * self.conv_filters[4] as u128
    }

    /// Bytes of the feature maps of one image, before and after each activation.
    pub fn activations(&self) -> u128 {
        let sides = [98, 49, 25, 13, 7];
        let maps = self.conv_filters.iter().zip(sides).map(|(&filters, side)| filters as u128 * side * side);
        2 * 4 * maps.sum::<u128>()
    }

    /// Memory of the network: its weights, and feature maps.
    pub fn memory(&self) -> [Need; 2] {
        /// While it learns: weights, gradient, two moments, the best and a checkpoint; and all but the gradient again
        /// in the file that is written after each epoch.
        const COPIES: u128 = 11;
        /// A kernel has 9 weights for each pair of channels, in the last convolution 1.
        const KERNEL: u128 = 9;
        let filters = self.conv_filters.map(|filters| filters as u128);
        let pairs = filters[0] + filters[0] * filters[1] + filters[1] * filters[2] + filters[2] * filters[3];
        let weights = KERNEL * pairs + filters[3] * filters[4];
        let dense = self.dense_units as u128 * (self.features() + 2);
        let convolutions = COPIES * 4 * weights + self.activations();
        [
            Need::new("model.conv_filters", convolutions, format!("convolutions of {:?} filters", self.conv_filters)),
            Need::new("model.dense_units", COPIES * 4 * dense, format!("{} dense units", self.dense_units)),
        ]
    }
}
