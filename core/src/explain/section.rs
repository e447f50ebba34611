//! `[explain]` as it is written: flat, whatever analyzer it names.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::analyzer::Analyzer;
use super::entry::CompositeEntry;
use super::method::{SigmaUnit, Smoothing};
use super::reference::Reference;
use super::settings::{Bias, Class, ExplainSettings};
use crate::data::Split;

/// Declares the options of analyzers: each is a key of `[explain]`, and analyzers take the options they name.
macro_rules! options {
    ($($(#[$about:meta])* $option:ident: $type:ty,)*) => {
        /// The options of analyzers; none where not given.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Options {
            $($(#[$about])* pub $option: Option<$type>,)*
        }

        impl Options {
            /// The keys of all options.
            pub const KEYS: &[&'static str] = &[$(stringify!($option)),*];

            /// The keys of those that are given.
            pub fn given(&self) -> impl Iterator<Item = &'static str> {
                let all = [$((stringify!($option), self.$option.is_some())),*];
                all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key)
            }
        }

        /// `[explain]`: the relevance maps. A setting that the analyzer does not read is refused.
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct Section {
            /// Name of this explanation in tables, legends and captions, instead of its settings.
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<String>,
            /// The method of explanation: iNNvestigate's names, Zennit's with the prefix `zennit.`, or
            /// "lrp" with the rules of `composite`.
            analyzer: Name,
            /// Which images are explained: "test" (the default), "validation", "train" or "all".
            subset: Split,
            /// Which class of a classification is explained: "predicted" (the default), "young" or "old". Refused for a
            /// regression.
            #[serde(skip_serializing_if = "Option::is_none")]
            class: Option<Class>,
            $($(#[$about])* #[serde(skip_serializing_if = "Option::is_none")] $option: Option<$type>,)*
            /// Averages the maps of any analyzer over noisy images.
            #[serde(skip_serializing_if = "Option::is_none")]
            smooth: Option<Smoothing>,
        }

        impl From<Section> for ExplainSettings {
            fn from(section: Section) -> Self {
                let Section { name, analyzer, subset, class, $($option,)* smooth } = section;
                let mut unread = Options { $($option),* };
                let analyzer = Analyzer::new(analyzer.0, &mut unread).expect("a name of an analyzer");
                Self { name, analyzer, subset, class, smooth, unread }
            }
        }

        impl From<ExplainSettings> for Section {
            fn from(settings: ExplainSettings) -> Self {
                let ExplainSettings { name, analyzer, subset, class, smooth, unread } = settings;
                let (taken, analyzer) = (analyzer.options(), Name(analyzer.name()));
                Self { name, analyzer, subset, class, $($option: taken.$option.or(unread.$option),)* smooth }
            }
        }
    };
}

options! {
    /// Stabiliser of the epsilon rule, in units of the layer's output (for the output layer, the unit of the
    /// target). The default depends on the analyzer: 0.1 in iNNvestigate's presets, 1e-7 in `lrp.epsilon`, 1e-6
    /// in Zennit's composites.
    epsilon: f64,
    /// How rules treat biases: "full", "signed" or "ignore". The default depends on the analyzer.
    bias: Bias,
    /// Weight of positive contributions in `lrp.alpha_beta`, at least 1 (the default). Negative contributions
    /// have the weight `alpha - 1`.
    alpha: f64,
    /// How strongly the gamma rule favours contributions that agree with the sign of a layer's output. Default:
    /// 0.25.
    gamma: f64,
    /// Lowest value of a pixel, for bounded rules. Default: 0.
    low: f64,
    /// Highest value of a pixel, for bounded rules. Default: 1.
    high: f64,
    /// Number of points on the path of integrated gradients. Default: 64.
    steps: usize,
    /// Pixel value of the image at which the path of integrated gradients starts. Default: 0.
    baseline: f64,
    /// What relevance explains the difference to: "none" (the default), "output-bias", "mean" (of the training set's
    /// ages), a number of years, `{ flooding = 70 }`, a number of years that is met by lowering or raising all hidden units
    /// alike, or `{ ages = [20, 30] }`, the mean activation of the training samples of these ages.
    reference: Reference,
    /// Index of the last layer with the flat rule in `lrp.sequential_preset_b_flat_until_idx`, counted from 0 at
    /// the input. Default: 0.
    until: usize,
    /// Number of noisy images over which SmoothGrad averages. Default: 64.
    samples: usize,
    /// Standard deviation of SmoothGrad's noise. Default: 0.1.
    sigma: f64,
    /// Whether `sigma` is "relative" to the range of an image's values (the default) or "absolute".
    sigma_unit: SigmaUnit,
    /// Seed of SmoothGrad's noise. Default: 0.
    seed: u64,
    /// Side length of the occlusion windows, in pixels. Default: 7.
    window: usize,
    /// Distance between occlusion windows, in pixels. Default: 7.
    stride: usize,
    /// Pixel value of an occluded window. Default: 0.8, the value of tissue.
    fill: f64,
    /// The rules of the analyzer "lrp": the first entry that selects a layer decides.
    composite: Vec<CompositeEntry>,
}

impl Default for Section {
    fn default() -> Self {
        ExplainSettings::default().into()
    }
}

impl JsonSchema for ExplainSettings {
    fn schema_name() -> Cow<'static, str> {
        "ExplainSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Section::json_schema(generator)
    }
}

/// The name of an analyzer.
struct Name(&'static str);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let name = Analyzer::NAMES.iter().find(|name| **name == text);
        name.map(|name| Self(name)).ok_or_else(|| de::Error::unknown_variant(&text, Analyzer::NAMES))
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Analyzer".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Analyzer::NAMES })
    }
}
