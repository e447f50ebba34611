//! The registry of analyzers: every name that `explain.analyzer` may have, and what it stands for.
//!
//! Names beginning with `zennit.` are Zennit's composites (0.5.1) and give its maps, all others are iNNvestigate's (1.0.8,
//! 2.1.2) and give those.

use super::composite::{Activation, Composite, LayerKind, Selector, Start};
use super::method::{Method, Smoothing};
use super::rule::{Denominator, Rule};
use crate::explain::{Bias, ExplainSettings};

/// A setting that some analyzers read and others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    Epsilon,
    Bias,
    Alpha,
    Gamma,
    Low,
    High,
    Steps,
    Baseline,
    Reference,
    Until,
    Samples,
    Sigma,
    SigmaUnit,
    Seed,
    Window,
    Stride,
    Fill,
    Composite,
}

impl Parameter {
    pub const ALL: [Self; 18] = [
        Self::Epsilon,
        Self::Bias,
        Self::Alpha,
        Self::Gamma,
        Self::Low,
        Self::High,
        Self::Steps,
        Self::Baseline,
        Self::Reference,
        Self::Until,
        Self::Samples,
        Self::Sigma,
        Self::SigmaUnit,
        Self::Seed,
        Self::Window,
        Self::Stride,
        Self::Fill,
        Self::Composite,
    ];

    /// Its key in `[explain]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Bias => "bias",
            Self::Alpha => "alpha",
            Self::Gamma => "gamma",
            Self::Low => "low",
            Self::High => "high",
            Self::Steps => "steps",
            Self::Baseline => "baseline",
            Self::Reference => "reference",
            Self::Until => "until",
            Self::Samples => "samples",
            Self::Sigma => "sigma",
            Self::SigmaUnit => "sigma_unit",
            Self::Seed => "seed",
            Self::Window => "window",
            Self::Stride => "stride",
            Self::Fill => "fill",
            Self::Composite => "composite",
        }
    }

    /// Whether `settings` give it.
    pub fn is_given(self, settings: &ExplainSettings) -> bool {
        match self {
            Self::Epsilon => settings.epsilon.is_some(),
            Self::Bias => settings.bias.is_some(),
            Self::Alpha => settings.alpha.is_some(),
            Self::Gamma => settings.gamma.is_some(),
            Self::Low => settings.low.is_some(),
            Self::High => settings.high.is_some(),
            Self::Steps => settings.steps.is_some(),
            Self::Baseline => settings.baseline.is_some(),
            Self::Reference => settings.reference.is_some(),
            Self::Until => settings.until.is_some(),
            Self::Samples => settings.samples.is_some(),
            Self::Sigma => settings.sigma.is_some(),
            Self::SigmaUnit => settings.sigma_unit.is_some(),
            Self::Seed => settings.seed.is_some(),
            Self::Window => settings.window.is_some(),
            Self::Stride => settings.stride.is_some(),
            Self::Fill => settings.fill.is_some(),
            Self::Composite => settings.composite.is_some(),
        }
    }
}

/// A way to explain a prediction.
#[derive(Debug, Clone, Copy)]
pub struct Analyzer {
    pub name: &'static str,
    /// The settings it reads; giving any other is a mistake.
    pub reads: &'static [Parameter],
    build: fn(&ExplainSettings) -> Method,
}

impl Analyzer {
    /// What it does under `settings`.
    pub fn method(&self, settings: &ExplainSettings) -> Method {
        let method = (self.build)(settings);
        match settings.smooth {
            Some(smoothing) => method.smoothed(smoothing),
            None => method,
        }
    }
}

/// The analyzer called `name`.
pub fn analyzer(name: &str) -> Option<&'static Analyzer> {
    ANALYZERS.iter().find(|analyzer| analyzer.name == name)
}

/// All analyzers.
pub fn analyzers() -> &'static [Analyzer] {
    ANALYZERS
}

/// The names of all analyzers.
pub fn analyzer_names() -> impl Iterator<Item = &'static str> {
    ANALYZERS.iter().map(|analyzer| analyzer.name)
}

