//! The registry of analyzers: every name that `explain.analyzer` may have, and what it stands for.
//!
//! Names beginning with `zennit.` are Zennit's composites (0.5.1) and give its maps, all others are iNNvestigate's (1.0.8,
//! 2.1.2) and give those.

use super::composite::{Activation, Composite, LayerKind, Selector, Start};
use super::method::{Method, SigmaUnit};
use super::rule::{Denominator, Rule};
use crate::spec::{Bias, ExplainSettings};

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
    Reference,
    Samples,
    Sigma,
    SigmaUnit,
    Seed,
    Window,
    Stride,
    Fill,
}

impl Parameter {
    pub const ALL: [Self; 15] = [
        Self::Epsilon,
        Self::Bias,
        Self::Alpha,
        Self::Gamma,
        Self::Low,
        Self::High,
        Self::Steps,
        Self::Reference,
        Self::Samples,
        Self::Sigma,
        Self::SigmaUnit,
        Self::Seed,
        Self::Window,
        Self::Stride,
        Self::Fill,
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
            Self::Reference => "reference",
            Self::Samples => "samples",
            Self::Sigma => "sigma",
            Self::SigmaUnit => "sigma_unit",
            Self::Seed => "seed",
            Self::Window => "window",
            Self::Stride => "stride",
            Self::Fill => "fill",
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
            Self::Reference => settings.reference.is_some(),
            Self::Samples => settings.samples.is_some(),
            Self::Sigma => settings.sigma.is_some(),
            Self::SigmaUnit => settings.sigma_unit.is_some(),
            Self::Seed => settings.seed.is_some(),
            Self::Window => settings.window.is_some(),
            Self::Stride => settings.stride.is_some(),
            Self::Fill => settings.fill.is_some(),
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
        (self.build)(settings)
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
    entry("lrp.sequential_preset_a", &[P::Epsilon, P::Bias], |s| preset(s, 1.0, 0.0).into()),
    entry("lrp.sequential_preset_a_flat", &[P::Epsilon, P::Bias], |s| preset(s, 1.0, 0.0).with_first(flat()).into()),
    entry("lrp.sequential_preset_b", &[P::Epsilon, P::Bias], |s| preset(s, 2.0, 1.0).into()),
    entry("lrp.sequential_preset_b_flat", &[P::Epsilon, P::Bias], |s| preset(s, 2.0, 1.0).with_first(flat()).into()),
    entry("lrp.epsilon", &[P::Epsilon, P::Bias], |s| Composite::uniform(Rule::epsilon(epsilon(s, 1e-7), bias(s))).into()),
    entry("lrp.epsilon_IB", &[P::Epsilon], |s| Composite::uniform(Rule::epsilon(epsilon(s, 1e-7), Bias::Ignore)).into()),
    entry("lrp.z", &[P::Bias], |s| Composite::uniform(Rule::z(bias(s))).into()),
    entry("lrp.z_IB", &[], |_| Composite::uniform(Rule::z(Bias::Ignore)).into()),
    entry("lrp.z_plus", &[], |_| Composite::uniform(Rule::z_plus()).into()),
    entry("lrp.z_plus_fast", &[], |_| Composite::uniform(Rule::z_plus_fast()).into()),
    entry("lrp.w_square", &[], |_| Composite::uniform(Rule::w_square(Denominator::Safe)).into()),
    entry("lrp.flat", &[], |_| Composite::uniform(flat()).into()),
    entry("lrp.alpha_beta", &[P::Alpha, P::Bias], |s| Composite::uniform(any_alpha_beta(s)).into()),
    entry("lrp.alpha_1_beta_0", &[P::Bias], |s| Composite::uniform(alpha_beta(1.0, 0.0, bias(s))).into()),
    entry("lrp.alpha_1_beta_0_IB", &[], |_| Composite::uniform(alpha_beta(1.0, 0.0, Bias::Ignore)).into()),
    entry("lrp.alpha_2_beta_1", &[P::Bias], |s| Composite::uniform(alpha_beta(2.0, 1.0, bias(s))).into()),
    entry("lrp.alpha_2_beta_1_IB", &[], |_| Composite::uniform(alpha_beta(2.0, 1.0, Bias::Ignore)).into()),
    entry("deep_taylor", &[], |_| deep_taylor().into()),
    entry("deep_taylor.bounded", &[P::Low, P::High], |s| deep_taylor().with_first(bounded(s, Denominator::Safe)).into()),
    entry("gradient", &[], |_| Composite::gradient(Start::One, Activation::Gradient).into()),
    entry("input_t_gradient", &[], |_| Method::InputTimesGradient),
    entry("integrated_gradients", &[P::Steps, P::Reference], |s| Method::IntegratedGradients {
        steps: s.steps.unwrap_or(64),
        reference: s.reference.unwrap_or(0.0),
    }),
    entry("smoothgrad", &[P::Samples, P::Sigma, P::SigmaUnit, P::Seed], |s| Method::SmoothGrad {
        samples: s.samples.unwrap_or(64),
        sigma: s.sigma.unwrap_or(0.1),
        unit: s.sigma_unit.unwrap_or(SigmaUnit::Relative),
        seed: s.seed.unwrap_or(0),
    }),
    entry("occlusion", &[P::Window, P::Stride, P::Fill], |s| Method::Occlusion {
        window: s.window.unwrap_or(7),
        stride: s.stride.unwrap_or(7),
        fill: s.fill.unwrap_or(0.8),
    }),
    entry("deconvnet", &[], |_| Composite::gradient(Start::Prediction, Activation::Deconvnet).into()),
    entry("guided_backprop", &[], |_| Composite::gradient(Start::Prediction, Activation::Guided).into()),
    entry("zennit.epsilon_plus", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 1.0, 0.0)).into()),
    entry("zennit.epsilon_plus_flat", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 1.0, 0.0)).with_first(Rule::flat(STABLE)).into()),
    entry("zennit.epsilon_alpha2_beta1", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 2.0, 1.0)).into()),
    entry("zennit.epsilon_alpha2_beta1_flat", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 2.0, 1.0)).with_first(Rule::flat(STABLE)).into()),
    entry("zennit.epsilon_gamma_box", &[P::Epsilon, P::Bias, P::Gamma, P::Low, P::High], |s| {
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

    #[test]
    fn names_are_unique_and_found() {
        for (index, name) in analyzer_names().enumerate() {
            assert_eq!(analyzer_names().position(|other| other == name), Some(index), "{name} twice");
            assert_eq!(analyzer(name).map(|analyzer| analyzer.name), Some(name));
        }
        assert!(analyzer("lrp.nonsense").is_none());
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
                Parameter::Reference => settings.reference = Some(0.5),
                Parameter::Samples => settings.samples = Some(3),
                Parameter::Sigma => settings.sigma = Some(0.25),
                Parameter::SigmaUnit => settings.sigma_unit = Some(SigmaUnit::Absolute),
                Parameter::Seed => settings.seed = Some(1),
                Parameter::Window => settings.window = Some(3),
                Parameter::Stride => settings.stride = Some(3),
                Parameter::Fill => settings.fill = Some(0.25),
            }
            settings
        };
        for analyzer in analyzers() {
            let own = analyzer.method(&ExplainSettings::default());
            for parameter in Parameter::ALL {
                let given = settings(parameter);
                assert!(parameter.is_given(&given));
                let changes = analyzer.method(&given) != own;
                assert_eq!(changes, analyzer.reads.contains(&parameter), "{} and {parameter:?}", analyzer.name);
            }
        }
    }
}
