//! The analyzers: every name that `explain.analyzer` may have, the options it takes, and what it stands for.
//!
//! Names beginning with `zennit.` are Zennit's composites (0.5.1) and give its maps, all others are iNNvestigate's (1.0.8,
//! 2.1.2) and give those.

use super::composite::{Activation, Composite, LayerKind, Selector, Start};
use super::entry::{self, CompositeEntry};
use super::method::{Method, SigmaUnit, Smoothing};
use super::reference::Reference;
use super::rule::{Denominator, Rule};
use super::section::Options;
use super::settings::Bias;

/// Declares the analyzers, one a line: the variant, its name in TOML, the options that it takes (fields of [`Options`]),
/// and its method under them.
macro_rules! analyzers {
    ($($variant:ident $name:literal { $($option:ident: $type:ty),* } => $method:expr;)*) => {
        /// A way to explain a prediction, with the options that it takes; none where its own default holds.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Analyzer {
            $($variant { $($option: Option<$type>),* },)*
        }

        impl Analyzer {
            /// The names of all analyzers.
            pub const NAMES: &[&'static str] = &[$($name),*];

            /// The analyzer called `name`, with those of the options that it takes; the others are left in `options`.
            pub fn new(name: &str, options: &mut Options) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant { $($option: options.$option.take()),* }),)*
                    _ => None,
                }
            }

            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }

            /// The keys of the options that the analyzer called `name` takes.
            pub fn takes(name: &str) -> &'static [&'static str] {
                match name {
                    $($name => &[$(stringify!($option)),*],)*
                    _ => &[],
                }
            }

            /// The options that were given.
            pub fn options(&self) -> Options {
                match self.clone() {
                    $(Self::$variant { $($option),* } => Options { $($option,)* ..Options::default() },)*
                }
            }

            /// What it does.
            pub fn method(&self) -> Method {
                match self {
                    // A reference acts on where relevance starts, not on the method.
                    $(Self::$variant { $($option),* } => {
                        $(let _ = $option;)*
                        $method
                    })*
                }
            }
        }
    };
}