const fn entry(name: &'static str, reads: &'static [Parameter], build: fn(&ExplainSettings) -> Method) -> Analyzer {
    Analyzer { name, reads, build }
}

use Parameter as P;

#[rustfmt::skip]
const ANALYZERS: &[Analyzer] = &[
    entry("lrp.sequential_preset_a", &[P::Epsilon, P::Bias, P::Reference], |s| preset(s, 1.0, 0.0).into()),
    entry("lrp.sequential_preset_a_flat", &[P::Epsilon, P::Bias, P::Reference], |s| preset(s, 1.0, 0.0).with_first(flat()).into()),
    entry("lrp.sequential_preset_b", &[P::Epsilon, P::Bias, P::Reference], |s| preset(s, 2.0, 1.0).into()),
    entry("lrp.sequential_preset_b_flat", &[P::Epsilon, P::Bias, P::Reference], |s| preset(s, 2.0, 1.0).with_first(flat()).into()),
    entry("lrp.sequential_preset_b_flat_until_idx", &[P::Epsilon, P::Bias, P::Until, P::Reference], |s| preset(s, 2.0, 1.0).with_first_layers(s.until.unwrap_or(0) + 1, &flat()).into()),
    entry("lrp", &[P::Composite, P::Reference], |s| s.own_composite().into()),
    entry("lrp.epsilon", &[P::Epsilon, P::Bias, P::Reference], |s| Composite::uniform(Rule::epsilon(epsilon(s, 1e-7), bias(s))).into()),
    entry("lrp.epsilon_IB", &[P::Epsilon, P::Reference], |s| Composite::uniform(Rule::epsilon(epsilon(s, 1e-7), Bias::Ignore)).into()),
    entry("lrp.z", &[P::Bias, P::Reference], |s| Composite::uniform(Rule::z(bias(s))).into()),
    entry("lrp.z_IB", &[P::Reference], |_| Composite::uniform(Rule::z(Bias::Ignore)).into()),
    entry("lrp.z_plus", &[P::Reference], |_| Composite::uniform(Rule::z_plus()).into()),
    entry("lrp.z_plus_fast", &[P::Reference], |_| Composite::uniform(Rule::z_plus_fast()).into()),
    entry("lrp.w_square", &[P::Reference], |_| Composite::uniform(Rule::w_square(Denominator::Safe)).into()),
    entry("lrp.flat", &[P::Reference], |_| Composite::uniform(flat()).into()),
    entry("lrp.alpha_beta", &[P::Alpha, P::Bias, P::Reference], |s| Composite::uniform(any_alpha_beta(s)).into()),
    entry("lrp.alpha_1_beta_0", &[P::Bias, P::Reference], |s| Composite::uniform(alpha_beta(1.0, 0.0, bias(s))).into()),
    entry("lrp.alpha_1_beta_0_IB", &[P::Reference], |_| Composite::uniform(alpha_beta(1.0, 0.0, Bias::Ignore)).into()),
    entry("lrp.alpha_2_beta_1", &[P::Bias, P::Reference], |s| Composite::uniform(alpha_beta(2.0, 1.0, bias(s))).into()),
    entry("lrp.alpha_2_beta_1_IB", &[P::Reference], |_| Composite::uniform(alpha_beta(2.0, 1.0, Bias::Ignore)).into()),
    entry("deep_taylor", &[], |_| deep_taylor().into()),
    entry("deep_taylor.bounded", &[P::Low, P::High], |s| deep_taylor().with_first(bounded(s, Denominator::Safe)).into()),
    entry("gradient", &[], |_| Composite::gradient(Start::One, Activation::Gradient).into()),
    entry("gradient.baseline", &[], |_| Composite::gradient(Start::One, Activation::Gradient).into()),
    entry("input_t_gradient", &[], |_| Method::InputTimesGradient),
    entry("integrated_gradients", &[P::Steps, P::Baseline], |s| Method::IntegratedGradients {
        steps: s.steps.unwrap_or(64),
        baseline: s.baseline.unwrap_or(0.0),
    }),
    entry("smoothgrad", &[P::Samples, P::Sigma, P::SigmaUnit, P::Seed], |s| {
        let own = Smoothing::default();
        let gradient = Method::from(Composite::gradient(Start::One, Activation::Gradient));
        gradient.smoothed(Smoothing {
            samples: s.samples.unwrap_or(own.samples),
            sigma: s.sigma.unwrap_or(own.sigma),
            sigma_unit: s.sigma_unit.unwrap_or(own.sigma_unit),
            seed: s.seed.unwrap_or(own.seed),
        })
    }),
    entry("occlusion", &[P::Window, P::Stride, P::Fill], |s| Method::Occlusion {
        window: s.window.unwrap_or(7),
        stride: s.stride.unwrap_or(7),
        fill: s.fill.unwrap_or(0.8),
    }),
    entry("input", &[], |_| Method::Input),
    entry("random", &[P::Seed], |s| Method::Random { seed: s.seed.unwrap_or(0) }),
    entry("deconvnet", &[], |_| Composite::gradient(Start::Prediction, Activation::Deconvnet).into()),
    entry("guided_backprop", &[], |_| Composite::gradient(Start::Prediction, Activation::Guided).into()),
    entry("zennit.epsilon_plus", &[P::Epsilon, P::Bias, P::Reference], |s| zennit(s, zennit_alpha_beta(s, 1.0, 0.0)).into()),
    entry("zennit.epsilon_plus_flat", &[P::Epsilon, P::Bias, P::Reference], |s| zennit(s, zennit_alpha_beta(s, 1.0, 0.0)).with_first(Rule::flat(STABLE)).into()),
    entry("zennit.epsilon_alpha2_beta1", &[P::Epsilon, P::Bias, P::Reference], |s| zennit(s, zennit_alpha_beta(s, 2.0, 1.0)).into()),
    entry("zennit.epsilon_alpha2_beta1_flat", &[P::Epsilon, P::Bias, P::Reference], |s| zennit(s, zennit_alpha_beta(s, 2.0, 1.0)).with_first(Rule::flat(STABLE)).into()),
    entry("zennit.epsilon_gamma_box", &[P::Epsilon, P::Bias, P::Gamma, P::Low, P::High, P::Reference], |s| {
        let gamma = Rule::gamma(s.gamma.unwrap_or(0.25), zennit_bias(s), STABLE);
        zennit(s, gamma).with_first(bounded(s, STABLE)).into()
    }),
];

