//! `[model]`: the network.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use super::entry::{self, LayerEntry};
use super::layer::LayerSpec;
use super::network::{NetworkError, NetworkSpec};
use super::pumpkin_net::PumpkinNet;
use super::shipped;
use crate::raster::ImageShape;
use crate::settings::Invalid;
use crate::settings::Need;
use crate::settings::number::{Bound, count, number, seed};
use crate::task::Task;

/// Where the bias of the output layer starts (the network's "target bias", in XDLreg's words).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutputBias {
    /// The mean target of the whole data set.
    TargetMean,
    Zero,
    /// A number in the target's unit, such as years.
    Value(f64),
}

impl Serialize for OutputBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::TargetMean => serializer.serialize_str("target-mean"),
            Self::Zero => serializer.serialize_str("zero"),
            Self::Value(value) => serializer.serialize_f64(*value),
        }
    }
}

impl<'de> Deserialize<'de> for OutputBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = OutputBias;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"target-mean\", \"zero\" or a number (of years, for pumpkins)")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OutputBias, E> {
                match text {
                    "target-mean" => Ok(OutputBias::TargetMean),
                    "zero" => Ok(OutputBias::Zero),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, years: f64) -> Result<OutputBias, E> {
                Ok(OutputBias::Value(years))
            }

            fn visit_i64<E: de::Error>(self, years: i64) -> Result<OutputBias, E> {
                Ok(OutputBias::Value(years as f64))
            }

            fn visit_u64<E: de::Error>(self, years: u64) -> Result<OutputBias, E> {
                Ok(OutputBias::Value(years as f64))
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

/// Which network it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The network of XDLreg, with `conv_filters`, `dense_units`, `batch_norm` and `dropout`.
    #[default]
    PumpkinNet,
    /// The layers in `[[model.layers]]`.
    Layers,
    /// ResNet-18 as in torchvision.
    Resnet18,
    /// VGG-11 as in torchvision.
    Vgg11,
    /// SFCN for images of two dimensions.
    Sfcn,
}

impl Architecture {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn name(self) -> &'static str {
        match self {
            Self::PumpkinNet => "PumpkinNet",
            Self::Layers => "layers",
            Self::Resnet18 => "ResNet-18",
            Self::Vgg11 => "VGG-11",
            Self::Sfcn => "SFCN",
        }
    }
}