analyzers! {
    LrpSequentialPresetA "lrp.sequential_preset_a" { epsilon: f64, bias: Bias, reference: Reference } =>
        preset(1.0, 0.0, *epsilon, *bias).into();
    LrpSequentialPresetAFlat "lrp.sequential_preset_a_flat" { epsilon: f64, bias: Bias, reference: Reference } =>
        preset(1.0, 0.0, *epsilon, *bias).with_first(flat()).into();
    LrpSequentialPresetB "lrp.sequential_preset_b" { epsilon: f64, bias: Bias, reference: Reference } =>
        preset(2.0, 1.0, *epsilon, *bias).into();
    LrpSequentialPresetBFlat "lrp.sequential_preset_b_flat" { epsilon: f64, bias: Bias, reference: Reference } =>
        preset(2.0, 1.0, *epsilon, *bias).with_first(flat()).into();
    LrpSequentialPresetBFlatUntilIdx "lrp.sequential_preset_b_flat_until_idx"
        { epsilon: f64, bias: Bias, until: usize, reference: Reference } =>
        preset(2.0, 1.0, *epsilon, *bias).with_first_layers(until.unwrap_or(0) + 1, &flat()).into();
    Lrp "lrp" { composite: Vec<CompositeEntry>, reference: Reference } =>
        entry::composite(composite.as_deref().unwrap_or_default()).into();
    LrpEpsilon "lrp.epsilon" { epsilon: f64, bias: Bias, reference: Reference } =>
        uniform(Rule::epsilon(epsilon.unwrap_or(1e-7), full(*bias)));
    LrpEpsilonIB "lrp.epsilon_IB" { epsilon: f64, reference: Reference } =>
        uniform(Rule::epsilon(epsilon.unwrap_or(1e-7), Bias::Ignore));
    LrpZ "lrp.z" { bias: Bias, reference: Reference } => uniform(Rule::z(full(*bias)));
    LrpZIB "lrp.z_IB" { reference: Reference } => uniform(Rule::z(Bias::Ignore));
    LrpZPlus "lrp.z_plus" { reference: Reference } => uniform(Rule::z_plus());
    LrpZPlusFast "lrp.z_plus_fast" { reference: Reference } => uniform(Rule::z_plus_fast());
    LrpWSquare "lrp.w_square" { reference: Reference } => uniform(Rule::w_square(Denominator::Safe));
    LrpFlat "lrp.flat" { reference: Reference } => uniform(flat());
    LrpAlphaBeta "lrp.alpha_beta" { alpha: f64, bias: Bias, reference: Reference } => {
        let alpha = alpha.unwrap_or(1.0);
        uniform(alpha_beta(alpha, alpha - 1.0, full(*bias)))
    };
    LrpAlpha1Beta0 "lrp.alpha_1_beta_0" { bias: Bias, reference: Reference } =>
        uniform(alpha_beta(1.0, 0.0, full(*bias)));
    LrpAlpha1Beta0IB "lrp.alpha_1_beta_0_IB" { reference: Reference } => uniform(alpha_beta(1.0, 0.0, Bias::Ignore));
    LrpAlpha2Beta1 "lrp.alpha_2_beta_1" { bias: Bias, reference: Reference } =>
        uniform(alpha_beta(2.0, 1.0, full(*bias)));
    LrpAlpha2Beta1IB "lrp.alpha_2_beta_1_IB" { reference: Reference } => uniform(alpha_beta(2.0, 1.0, Bias::Ignore));
    DeepTaylor "deep_taylor" {} => deep_taylor().into();
    DeepTaylorBounded "deep_taylor.bounded" { low: f64, high: f64 } =>
        deep_taylor().with_first(bounded(*low, *high, Denominator::Safe)).into();
    Gradient "gradient" {} => gradient();
    GradientBaseline "gradient.baseline" {} => gradient();
    InputTimesGradient "input_t_gradient" {} => Method::InputTimesGradient;
    IntegratedGradients "integrated_gradients" { steps: usize, baseline: f64 } =>
        Method::IntegratedGradients { steps: steps.unwrap_or(64), baseline: baseline.unwrap_or(0.0) };
    SmoothGrad "smoothgrad" { samples: usize, sigma: f64, sigma_unit: SigmaUnit, seed: u64 } => {
        let own = Smoothing::default();
        gradient().smoothed(Smoothing {
            samples: samples.unwrap_or(own.samples),
            sigma: sigma.unwrap_or(own.sigma),
            sigma_unit: sigma_unit.unwrap_or(own.sigma_unit),
            seed: seed.unwrap_or(own.seed),
        })
    };
    Occlusion "occlusion" { window: usize, stride: usize, fill: f64 } =>
        Method::Occlusion { window: window.unwrap_or(7), stride: stride.unwrap_or(7), fill: fill.unwrap_or(0.8) };
    Input "input" {} => Method::Input;
    Random "random" { seed: u64 } => Method::Random { seed: seed.unwrap_or(0) };
    Deconvnet "deconvnet" {} => Composite::gradient(Start::Prediction, Activation::Deconvnet).into();
    GuidedBackprop "guided_backprop" {} => Composite::gradient(Start::Prediction, Activation::Guided).into();
    ZennitEpsilonPlus "zennit.epsilon_plus" { epsilon: f64, bias: Bias, reference: Reference } =>
        zennit(zennit_alpha_beta(1.0, 0.0, *bias), *epsilon, *bias).into();
    ZennitEpsilonPlusFlat "zennit.epsilon_plus_flat" { epsilon: f64, bias: Bias, reference: Reference } =>
        zennit(zennit_alpha_beta(1.0, 0.0, *bias), *epsilon, *bias).with_first(Rule::flat(STABLE)).into();
    ZennitEpsilonAlpha2Beta1 "zennit.epsilon_alpha2_beta1" { epsilon: f64, bias: Bias, reference: Reference } =>
        zennit(zennit_alpha_beta(2.0, 1.0, *bias), *epsilon, *bias).into();
    ZennitEpsilonAlpha2Beta1Flat "zennit.epsilon_alpha2_beta1_flat" { epsilon: f64, bias: Bias, reference: Reference } =>
        zennit(zennit_alpha_beta(2.0, 1.0, *bias), *epsilon, *bias).with_first(Rule::flat(STABLE)).into();
    ZennitEpsilonGammaBox "zennit.epsilon_gamma_box"
        { epsilon: f64, bias: Bias, gamma: f64, low: f64, high: f64, reference: Reference } => {
        let gamma = Rule::gamma(gamma.unwrap_or(0.25), signed(*bias), STABLE);
        zennit(gamma, *epsilon, *bias).with_first(bounded(*low, *high, STABLE)).into()
    };
}

/// iNNvestigate's `LRPSequentialPreset*`: epsilon 0.1 on dense layers, alpha-beta on convolutions.
fn preset(alpha: f64, beta: f64, epsilon: Option<f64>, bias: Option<Bias>) -> Composite {
    let bias = full(bias);
    Composite::layered(alpha_beta(alpha, beta, bias), Rule::epsilon(epsilon.unwrap_or(0.1), bias))
}

fn uniform(rule: Rule) -> Method {
    Composite::uniform(rule).into()
}