/// iNNvestigate's `LRPSequentialPreset*`: epsilon 0.1 on dense layers, alpha-beta on convolutions.
fn preset(settings: &ExplainSettings, alpha: f64, beta: f64) -> Composite {
    let bias = bias(settings);
    Composite::layered(alpha_beta(alpha, beta, bias), Rule::epsilon(epsilon(settings, 0.1), bias))
}

fn alpha_beta(alpha: f64, beta: f64, bias: Bias) -> Rule {
    Rule::alpha_beta(alpha, beta, bias, Denominator::Safe)
}

/// alpha as given, and beta = alpha - 1.
fn any_alpha_beta(settings: &ExplainSettings) -> Rule {
    let alpha = settings.alpha.unwrap_or(1.0);
    alpha_beta(alpha, alpha - 1.0, bias(settings))
}

/// Deep Taylor decomposition for ReLU networks (Montavon et al. 2017) as iNNvestigate has it: z+ on every layer, from a
/// prediction that is positive.
fn deep_taylor() -> Composite {
    Composite { start: Start::PositivePrediction, ..Composite::uniform(Rule::z_plus()) }
}

/// z^B for pixels between `low` (0) and `high` (1).
fn bounded(settings: &ExplainSettings, denominator: Denominator) -> Rule {
    Rule::z_bounded(settings.low.unwrap_or(0.0), settings.high.unwrap_or(1.0), denominator)
}

