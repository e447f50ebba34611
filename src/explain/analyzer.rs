//! The registry of analyzers: every name that `explain.analyzer` may have, and what it stands for.
//!
//! Names beginning with `zennit.` are Zennit's composites (0.5.1) and give its maps, all others are iNNvestigate's (1.0.8,
//! 2.1.2) and give those.

use super::composite::{Activation, Composite, LayerKind, Selector, Start};
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
}

impl Parameter {
    pub const ALL: [Self; 6] = [Self::Epsilon, Self::Bias, Self::Alpha, Self::Gamma, Self::Low, Self::High];

    /// Its key in `[explain]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Bias => "bias",
            Self::Alpha => "alpha",
            Self::Gamma => "gamma",
            Self::Low => "low",
            Self::High => "high",
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
        }
    }
}

/// A way to explain a prediction.
#[derive(Debug, Clone, Copy)]
pub struct Analyzer {
    pub name: &'static str,
    /// The settings it reads; giving any other is a mistake.
    pub reads: &'static [Parameter],
    build: fn(&ExplainSettings) -> Composite,
}

impl Analyzer {
    /// What it does under `settings`.
    pub fn composite(&self, settings: &ExplainSettings) -> Composite {
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

const fn entry(name: &'static str, reads: &'static [Parameter], build: fn(&ExplainSettings) -> Composite) -> Analyzer {
    Analyzer { name, reads, build }
}

use Parameter as P;

#[rustfmt::skip]
const ANALYZERS: &[Analyzer] = &[
    entry("lrp.sequential_preset_a", &[P::Epsilon, P::Bias], |s| preset(s, 1.0, 0.0)),
    entry("lrp.sequential_preset_a_flat", &[P::Epsilon, P::Bias], |s| preset(s, 1.0, 0.0).with_first(flat())),
    entry("lrp.sequential_preset_b", &[P::Epsilon, P::Bias], |s| preset(s, 2.0, 1.0)),
    entry("lrp.sequential_preset_b_flat", &[P::Epsilon, P::Bias], |s| preset(s, 2.0, 1.0).with_first(flat())),
    entry("lrp.epsilon", &[P::Epsilon, P::Bias], |s| Composite::uniform(Rule::epsilon(epsilon(s, 1e-7), bias(s)))),
    entry("lrp.epsilon_IB", &[P::Epsilon], |s| Composite::uniform(Rule::epsilon(epsilon(s, 1e-7), Bias::Ignore))),
    entry("lrp.z", &[P::Bias], |s| Composite::uniform(Rule::z(bias(s)))),
    entry("lrp.z_IB", &[], |_| Composite::uniform(Rule::z(Bias::Ignore))),
    entry("lrp.z_plus", &[], |_| Composite::uniform(Rule::z_plus())),
    entry("lrp.z_plus_fast", &[], |_| Composite::uniform(Rule::z_plus_fast())),
    entry("lrp.w_square", &[], |_| Composite::uniform(Rule::w_square(Denominator::Safe))),
    entry("lrp.flat", &[], |_| Composite::uniform(flat())),
    entry("lrp.alpha_beta", &[P::Alpha, P::Bias], |s| Composite::uniform(any_alpha_beta(s))),
    entry("lrp.alpha_1_beta_0", &[P::Bias], |s| Composite::uniform(alpha_beta(1.0, 0.0, bias(s)))),
    entry("lrp.alpha_1_beta_0_IB", &[], |_| Composite::uniform(alpha_beta(1.0, 0.0, Bias::Ignore))),
    entry("lrp.alpha_2_beta_1", &[P::Bias], |s| Composite::uniform(alpha_beta(2.0, 1.0, bias(s)))),
    entry("lrp.alpha_2_beta_1_IB", &[], |_| Composite::uniform(alpha_beta(2.0, 1.0, Bias::Ignore))),
    entry("deep_taylor", &[], |_| deep_taylor()),
    entry("deep_taylor.bounded", &[P::Low, P::High], |s| deep_taylor().with_first(bounded(s, Denominator::Safe))),
    entry("gradient", &[], |_| Composite::gradient(Start::One, Activation::Gradient)),
    entry("deconvnet", &[], |_| Composite::gradient(Start::Prediction, Activation::Deconvnet)),
    entry("guided_backprop", &[], |_| Composite::gradient(Start::Prediction, Activation::Guided)),
    entry("zennit.epsilon_plus", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 1.0, 0.0))),
    entry("zennit.epsilon_plus_flat", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 1.0, 0.0)).with_first(Rule::flat(STABLE))),
    entry("zennit.epsilon_alpha2_beta1", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 2.0, 1.0))),
    entry("zennit.epsilon_alpha2_beta1_flat", &[P::Epsilon, P::Bias], |s| zennit(s, zennit_alpha_beta(s, 2.0, 1.0)).with_first(Rule::flat(STABLE))),
    entry("zennit.epsilon_gamma_box", &[P::Epsilon, P::Bias, P::Gamma, P::Low, P::High], |s| {
        let gamma = Rule::gamma(s.gamma.unwrap_or(0.25), zennit_bias(s), STABLE);
        zennit(s, gamma).with_first(bounded(s, STABLE))
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
            }
            settings
        };
        for analyzer in analyzers() {
            let own = analyzer.composite(&ExplainSettings::default());
            for parameter in Parameter::ALL {
                let given = settings(parameter);
                assert!(parameter.is_given(&given));
                let changes = analyzer.composite(&given) != own;
                assert_eq!(changes, analyzer.reads.contains(&parameter), "{} and {parameter:?}", analyzer.name);
            }
        }
    }
}
