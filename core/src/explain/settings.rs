//! `[explain]`: how predictions are explained.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Reference;
use super::composite::LayerSite;
use super::entry;
use super::entry::CompositeEntry;
use crate::data::Split;
use crate::explain::{Composite, Parameter, SigmaUnit, Smoothing, analyzer, analyzer_names, analyzers};
use crate::net::NetworkSpec;
use crate::raster::ImageShape;
use crate::settings::Invalid;
use crate::settings::near_miss;
use crate::settings::number::{Bound, count, number, plain, seed};
use crate::settings::{Need, SCORES, image_bytes};
use crate::shown::shown;
use crate::task::Task;

/// What rules do with a layer's bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// All of it counts in every denominator (iNNvestigate).
    Full,
    /// Its positive part counts with what excites, its negative part with what inhibits (Zennit).
    Signed,
    /// It does not count.
    Ignore,
}

/// Which class of a classification is explained, by its logit before softmax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// In each image the class that is predicted: the larger logit (iNNvestigate's `max_activation`).
    Predicted,
    Young,
    Old,
}

impl Class {
    /// Its place among the network's outputs; none where images decide.
    pub fn output(self) -> Option<usize> {
        match self {
            Self::Predicted => None,
            Self::Young => Some(0),
            Self::Old => Some(1),
        }
    }
}

/// `[explain]`: the relevance maps. A setting that the analyzer does not read is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainSettings {
    /// How relevance is found, by iNNvestigate's names, or Zennit's behind `zennit.`; "lrp" by the rules of `composite`.
    #[schemars(schema_with = "analyzer_schema")]
    pub analyzer: String,
    /// Which images are explained: "test", "validation", "train" or "all".
    pub subset: Split,
    /// Which class of a classification is explained: "predicted" (the default), "young" or "old". Refused for a regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Stabiliser of the epsilon rule, in units of the layer's output (at the output layer: years). By default the
    /// analyzer's own: 0.1 in iNNvestigate's presets, 1e-7 in `lrp.epsilon`, 1e-6 in Zennit's composites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// What rules do with biases: "full", "signed" or "ignore". By default the analyzer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<Bias>,
    /// Weight of what excites in `lrp.alpha_beta`, at least 1 (the default); what inhibits weighs `alpha - 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// How much the gamma rule favours what agrees with the sign of a layer's output; 0.25 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Lowest value of a pixel, for rules that are bounded; 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Highest value of a pixel, for rules that are bounded; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Points on the path of integrated gradients; 64 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Pixel value of the image at which the path of integrated gradients begins; 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// What relevance explains the difference to: "none" (the default), "output-bias", "mean" (of the training set's
    /// ages), a number of years, `{ flooding = 70 }`, a number of years that is met by lowering or raising all hidden units
    /// alike, or `{ ages = [20, 30] }`, the mean activation of the training samples of these ages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The last layer with the flat rule in `lrp.sequential_preset_b_flat_until_idx`, counted from 0 at the input; by
    /// default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<usize>,
    /// Noisy images that SmoothGrad averages over; 64 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Standard deviation of SmoothGrad's noise; 0.1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// Whether `sigma` is "relative" to the range of an image's values (the default) or "absolute".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_unit: Option<SigmaUnit>,
    /// Seed of SmoothGrad's noise; 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Side of the windows of occlusion in pixels; 7 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Pixels from one window of occlusion to the next; 7 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Pixel value of an occluded window; that of tissue, 0.8, by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<f64>,
    /// Averages the maps of any analyzer over noisy images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smooth: Option<Smoothing>,
    /// The rules of the analyzer "lrp": the first entry that selects a layer decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composite: Option<Vec<CompositeEntry>>,
}