/// What Zennit adds to the denominators of all rules.
const STABLE: Denominator = Denominator::Epsilon(1e-6);

/// Zennit's composites: epsilon 1e-6 on dense layers, another rule on convolutions, and batch norm passed through.
fn zennit(settings: &ExplainSettings, conv: Rule) -> Composite {
    Composite::lrp([
        (Selector::Kind(LayerKind::BatchNorm), Rule::pass()),
        (Selector::Kind(LayerKind::Conv), conv),
        (Selector::Kind(LayerKind::Dense), Rule::epsilon(epsilon(settings, 1e-6), zennit_bias(settings))),
    ])
}

fn zennit_alpha_beta(settings: &ExplainSettings, alpha: f64, beta: f64) -> Rule {
    Rule::alpha_beta(alpha, beta, zennit_bias(settings), STABLE)
}

fn zennit_bias(settings: &ExplainSettings) -> Bias {
    settings.bias.unwrap_or(Bias::Signed)
}

fn epsilon(settings: &ExplainSettings, own: f64) -> f64 {
    settings.epsilon.unwrap_or(own)
}

fn bias(settings: &ExplainSettings) -> Bias {
    settings.bias.unwrap_or(Bias::Full)
}

fn flat() -> Rule {
    Rule::flat(Denominator::Safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::SigmaUnit;
    use crate::explain::{CompositeEntry, Reference};

    #[test]
    fn names_are_unique_and_found() {
        for (index, name) in analyzer_names().enumerate() {
            assert_eq!(analyzer_names().position(|other| other == name), Some(index), "{name} twice");
            assert_eq!(analyzer(name).map(|analyzer| analyzer.name), Some(name));
        }
        assert!(analyzer("lrp.nonsense").is_none());
    }

    fn entries() -> Vec<CompositeEntry> {
        let settings = toml::from_str::<ExplainSettings>("composite = [{ layer = 'any', rule = 'z' }]");
        settings.expect("well-formed settings").composite.expect("a composite")
    }

    /// Whoever reads a parameter propagates differently under another value, and nobody else does.
    #[test]
    fn an_analyzer_reads_exactly_what_it_declares() {
        let settings = |parameter| {
            let mut settings = ExplainSettings::default();
            match parameter {
                Parameter::Epsilon => settings.epsilon = Some(0.75),
                Parameter::Bias => settings.bias = Some(Bias::Ignore),
                Parameter::Alpha => settings.alpha = Some(1.25),
                Parameter::Gamma => settings.gamma = Some(0.5),
                Parameter::Low => settings.low = Some(-1.0),
                Parameter::High => settings.high = Some(2.0),
                Parameter::Steps => settings.steps = Some(3),
                Parameter::Baseline => settings.baseline = Some(0.5),
                Parameter::Reference => settings.reference = Some(Reference::Years(50.0)),
                Parameter::Until => settings.until = Some(2),
                Parameter::Samples => settings.samples = Some(3),
                Parameter::Sigma => settings.sigma = Some(0.25),
                Parameter::SigmaUnit => settings.sigma_unit = Some(SigmaUnit::Absolute),
                Parameter::Seed => settings.seed = Some(1),
                Parameter::Window => settings.window = Some(3),
                Parameter::Stride => settings.stride = Some(3),
                Parameter::Fill => settings.fill = Some(0.25),
                Parameter::Composite => settings.composite = Some(entries()),
            }
            settings
        };
        for analyzer in analyzers() {
            let own = analyzer.method(&ExplainSettings::default());
            for parameter in Parameter::ALL {
                let given = settings(parameter);
                assert!(parameter.is_given(&given));
                let changes = match parameter {
                    // It acts on where relevance starts, not on the method.
                    Parameter::Reference => analyzer.method(&given).relevance().is_some(),
                    _ => analyzer.method(&given) != own,
                };
                assert_eq!(changes, analyzer.reads.contains(&parameter), "{} and {parameter:?}", analyzer.name);
            }
        }
    }
}