fn alpha_beta(alpha: f64, beta: f64, bias: Bias) -> Rule {
    Rule::alpha_beta(alpha, beta, bias, Denominator::Safe)
}

fn gradient() -> Method {
    Composite::gradient(Start::One, Activation::Gradient).into()
}

/// Deep Taylor decomposition for ReLU networks (Montavon et al. 2017) as iNNvestigate has it: z+ on every layer, from a
/// prediction that is positive.
fn deep_taylor() -> Composite {
    Composite { start: Start::PositivePrediction, ..Composite::uniform(Rule::z_plus()) }
}

/// z^B for pixels between `low` (0) and `high` (1).
fn bounded(low: Option<f64>, high: Option<f64>, denominator: Denominator) -> Rule {
    Rule::z_bounded(low.unwrap_or(0.0), high.unwrap_or(1.0), denominator)
}

/// What Zennit adds to the denominators of all rules.
const STABLE: Denominator = Denominator::Epsilon(1e-6);

/// Zennit's composites: epsilon 1e-6 on dense layers, another rule on convolutions, and batch norm passed through.
fn zennit(conv: Rule, epsilon: Option<f64>, bias: Option<Bias>) -> Composite {
    Composite::lrp([
        (Selector::Kind(LayerKind::BatchNorm), Rule::pass()),
        (Selector::Kind(LayerKind::Conv), conv),
        (Selector::Kind(LayerKind::Dense), Rule::epsilon(epsilon.unwrap_or(1e-6), signed(bias))),
    ])
}

fn zennit_alpha_beta(alpha: f64, beta: f64, bias: Option<Bias>) -> Rule {
    Rule::alpha_beta(alpha, beta, signed(bias), STABLE)
}

/// What Zennit does with biases, unless told otherwise.
fn signed(bias: Option<Bias>) -> Bias {
    bias.unwrap_or(Bias::Signed)
}

/// What iNNvestigate does with biases, unless told otherwise.
fn full(bias: Option<Bias>) -> Bias {
    bias.unwrap_or(Bias::Full)
}

fn flat() -> Rule {
    Rule::flat(Denominator::Safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (index, name) in Analyzer::NAMES.iter().enumerate() {
            assert_eq!(Analyzer::NAMES.iter().position(|other| other == name), Some(index), "{name} twice");
            assert_eq!(Analyzer::new(name, &mut Options::default()).map(|analyzer| analyzer.name()), Some(*name));
        }
        assert!(Analyzer::new("lrp.nonsense", &mut Options::default()).is_none());
    }

    /// Every option with a value that is nobody's default, each alone.
    fn each_option() -> Vec<Options> {
        let none = Options::default;
        let entries = toml::from_str::<Options>("composite = [{ layer = 'any', rule = 'z' }]").expect("an option");
        vec![
            Options { epsilon: Some(0.75), ..none() },
            Options { bias: Some(Bias::Ignore), ..none() },
            Options { alpha: Some(1.25), ..none() },
            Options { gamma: Some(0.5), ..none() },
            Options { low: Some(-1.0), ..none() },
            Options { high: Some(2.0), ..none() },
            Options { steps: Some(3), ..none() },
            Options { baseline: Some(0.5), ..none() },
            Options { reference: Some(Reference::Years(50.0)), ..none() },
            Options { until: Some(2), ..none() },
            Options { samples: Some(3), ..none() },
            Options { sigma: Some(0.25), ..none() },
            Options { sigma_unit: Some(SigmaUnit::Absolute), ..none() },
            Options { seed: Some(1), ..none() },
            Options { window: Some(3), ..none() },
            Options { stride: Some(3), ..none() },
            Options { fill: Some(0.25), ..none() },
            entries,
        ]
    }

    /// Whoever takes an option propagates differently under another value, and nobody else can see it.
    #[test]
    fn an_analyzer_reads_exactly_what_it_declares() {
        let options = each_option();
        let keys: Vec<_> = options.iter().flat_map(Options::given).collect();
        assert_eq!(keys, Options::KEYS, "each option is tried");
        for name in Analyzer::NAMES {
            let own = Analyzer::new(name, &mut Options::default()).expect(name);
            for (option, key) in options.iter().zip(&keys) {
                let mut left = option.clone();
                let analyzer = Analyzer::new(name, &mut left).expect(name);
                let taken = Analyzer::takes(name).contains(key);
                let kept = if taken { (option.clone(), vec![]) } else { (Options::default(), vec![*key]) };
                assert_eq!((analyzer.options(), left.given().collect()), kept, "{name} and {key}");
                let changes = match *key {
                    "reference" => analyzer.method().relevance().is_some(),
                    _ => analyzer.method() != own.method(),
                };
                assert_eq!(changes, taken, "{name} and {key}");
            }
        }
    }
}