impl Default for ExplainSettings {
    fn default() -> Self {
        Self {
            analyzer: "lrp.sequential_preset_a".into(),
            subset: Split::Test,
            class: None,
            epsilon: None,
            bias: None,
            alpha: None,
            gamma: None,
            low: None,
            high: None,
            steps: None,
            baseline: None,
            reference: None,
            until: None,
            samples: None,
            sigma: None,
            sigma_unit: None,
            seed: None,
            window: None,
            stride: None,
            fill: None,
            smooth: None,
            composite: None,
        }
    }
}

/// At most this many passes through the network for one map.
const MOST_PASSES: usize = 1_000_000;

impl ExplainSettings {
    /// Everything that cannot be carried out, each with its dotted key.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid = self.validate_analyzer();
        for (key, value, bound) in [
            ("explain.epsilon", self.epsilon, Bound::AtLeast(0.0)),
            ("explain.alpha", self.alpha, Bound::AtLeast(1.0)),
            ("explain.gamma", self.gamma, Bound::AtLeast(0.0)),
            ("explain.baseline", self.baseline, Bound::Any),
            ("explain.sigma", self.sigma, Bound::AtLeast(0.0)),
            ("explain.fill", self.fill, Bound::Any),
            ("explain.low", self.low, Bound::Any),
            ("explain.high", self.high, Bound::Any),
        ] {
            invalid.extend(value.and_then(|value| number(key, value, bound)));
        }
        for (key, value, allowed) in
            [("explain.steps", self.steps, 1..=MOST_PASSES), ("explain.samples", self.samples, 1..=MOST_PASSES)]
        {
            invalid.extend(value.and_then(|value| count(key, value, allowed)));
        }
        invalid.extend(self.seed.and_then(|value| seed("explain.seed", value)));
        invalid.extend(self.validate_reference());
        invalid.extend(self.validate_smoothing());
        let (low, high) = (self.low.unwrap_or(0.0), self.high.unwrap_or(1.0));
        if low >= high {
            let key = if self.low.is_some() { "explain.low" } else { "explain.high" };
            let message = format!("low must be below high, but they are {} and {}", plain(low), plain(high));
            invalid.push(Invalid::new(key, message, "use two numbers with `low` below `high`"));
        }
        invalid
    }

    /// Memory of the maps of so many explained images: all of them are read when they are scored, each with its scores.
    /// Passes through the network (`steps`, `samples`) follow each other and take none.
    pub fn memory(&self, explained: usize, shape: ImageShape) -> Option<Need> {
        let maps = explained as u128;
        Some(Need::new("explain.subset", maps * (image_bytes(shape) + SCORES), format!("the maps of {maps} images")))
    }

    /// The composite of the analyzer "lrp".
    pub fn own_composite(&self) -> Composite {
        entry::composite(self.composite.as_deref().unwrap_or_default())
    }

    /// What cannot be carried out for this network: a composite that does not fit its layers, windows beyond its images.
    pub fn validate_for_network(&self, network: &NetworkSpec) -> Vec<Invalid> {
        let (side, layers) = (network.input.height.max(network.input.width), LayerSite::of(network).len());
        let counts = [
            ("explain.until", self.until, 0..=layers - 1),
            ("explain.window", self.window, 1..=side),
            ("explain.stride", self.stride, 1..=side),
        ];
        let mut invalid: Vec<Invalid> =
            counts.into_iter().filter_map(|(key, value, allowed)| count(key, value?, allowed)).collect();
        if let Some(entries) = self.composite.as_deref().filter(|entries| !entries.is_empty()) {
            invalid.extend(entry::validate_for(entries, network));
        }
        invalid
    }

    /// What cannot be carried out for networks of this task.
    pub fn validate_for(&self, task: Task) -> Vec<Invalid> {
        let referred = !matches!(self.reference, None | Some(Reference::None));
        let refused = match task {
            Task::Classification if referred => Invalid::new(
                "explain.reference",
                "a class is not explained against a number of years",
                "leave explain.reference out, or use model.task = \"regression\"",
            ),
            Task::Regression if self.class.is_some() => Invalid::new(
                "explain.class",
                "a regression has no classes",
                "leave explain.class out, or use model.task = \"classification\"",
            ),
            _ => return Vec::new(),
        };
        vec![refused]
    }

    fn validate_reference(&self) -> Vec<Invalid> {
        const KEY: &str = "explain.reference";
        match self.reference {
            Some(Reference::Years(years) | Reference::Flooding(years)) => {
                number(KEY, years, Bound::Any).into_iter().collect()
            }
            Some(Reference::Ages([from, to])) => {
                let invalid: Vec<Invalid> =
                    [from, to].into_iter().filter_map(|age| number(KEY, age, Bound::Any)).collect();
                if invalid.is_empty() && from > to {
                    let message = format!("the ages from {} to {} are none", plain(from), plain(to));
                    return vec![Invalid::new(KEY, message, "write the lower age first")];
                }
                invalid
            }
            _ => Vec::new(),
        }
    }

    fn validate_smoothing(&self) -> Vec<Invalid> {
        let Some(Smoothing { samples, sigma, seed: noise, .. }) = self.smooth else { return Vec::new() };
        if self.analyzer == "smoothgrad" {
            let message = "`smoothgrad` takes the mean over noisy images already";
            let help = "leave `smooth` out, or use analyzer = \"gradient\"";
            return vec![Invalid::new("explain.smooth", message, help)];
        }
        let samples = count("explain.smooth.samples", samples, 1..=MOST_PASSES);
        let sigma = number("explain.smooth.sigma", sigma, Bound::AtLeast(0.0));
        [samples, sigma, seed("explain.smooth.seed", noise)].into_iter().flatten().collect()
    }

    fn validate_analyzer(&self) -> Vec<Invalid> {
        let Some(analyzer) = analyzer(&self.analyzer) else {
            let all = analyzer_names().collect::<Vec<_>>().join(", ");
            let help = match near_miss(&self.analyzer, analyzer_names()) {
                Some(near) => format!("did you mean `{near}`? Analyzers: {all}"),
                None => format!("analyzers: {all}"),
            };
            return vec![Invalid::new(
                "explain.analyzer",
                format!("there is no analyzer `{}`", shown(&self.analyzer)),
                help,
            )];
        };
        let unread = |parameter: &Parameter| parameter.is_given(self) && !analyzer.reads.contains(parameter);
        let refuse = |parameter: Parameter| {
            let readers = analyzers().iter().filter(|a| a.reads.contains(&parameter));
            let readers = readers.map(|a| a.name).collect::<Vec<_>>().join(", ");
            Invalid::new(
                format!("explain.{}", parameter.key()),
                format!("`{}` does not read `{}`", analyzer.name, parameter.key()),
                format!("leave it out, or use an analyzer that reads it: {readers}"),
            )
        };
        let mut invalid: Vec<Invalid> = Parameter::ALL.into_iter().filter(unread).map(refuse).collect();
        if analyzer.reads.contains(&Parameter::Composite) {
            invalid.extend(entry::validate(self.composite.as_deref().unwrap_or_default()));
        }
        invalid
    }
}