/// `[model]`: the network and its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// What the network predicts.
    pub task: Task,
    /// "pumpkin_net", "resnet18", "vgg11", "sfcn", or "layers" for those in `[[model.layers]]`.
    #[serde(skip_serializing_if = "Architecture::is_default")]
    pub architecture: Architecture,
    /// The layers of `architecture = "layers"`, from the image to the prediction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerEntry>>,
    /// A safetensors file with the initial weights, relative to the spec. PyTorch state dicts are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A checksum of what is in that file, once it was looked at.
    #[serde(skip)]
    pub start: Option<String>,
    /// Initial bias of the output layer: "target-mean", "zero" or a number in the unit of the target.
    pub output_bias: OutputBias,
    /// Whether PumpkinNet has batch normalisation before every convolution and before the dense layers.
    pub batch_norm: bool,
    /// Share of features that PumpkinNet drops before its dense layers during training, from 0 to below 1.
    pub dropout: f64,
    /// Number of filters of the five convolutions of PumpkinNet (3 x 3, the last 1 x 1).
    #[serde(deserialize_with = "five")]
    pub conv_filters: [usize; 5],
    /// Number of units of PumpkinNet's hidden dense layer.
    pub dense_units: usize,
    /// Seed of the initial weights, of shuffling and of dropout.
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
            architecture: Architecture::PumpkinNet,
            layers: None,
            weights: None,
            start: None,
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
        if let OutputBias::Value(years) = self.output_bias {
            invalid.extend(number("model.output_bias", years, Bound::Any));
        }
        if self.task == Task::Classification && self.output_bias != OutputBias::TargetMean {
            invalid.push(Invalid::new(
                "model.output_bias",
                "the output layer of a classification has no bias",
                "leave model.output_bias out, or use model.task = \"regression\"",
            ));
        }
        if self.weights.is_some() && self.output_bias != OutputBias::TargetMean {
            invalid.push(Invalid::new(
                "model.output_bias",
                "the output bias is in the weights that model.weights names",
                "leave model.output_bias or model.weights out",
            ));
        }
        if self.weights.as_deref() == Some("") {
            invalid.push(Invalid::new("model.weights", "model.weights is empty", "name a safetensors file"));
        }
        for (block, &filters) in self.conv_filters.iter().enumerate() {
            invalid.extend(count(&format!("model.conv_filters.{block}"), filters, 1..=4096));
        }
        invalid.extend(count("model.dense_units", self.dense_units, 1..=4096));
        invalid.extend(seed("model.seed", self.seed));
        match (self.architecture, &self.layers) {
            (Architecture::Layers, Some(layers)) => invalid.extend(entry::validate(layers)),
            (Architecture::Layers, None) => invalid.push(Invalid::new(
                "model.architecture",
                "an architecture of layers needs a list of them",
                "add [[model.layers]] entries, such as type = \"conv\", filters = 16",
            )),
            (own, Some(_)) => invalid.push(Invalid::new(
                "model.layers",
                format!("{} has layers of its own", own.name()),
                "set model.architecture = \"layers\", or leave model.layers out",
            )),
            (_, None) => {}
        }
        invalid
    }

    /// All that the network and its start depend on: of a weights file what is in it, not where it is.
    pub fn inputs(&self) -> Value {
        let mut inputs = json!(self);
        if let Some(settings) = inputs.as_object_mut().filter(|_| self.weights.is_some()) {
            settings.insert("weights".into(), json!(self.start));
        }
        inputs
    }

    /// The network for images of this shape.
    ///
    /// # Errors
    /// [`NetworkError`] for layers that do not fit each other, or another number of outputs than the task has.
    pub fn network(&self, input: ImageShape) -> Result<NetworkSpec, NetworkError> {
        let outputs = PumpkinNet::of(self).outputs();
        let network = match self.architecture {
            Architecture::PumpkinNet => PumpkinNet::of(self).network(input, self.dropout),
            Architecture::Layers => {
                let layers = entry::layers(self.layers.as_deref().unwrap_or_default());
                NetworkSpec::new(input, layers.into_iter().map(|(_, layer)| layer).collect())?
            }
            Architecture::Resnet18 => NetworkSpec::new(input, shipped::resnet18(outputs))?,
            Architecture::Vgg11 => NetworkSpec::new(input, shipped::vgg11(outputs))?,
            Architecture::Sfcn => NetworkSpec::new(input, shipped::sfcn(outputs))?,
        };
        match (self.task, network.outputs()) {
            (Task::Regression, 1) | (Task::Classification, 2) => Ok(network),
            (_, outputs) => Err(NetworkError::Output {
                found: format!("has {outputs} units, which is another task than model.task"),
            }),
        }
    }

    /// What is wrong with the network for images of this shape.
    pub fn validate_for(&self, input: ImageShape) -> Option<Invalid> {
        let error = self.network(input).err()?;
        let (key, help) = match self.architecture {
            Architecture::Layers => {
                let places = entry::layers(self.layers.as_deref().unwrap_or_default());
                let at_fault = error.position().and_then(|position| places.into_iter().nth(position));
                (at_fault.map_or("model.layers".to_owned(), |(place, _)| place), "change the layers so that they fit")
            }
            _ => ("model.architecture".to_owned(), "use larger images, or another network"),
        };
        Some(Invalid::new(key, error.to_string(), format!("images have {input}; {help}")))
    }

    /// Memory of the network for images of this shape: its weights, and feature maps.
    pub fn memory(&self, input: ImageShape) -> Vec<Need> {
        /// While it learns: weights, gradient, two moments, the best and a checkpoint; and all but the gradient again
        /// in the file that is written after each epoch.
        const COPIES: u128 = 11;
        let Ok(network) = self.network(input) else { return Vec::new() };
        let bytes = |is_dense: bool| {
            let layers = network.placed().filter(|placed| matches!(placed.layer, LayerSpec::Dense { .. }) == is_dense);
            let parameters = layers.flat_map(|placed| placed.layer.parameters(placed.input));
            4 * parameters.map(|(_, shape)| shape.iter().map(|&side| side as u128).product::<u128>()).sum::<u128>()
        };
        let (own, dense, convolutions) = match self.architecture {
            Architecture::PumpkinNet => {
                let convolutions = format!("convolutions of {:?} filters", self.conv_filters);
                ("model.conv_filters", "model.dense_units", convolutions)
            }
            Architecture::Layers => ("model.layers", "model.layers", format!("the {} layers", network.layers.len())),
            shipped => {
                let layers = format!("the {} layers of {}", network.layers.len(), shipped.name());
                ("model.architecture", "model.architecture", layers)
            }
        };
        vec![
            Need::new(own, COPIES * bytes(false) + network.activations(), convolutions),
            Need::new(dense, COPIES * bytes(true), "the dense units".into()),
        ]
    }
}
