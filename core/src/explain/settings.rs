//! `[explain]`: how predictions are explained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analyzer::Analyzer;
use super::composite::LayerSite;
use super::entry;
use super::method::{Method, Smoothing};
use super::reference::Reference;
use super::section::{Options, Section};
use crate::data::Split;
use crate::net::NetworkSpec;
use crate::raster::ImageShape;
use crate::settings::Invalid;
use crate::settings::number::{Bound, count, number, plain, seed};
use crate::settings::{Need, SCORES, image_bytes};
use crate::shown::shown;
use crate::task::Task;

/// What rules do with a layer's bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// The whole bias counts in every denominator (iNNvestigate).
    Full,
    /// Its positive part counts with positive contributions, its negative part with negative ones (Zennit).
    Signed,
    /// The bias does not count.
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

/// `[explain]`: the relevance maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Section", into = "Section")]
pub struct ExplainSettings {
    /// What it is called for people; no part of what is computed.
    pub name: Option<String>,
    /// How relevance is found.
    pub analyzer: Analyzer,
    /// Which images are explained.
    pub subset: Split,
    /// Which class of a classification is explained; none for a regression.
    pub class: Option<Class>,
    /// Averages the maps of any analyzer over noisy images.
    pub smooth: Option<Smoothing>,
    /// Options that are written but that the analyzer does not take. A run with any is refused; what a sweep lays its cells
    /// over may have some, which other analyzers take.
    pub unread: Options,
}

impl Default for ExplainSettings {
    fn default() -> Self {
        Self::of(Analyzer::LrpSequentialPresetA { epsilon: None, bias: None, reference: None })
    }
}

/// Characters of a name, which legends and tables have to hold.
const LONGEST_NAME: usize = 60;
/// At most this many passes through the network for one map.
const MOST_PASSES: usize = 1_000_000;

impl ExplainSettings {
    /// Of this analyzer, for the test set.
    pub fn of(analyzer: Analyzer) -> Self {
        Self { name: None, analyzer, subset: Split::Test, class: None, smooth: None, unread: Options::default() }
    }

    /// What is done with an image.
    pub fn method(&self) -> Method {
        match self.smooth {
            Some(smoothing) => self.analyzer.method().smoothed(smoothing),
            None => self.analyzer.method(),
        }
    }

    /// What predictions are explained against.
    pub fn reference(&self) -> Reference {
        self.analyzer.options().reference.unwrap_or(Reference::None)
    }

    /// The same maps without their name.
    pub fn unnamed(&self) -> Self {
        Self { name: None, ..self.clone() }
    }

    /// The same but for the seeds of noise.
    pub fn without_seeds(&self) -> Self {
        let mut options = Options { seed: None, ..self.analyzer.options() };
        let analyzer = Analyzer::new(self.analyzer.name(), &mut options).expect("an analyzer's own name");
        Self { analyzer, smooth: self.smooth.map(|smooth| Smoothing { seed: 0, ..smooth }), ..self.clone() }
    }

    /// Leaves composites to the analyzer "lrp", where a sweep sets it beside others.
    pub fn leave_composite_to_lrp(&mut self) {
        self.unread.composite = None;
    }

