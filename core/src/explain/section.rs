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
            /// What tables, legends and captions call this explanation instead of its settings.
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<String>,
            /// How relevance is found, by iNNvestigate's names, or Zennit's behind `zennit.`; "lrp" by the rules of
            /// `composite`.
            analyzer: Name,
            /// Which images are explained: "test", "validation", "train" or "all".
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
    /// Stabiliser of the epsilon rule, in units of the layer's output (at the output layer: years). By default the
    /// analyzer's own: 0.1 in iNNvestigate's presets, 1e-7 in `lrp.epsilon`, 1e-6 in Zennit's composites.
    epsilon: f64,
    /// What rules do with biases: "full", "signed" or "ignore". By default the analyzer's own.
    bias: Bias,
    /// Weight of what excites in `lrp.alpha_beta`, at least 1 (the default); what inhibits weighs `alpha - 1`.
    alpha: f64,
    /// How much the gamma rule favours what agrees with the sign of a layer's output; 0.25 by default.
    gamma: f64,
    /// Lowest value of a pixel, for rules that are bounded; 0 by default.
    low: f64,
    /// Highest value of a pixel, for rules that are bounded; 1 by default.
    high: f64,
    /// Points on the path of integrated gradients; 64 by default.
    steps: usize,
    /// Pixel value of the image at which the path of integrated gradients begins; 0 by default.
    baseline: f64,
    /// What relevance explains the difference to: "none" (the default), "output-bias", "mean" (of the training set's
    /// ages), a number of years, `{ flooding = 70 }`, a number of years that is met by lowering or raising all hidden units
    /// alike, or `{ ages = [20, 30] }`, the mean activation of the training samples of these ages.
    reference: Reference,
    /// The last layer with the flat rule in `lrp.sequential_preset_b_flat_until_idx`, counted from 0 at the input; by
    /// default 0.
    until: usize,
    /// Noisy images that SmoothGrad averages over; 64 by default.
    samples: usize,
    /// Standard deviation of SmoothGrad's noise; 0.1 by default.
    sigma: f64,
    /// Whether `sigma` is "relative" to the range of an image's values (the default) or "absolute".
    sigma_unit: SigmaUnit,
    /// Seed of SmoothGrad's noise; 0 by default.
    seed: u64,
    /// Side of the windows of occlusion in pixels; 7 by default.
    window: usize,
    /// Pixels from one window of occlusion to the next; 7 by default.
    stride: usize,
    /// Pixel value of an occluded window; that of tissue, 0.8, by default.
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