fn analyzer_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": analyzer_names().collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ModelSettings;
    use crate::sim::SHAPE;

    fn parse(text: &str) -> ExplainSettings {
        toml::from_str(text).expect("well-formed settings")
    }

    #[test]
    fn defaults_are_valid_and_survive_their_toml() {
        let settings = ExplainSettings::default();
        assert_eq!(settings.validate(), []);
        assert_eq!(parse(&toml::to_string(&settings).expect("as TOML")), settings);
        assert_eq!(parse(""), settings);
    }

    #[test]
    fn an_unknown_analyzer_is_refused_with_the_near_miss() {
        let invalid = parse("analyzer = 'lrp.sequental_preset_b'").validate();
        assert_eq!(invalid.len(), 1);
        assert_eq!(invalid[0].key, "explain.analyzer");
        assert!(invalid[0].help.starts_with("did you mean `lrp.sequential_preset_b`?"), "{}", invalid[0].help);
    }

    #[test]
    fn a_class_has_no_reference() {
        let keys = |text: &str| {
            let refused = parse(text).validate_for(Task::Classification);
            refused.into_iter().map(|invalid| invalid.key).collect::<Vec<_>>()
        };
        assert_eq!(keys("reference = 50"), ["explain.reference"]);
        assert_eq!(keys("reference = 'none'"), [""; 0]);
        assert_eq!(parse("reference = 50").validate_for(Task::Regression), []);
    }

    #[test]
    fn a_regression_has_no_class() {
        for class in ["predicted", "young", "old"] {
            let settings = parse(&format!("class = '{class}'"));
            assert_eq!((settings.validate_for(Task::Classification), settings.validate()), (vec![], vec![]));
            assert_eq!(settings.validate_for(Task::Regression)[0].key, "explain.class");
        }
        assert!(toml::from_str::<ExplainSettings>("class = 'middle'").is_err());
    }

    #[test]
    fn what_the_analyzer_does_not_read_is_refused() {
        let keys = |text: &str| parse(text).validate().into_iter().map(|i| i.key).collect::<Vec<_>>();
        assert_eq!(keys("analyzer = 'lrp.flat'\nepsilon = 0.1\nbias = 'full'"), ["explain.epsilon", "explain.bias"]);
        assert_eq!(keys("analyzer = 'lrp.alpha_2_beta_1_IB'\nbias = 'full'"), ["explain.bias"]);
        assert_eq!(keys("analyzer = 'lrp.alpha_2_beta_1'\nbias = 'signed'"), [""; 0]);
        assert_eq!(keys("epsilon = 0.25\nbias = 'ignore'"), [""; 0]);
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let keys = |text: &str| parse(text).validate().into_iter().map(|i| i.key).collect::<Vec<_>>();
        for epsilon in ["-0.1", "nan", "inf"] {
            assert_eq!(keys(&format!("epsilon = {epsilon}")), ["explain.epsilon"]);
        }
        assert_eq!(keys("epsilon = 0.0"), [""; 0]);
        assert_eq!(keys("analyzer = 'lrp.alpha_beta'\nalpha = 0.5"), ["explain.alpha"]);
        assert_eq!(
            keys("analyzer = 'zennit.epsilon_gamma_box'\ngamma = -1\nlow = 1"),
            ["explain.gamma", "explain.low"]
        );
        assert_eq!(keys("analyzer = 'deep_taylor.bounded'\nhigh = -2"), ["explain.high"]);
        let network = ModelSettings::default().network(SHAPE).expect("a network");
        let windows = parse("analyzer = 'occlusion'\nwindow = 99\nstride = 0").validate_for_network(&network);
        assert_eq!(windows.iter().map(|i| i.key.as_str()).collect::<Vec<_>>(), ["explain.window", "explain.stride"]);
        assert_eq!(keys("analyzer = 'smoothgrad'\nsamples = 0\nsigma = nan"), ["explain.sigma", "explain.samples"]);
        assert_eq!(keys("analyzer = 'integrated_gradients'\nsteps = 1\nbaseline = -1"), [""; 0]);
        assert_eq!(keys("analyzer = 'deep_taylor.bounded'\nlow = -1\nhigh = 0"), [""; 0]);
        assert_eq!(keys("reference = nan"), ["explain.reference"]);
        assert_eq!(keys("reference = { flooding = inf }"), ["explain.reference"]);
        assert_eq!(keys("reference = { ages = [30, 20] }"), ["explain.reference"]);
        assert_eq!(keys("smooth = { samples = 0 }"), ["explain.smooth.samples"]);
        assert_eq!(keys("smooth = { sigma = -1 }"), ["explain.smooth.sigma"]);
        assert_eq!(keys("reference = 50\nsmooth = { samples = 3 }"), [""; 0]);
        assert_eq!(keys("analyzer = 'smoothgrad'\nsmooth = { samples = 3 }"), ["explain.smooth"]);
    }
}
