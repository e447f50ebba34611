//! `[[model.layers]]`: a network of one's own, layer by layer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::{LayerSpec, Padding};
use super::network::NamedLayer;
use super::pumpkin_net::BATCH_NORM_EPSILON;
use super::sides::{PaddingEntry, Sides};
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
    LeakyRelu,
    Elu,
    MaxPool,
    AvgPool,
    GlobalAvgPool,
    Flatten,
    Dropout,
    Residual,
}

impl LayerType {
    /// Its name, what layers of it are called where they have no name of their own, before their number, and the settings it
    /// reads.
    fn facts(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Conv => ("conv", "conv", &["filters", "kernel", "stride", "padding", "bias"]),
            Self::Dense => ("dense", "dense", &["units", "bias"]),
            Self::BatchNorm => ("batch_norm", "bn", &["epsilon"]),
            Self::Relu => ("relu", "relu", &[]),
            Self::LeakyRelu => ("leaky_relu", "leaky_relu", &["slope"]),
            Self::Elu => ("elu", "elu", &["alpha"]),
            Self::MaxPool => ("max_pool", "pool", &["kernel", "stride", "padding"]),
            Self::AvgPool => ("avg_pool", "avg_pool", &["kernel", "stride", "padding", "output"]),
            Self::GlobalAvgPool => ("global_avg_pool", "global_avg_pool", &[]),
            Self::Flatten => ("flatten", "flatten", &[]),
            Self::Dropout => ("dropout", "dropout", &["rate"]),
            Self::Residual => ("residual", "residual", &["branch", "shortcut"]),
        }
    }
}

/// One layer. A setting that its type does not read is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerEntry {
    /// What it does: "conv", "dense", "batch_norm", "relu", "leaky_relu", "elu", "max_pool", "avg_pool", "global_avg_pool",
    /// "flatten", "dropout" or "residual".
    #[serde(rename = "type")]
    pub kind: LayerType,
    /// Prefix of its parameters in weights files, such as "features.0". Default: its type and a number, such as
    /// "conv1".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For conv: the number of filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<usize>,
    /// For dense: the number of units. The last layer has 1, or 2 for a classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// For conv, max_pool and avg_pool: the size of the window in pixels, a number or [rows, columns]. Default: 3
    /// for conv, 2 for pooling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Sides>,
    /// For conv, max_pool and avg_pool: the distance between windows in pixels. Default: 1 for conv, the kernel
    /// for pooling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Sides>,
    /// "same" (the default of conv), "valid" (the default of pooling), or the number of pixels on both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<PaddingEntry>,
    /// For conv and dense: whether the layer has a bias. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<bool>,
    /// For dropout: the share of values that are dropped, from 0 to below 1. Default: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// For leaky_relu: the slope below zero. Default: 0.01, as in PyTorch (Keras uses 0.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// For elu: the negative of its limit for very negative inputs. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// For avg_pool, instead of a kernel: the number of rows and columns of its output, as in PyTorch's
    /// AdaptiveAvgPool2d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Sides>,
    /// For residual: the layers whose output is added to the output of the shortcut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Vec<LayerEntry>>,
    /// For residual: the layers of the shortcut. Default: none, which is the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortcut: Option<Vec<LayerEntry>>,
    /// For batch_norm: the value added to the variance. Default: 1e-3, as in Keras (PyTorch uses 1e-5).
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
            ("slope", self.slope.is_some()),
            ("alpha", self.alpha.is_some()),
            ("output", self.output.is_some()),
            ("branch", self.branch.is_some()),
            ("shortcut", self.shortcut.is_some()),
            ("epsilon", self.epsilon.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key)
    }

    /// The layer; none of a residual block, which is several.
    fn layer(&self) -> Option<LayerSpec> {
        let padding = |default| self.padding.map_or(default, PaddingEntry::padding);
        let kernel = |default| self.kernel.map_or([default; 2], Sides::each);
        let pool = || (kernel(2), self.stride.map_or(kernel(2), Sides::each), padding(Padding::Valid));
        let bias = self.bias.unwrap_or(true);
        Some(match self.kind {
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
            LayerType::LeakyRelu => LayerSpec::LeakyRelu { slope: self.slope.unwrap_or(0.01) },
            LayerType::Elu => LayerSpec::Elu { alpha: self.alpha.unwrap_or(1.0) },
            LayerType::MaxPool => {
                let (kernel, stride, padding) = pool();
                LayerSpec::MaxPool { kernel, stride, padding }
            }
            LayerType::AvgPool => match self.output {
                Some(output) => LayerSpec::AdaptiveAvgPool { output: output.each() },
                None => {
                    let (kernel, stride, padding) = pool();
                    LayerSpec::AvgPool { kernel, stride, padding }
                }
            },
            LayerType::GlobalAvgPool => LayerSpec::GlobalAvgPool,
            LayerType::Flatten => LayerSpec::Flatten,
            LayerType::Dropout => LayerSpec::Dropout { rate: self.rate.unwrap_or(0.5) },
            LayerType::Residual => return None,
        })
    }

    /// What is wrong with the entry, whatever its neighbours; `place` is its dotted key.
    fn validate(&self, place: &str) -> Vec<Invalid> {
        let (name, _, reads) = self.kind.facts();
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
        for (key, kind, given, example) in [
            ("filters", LayerType::Conv, self.filters.is_some(), "16"),
            ("units", LayerType::Dense, self.units.is_some(), "16"),
            ("branch", LayerType::Residual, self.branch.is_some(), "[{ type = \"conv\", filters = 16 }]"),
        ] {
            if self.kind == kind && !given {
                let message = format!("a layer of the type \"{name}\" needs `{key}`");
                invalid.push(Invalid::new(place, message, format!("add {key} = {example}, for instance")));
            }
        }
        for key in ["kernel", "stride", "padding"] {
            if self.kind == LayerType::AvgPool && self.output.is_some() && self.given().any(|given| given == key) {
                let message = format!("`output` decides the windows of this layer, and `{key}` would do so, too");
                invalid.push(Invalid::new(format!("{place}.{key}"), message, format!("leave out `{key}` or `output`")));
            }
        }
        for (key, layers) in [("branch", &self.branch), ("shortcut", &self.shortcut)] {
            invalid.extend(layers.iter().flat_map(|layers| validate_at(layers, &format!("{place}.{key}"))));
        }
        invalid.extend(self.rate.and_then(|rate| number(&format!("{place}.rate"), rate, Bound::Below(0.0, 1.0))));
        invalid.extend(self.epsilon.and_then(|value| number(&format!("{place}.epsilon"), value, Bound::Positive)));
        invalid.extend(self.slope.and_then(|value| number(&format!("{place}.slope"), value, Bound::Below(0.0, 1.0))));
        invalid.extend(self.alpha.and_then(|value| number(&format!("{place}.alpha"), value, Bound::Positive)));
        if self.name.as_deref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            let help = "use letters, digits, dots and underscores";
            invalid.push(Invalid::new(format!("{place}.name"), "a layer's name must be readable", help));
        }
        invalid
    }
}

