//! `[[model.layers]]`: a network of one's own, layer by layer.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::layer::{LayerSpec, Padding};
use super::network::{NamedLayer, NetworkError, NetworkSpec};
use super::pumpkin_net::BATCH_NORM_EPSILON;
use crate::raster::ImageShape;
use crate::settings::Invalid;
use crate::settings::number::{Bound, number};

/// The types of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    Conv,
    Dense,
    BatchNorm,
    Relu,
    MaxPool,
    Flatten,
    Dropout,
}

impl LayerType {
    fn name(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::Dense => "dense",
            Self::BatchNorm => "batch_norm",
            Self::Relu => "relu",
            Self::MaxPool => "max_pool",
            Self::Flatten => "flatten",
            Self::Dropout => "dropout",
        }
    }

    /// What layers of the type are called where they have no name of their own, before their number.
    fn short(self) -> &'static str {
        match self {
            Self::BatchNorm => "bn",
            Self::MaxPool => "pool",
            other => other.name(),
        }
    }

    /// The settings it reads.
    fn reads(self) -> &'static [&'static str] {
        match self {
            Self::Conv => &["filters", "kernel", "stride", "padding", "bias"],
            Self::Dense => &["units", "bias"],
            Self::BatchNorm => &["epsilon"],
            Self::MaxPool => &["kernel", "stride", "padding"],
            Self::Dropout => &["rate"],
            Self::Relu | Self::Flatten => &[],
        }
    }
}

/// A number of pixels along both axes, or one for rows and one for columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    Both(usize),
    Each([usize; 2]),
}

impl Sides {
    fn each(self) -> [usize; 2] {
        match self {
            Self::Both(side) => [side; 2],
            Self::Each(sides) => sides,
        }
    }
}

impl JsonSchema for Sides {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sides".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 2, "maxItems": 2 },
        ] })
    }
}

/// "same", "valid", or a number of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PaddingEntry {
    Named(PaddingName),
    Pixels(Sides),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingName {
    Same,
    Valid,
}

impl JsonSchema for PaddingEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Padding".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sides = Sides::json_schema(generator);
        json_schema!({ "oneOf": [{ "enum": ["same", "valid"] }, sides] })
    }
}

/// One layer. A setting that its type does not read is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerEntry {
    /// What it does: "conv", "dense", "batch_norm", "relu", "max_pool", "flatten" or "dropout".
    #[serde(rename = "type")]
    pub kind: LayerType,
    /// What its parameters are called in weights files, such as "features.0"; by default its type and a number: "conv1".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of conv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<usize>,
    /// Of dense; the last layer has 1, or 2 for a classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// Pixels of the windows of conv and max_pool: a number, or [rows, columns]; 3 by default for conv, 2 for max_pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Sides>,
    /// Pixels from window to window; 1 by default for conv, for max_pool the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Sides>,
    /// "same" (the default of conv), "valid" (the default of max_pool), or the pixels on either side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<PaddingEntry>,
    /// Whether conv and dense have one; true by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<bool>,
    /// Share that dropout drops, 0 to below 1; 0.5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Added to the variance of batch_norm; 1e-3 by default, as in Keras (PyTorch has 1e-5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
}

impl LayerEntry {
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("filters", self.filters.is_some()),
            ("units", self.units.is_some()),
            ("kernel", self.kernel.is_some()),
            ("stride", self.stride.is_some()),
            ("padding", self.padding.is_some()),
            ("bias", self.bias.is_some()),
            ("rate", self.rate.is_some()),
            ("epsilon", self.epsilon.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key)
    }

    fn layer(&self) -> LayerSpec {
        let padding = |default| match self.padding {
            None => default,
            Some(PaddingEntry::Named(PaddingName::Same)) => Padding::Same,
            Some(PaddingEntry::Named(PaddingName::Valid)) => Padding::Valid,
            Some(PaddingEntry::Pixels(sides)) => Padding::Pixels(sides.each()),
        };
        let kernel = |default| self.kernel.map_or([default; 2], Sides::each);
        let bias = self.bias.unwrap_or(true);
        match self.kind {
            LayerType::Conv => LayerSpec::Conv {
                filters: self.filters.unwrap_or(0),
                kernel: kernel(3),
                stride: self.stride.map_or([1; 2], Sides::each),
                padding: padding(Padding::Same),
                bias,
            },
            LayerType::Dense => LayerSpec::Dense { units: self.units.unwrap_or(0), bias },
            LayerType::BatchNorm => LayerSpec::BatchNorm { epsilon: self.epsilon.unwrap_or(BATCH_NORM_EPSILON) },
            LayerType::Relu => LayerSpec::Relu,
            LayerType::MaxPool => LayerSpec::MaxPool {
                kernel: kernel(2),
                stride: self.stride.map_or(kernel(2), Sides::each),
                padding: padding(Padding::Valid),
            },
            LayerType::Flatten => LayerSpec::Flatten,
            LayerType::Dropout => LayerSpec::Dropout { rate: self.rate.unwrap_or(0.5) },
        }
    }

    /// What is wrong with the entry, whatever its neighbours; `place` is its dotted key.
    fn validate(&self, place: &str) -> Vec<Invalid> {
        let (name, reads) = (self.kind.name(), self.kind.reads());
        let unread = self.given().filter(|key| !reads.contains(key)).map(|key| {
            let help = match reads {
                [] => format!("leave it out: a layer of the type \"{name}\" has no settings"),
                _ => format!("leave it out: a layer of the type \"{name}\" reads {}", reads.join(", ")),
            };
            Invalid::new(
                format!("{place}.{key}"),
                format!("a layer of the type \"{name}\" does not read `{key}`"),
                help,
            )
        });
        let mut invalid: Vec<Invalid> = unread.collect();
        for (key, kind, given) in
            [("filters", LayerType::Conv, self.filters.is_some()), ("units", LayerType::Dense, self.units.is_some())]
        {
            if self.kind == kind && !given {
                let message = format!("a layer of the type \"{name}\" needs `{key}`");
                invalid.push(Invalid::new(place, message, format!("add {key} = 16, for instance")));
            }
        }
        invalid.extend(self.rate.and_then(|rate| number(&format!("{place}.rate"), rate, Bound::Below(0.0, 1.0))));
        invalid.extend(self.epsilon.and_then(|value| number(&format!("{place}.epsilon"), value, Bound::Positive)));
        if self.name.as_deref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            let help = "use letters, digits, dots and underscores";
            invalid.push(Invalid::new(format!("{place}.name"), "a layer's name must be readable", help));
        }
        invalid
    }
}