    /// Everything that cannot be carried out, each with its dotted key.
    pub fn validate(&self) -> Vec<Invalid> {
        let options = self.analyzer.options();
        let mut invalid: Vec<Invalid> = self.name.iter().filter_map(|name| refuse_name(name)).collect();
        invalid.extend(self.unread.given().map(|key| self.refuse_unread(key)));
        if let Analyzer::Lrp { composite, .. } = &self.analyzer {
            invalid.extend(entry::validate(composite.as_deref().unwrap_or_default()));
        }
        for (key, value, bound) in [
            ("explain.epsilon", options.epsilon, Bound::AtLeast(0.0)),
            ("explain.alpha", options.alpha, Bound::AtLeast(1.0)),
            ("explain.gamma", options.gamma, Bound::AtLeast(0.0)),
            ("explain.baseline", options.baseline, Bound::Any),
            ("explain.sigma", options.sigma, Bound::AtLeast(0.0)),
            ("explain.fill", options.fill, Bound::Any),
            ("explain.low", options.low, Bound::Any),
            ("explain.high", options.high, Bound::Any),
        ] {
            invalid.extend(value.and_then(|value| number(key, value, bound)));
        }
        for (key, value, allowed) in
            [("explain.steps", options.steps, 1..=MOST_PASSES), ("explain.samples", options.samples, 1..=MOST_PASSES)]
        {
            invalid.extend(value.and_then(|value| count(key, value, allowed)));
        }
        invalid.extend(options.seed.and_then(|value| seed("explain.seed", value)));
        invalid.extend(options.reference.into_iter().flat_map(validate_reference));
        invalid.extend(self.validate_smoothing());
        let (low, high) = (options.low.unwrap_or(0.0), options.high.unwrap_or(1.0));
        if low >= high {
            let key = if options.low.is_some() { "explain.low" } else { "explain.high" };
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

    /// What cannot be carried out for this network: a composite that does not fit its layers, windows beyond its images.
    pub fn validate_for_network(&self, network: &NetworkSpec) -> Vec<Invalid> {
        let options = self.analyzer.options();
        let (side, layers) = (network.input.height.max(network.input.width), LayerSite::of(network).len());
        let counts = [
            ("explain.until", options.until, 0..=layers - 1),
            ("explain.window", options.window, 1..=side),
            ("explain.stride", options.stride, 1..=side),
        ];
        let mut invalid: Vec<Invalid> =
            counts.into_iter().filter_map(|(key, value, allowed)| count(key, value?, allowed)).collect();
        if let Some(entries) = options.composite.filter(|entries| !entries.is_empty()) {
            invalid.extend(entry::validate_for(&entries, network));
        }
        invalid
    }

    /// What cannot be carried out for networks of this task.
    pub fn validate_for(&self, task: Task) -> Vec<Invalid> {
        let referred = self.reference() != Reference::None;
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

    fn validate_smoothing(&self) -> Vec<Invalid> {
        let Some(Smoothing { samples, sigma, seed: noise, .. }) = self.smooth else { return Vec::new() };
        if matches!(self.analyzer, Analyzer::SmoothGrad { .. }) {
            let message = "`smoothgrad` takes the mean over noisy images already";
            let help = "leave `smooth` out, or use analyzer = \"gradient\"";
            return vec![Invalid::new("explain.smooth", message, help)];
        }
        let samples = count("explain.smooth.samples", samples, 1..=MOST_PASSES);
        let sigma = number("explain.smooth.sigma", sigma, Bound::AtLeast(0.0));
        [samples, sigma, seed("explain.smooth.seed", noise)].into_iter().flatten().collect()
    }

    /// An option that the analyzer does not take.
    fn refuse_unread(&self, key: &str) -> Invalid {
        let takers = Analyzer::NAMES.iter().filter(|name| Analyzer::takes(name).contains(&key));
        let takers = takers.copied().collect::<Vec<_>>().join(", ");
        Invalid::new(
            format!("explain.{key}"),
            format!("`{}` does not read `{key}`", self.analyzer.name()),
            format!("leave it out, or use an analyzer that reads it: {takers}"),
        )
    }
}

fn validate_reference(reference: Reference) -> Vec<Invalid> {
    const KEY: &str = "explain.reference";
    match reference {
        Reference::Years(years) | Reference::Flooding(years) => number(KEY, years, Bound::Any).into_iter().collect(),
        Reference::Ages([from, to]) => {
            let invalid: Vec<Invalid> = [from, to].into_iter().filter_map(|age| number(KEY, age, Bound::Any)).collect();
            if invalid.is_empty() && from > to {
                let message = format!("the ages from {} to {} are none", plain(from), plain(to));
                return vec![Invalid::new(KEY, message, "write the lower age first")];
            }
            invalid
        }
        Reference::None | Reference::OutputBias | Reference::Mean => Vec::new(),
    }
}

fn refuse_name(name: &str) -> Option<Invalid> {
    let unfit = name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control);
    unfit.then(|| {
        let message = format!("\"{}\" cannot be the name of an explanation", shown(name));
        let help = format!("use 1 to {LONGEST_NAME} characters without line breaks and other control characters");
        Invalid::new("explain.name", message, help)
    })
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
    fn an_unknown_analyzer_is_refused_with_those_that_exist() {
        let error = toml::from_str::<ExplainSettings>("analyzer = 'lrp.nonsense'").expect_err("no analyzer");
        assert!(error.message().contains("`lrp.nonsense`") && error.message().contains("`lrp.epsilon`"), "{error}");
    }

    #[test]
    fn what_is_written_is_serialised_and_nothing_else() {
        let text = "analyzer = \"occlusion\"\nsubset = \"test\"\nepsilon = 0.5\nwindow = 3\n";
        let settings = parse(text);
        assert_eq!(toml::to_string(&settings).expect("as TOML"), text);
        assert_eq!(settings.analyzer, Analyzer::Occlusion { window: Some(3), stride: None, fill: None });
        assert_eq!(settings.unread, Options { epsilon: Some(0.5), ..Options::default() });
    }

    #[test]
    fn names_are_short_lines_of_text() {
        let keys = |name: &str| {
            let settings = ExplainSettings { name: Some(name.into()), ..ExplainSettings::default() };
            settings.validate().into_iter().map(|invalid| invalid.key).collect::<Vec<_>>()
        };
        for fine in ["mine", "\u{3b5} = 0.1, d\u{e9}j\u{e0} vu", &"\u{4e00}".repeat(60)] {
            assert_eq!(keys(fine), [""; 0], "{fine:?}");
        }
        for unfit in ["", "  ", "two\nlines", "\u{1b}[31m", &"a".repeat(61)] {
            assert_eq!(keys(unfit), ["explain.name"], "{unfit:?}");
        }
    }

    #[test]
    fn seeds_of_noise_are_left_out_wherever_they_are() {
        let own = parse("analyzer = 'smoothgrad'\nseed = 3\nsigma = 0.5");
        assert_eq!(own.without_seeds(), parse("analyzer = 'smoothgrad'\nsigma = 0.5"));
        let smooth = parse("smooth = { seed = 3, samples = 2 }");
        assert_eq!(smooth.without_seeds(), parse("smooth = { seed = 0, samples = 2 }"));
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