/// What is wrong with each of the entries of `model.layers` by itself.
pub fn validate(entries: &[LayerEntry]) -> Vec<Invalid> {
    validate_at(entries, "model.layers")
}

fn validate_at(entries: &[LayerEntry], place: &str) -> Vec<Invalid> {
    let each = entries.iter().enumerate();
    each.flat_map(|(index, entry)| entry.validate(&format!("{place}.{index}"))).collect()
}

/// The layers of these entries one after the other, each with the dotted key of its entry.
pub fn layers(entries: &[LayerEntry]) -> Vec<(String, NamedLayer)> {
    let mut all = Flat::default();
    all.extend(entries, "model.layers");
    all.layers
}

/// Layers one after the other, while residual blocks are opened out.
#[derive(Default)]
struct Flat {
    counts: BTreeMap<&'static str, usize>,
    layers: Vec<(String, NamedLayer)>,
}

impl Flat {
    fn extend(&mut self, entries: &[LayerEntry], above: &str) {
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{above}.{index}");
            let (_, short, _) = entry.kind.facts();
            let count = self.counts.entry(short).or_default();
            *count += 1;
            let name = entry.name.clone().unwrap_or_else(|| format!("{short}{count}"));
            let named = |name: &str, layer| (place.clone(), NamedLayer { name: name.to_owned(), layer });
            match entry.layer() {
                Some(layer) => self.layers.push(named(&name, layer)),
                None => {
                    self.layers.push(named(&format!("{name}.branch"), LayerSpec::Branch));
                    self.extend(entry.branch.as_deref().unwrap_or_default(), &format!("{place}.branch"));
                    self.layers.push(named(&format!("{name}.shortcut"), LayerSpec::Shortcut));
                    self.extend(entry.shortcut.as_deref().unwrap_or_default(), &format!("{place}.shortcut"));
                    self.layers.push(named(&name, LayerSpec::Sum));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