/// What is wrong with each of the entries of `model.layers` by itself.
pub fn validate(entries: &[LayerEntry]) -> Vec<Invalid> {
    let each = entries.iter().enumerate();
    each.flat_map(|(index, entry)| entry.validate(&format!("model.layers.{index}"))).collect()
}

/// The network of these entries for images of this shape.
///
/// # Errors
/// [`NetworkError`] where layers do not fit each other.
pub fn network(entries: &[LayerEntry], input: ImageShape) -> Result<NetworkSpec, NetworkError> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let layers = entries.iter().map(|entry| {
        let count = counts.entry(entry.kind.short()).or_default();
        *count += 1;
        let name = entry.name.clone().unwrap_or_else(|| format!("{}{count}", entry.kind.short()));
        NamedLayer { name, layer: entry.layer() }
    });
    NetworkSpec::new(input, layers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<LayerEntry> {
        #[derive(Deserialize)]
        struct Model {
            layers: Vec<LayerEntry>,
        }
        toml::from_str::<Model>(&format!("layers = [{text}]")).expect("well-formed layers").layers
    }

    const SMALL: &str = "{ type = 'conv', filters = 4 }, { type = 'relu' }, { type = 'max_pool' }, \
                         { type = 'conv', filters = 8, kernel = [3, 5], stride = 2, padding = 'valid', name = 'second' }, \
                         { type = 'flatten' }, { type = 'dropout' }, { type = 'dense', units = 1, bias = false }";

    #[test]
    fn entries_are_layers_with_their_defaults() {
        let layers = entries(SMALL);
        assert_eq!(validate(&layers), []);
        let network = network(&layers, ImageShape::new(3, 64, 80)).unwrap();
        let names: Vec<&str> = network.layers.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(names, ["conv1", "relu1", "pool1", "second", "flatten1", "dropout1", "dense1"]);
        let outputs: Vec<usize> = network.placed().map(|placed| placed.output.values()).collect();
        assert_eq!(outputs, [4 * 64 * 80, 4 * 64 * 80, 4 * 32 * 40, 8 * 15 * 18, 2160, 2160, 1]);
        assert_eq!(network.layers[5].layer, LayerSpec::Dropout { rate: 0.5 });
        assert_eq!(network.layers[6].layer, LayerSpec::Dense { units: 1, bias: false });
    }

    #[test]
    fn what_a_type_does_not_read_is_refused_where_it_stands() {
        for (entry, key, said) in [
            ("type = 'relu', filters = 3", "0.filters", "has no settings"),
            ("type = 'dense', units = 3, kernel = 3", "0.kernel", "reads units, bias"),
            ("type = 'dropout', rate = 1.0", "0.rate", ""),
            ("type = 'conv'", "0", "filters = 16"),
            ("type = 'dense'", "0", "units = 16"),
            ("type = 'flatten', name = ''", "0.name", ""),
        ] {
            let invalid = validate(&entries(&format!("{{ {entry} }}")));
            assert_eq!(invalid.len(), 1, "{entry}: {invalid:?}");
            assert_eq!(invalid[0].key, format!("model.layers.{key}"));
            assert!(invalid[0].help.contains(said), "{}", invalid[0].help);
        }
    }
}
