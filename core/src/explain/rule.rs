//! Propagation rules as data: how a layer's relevance is shared among its inputs.
//!
//! Notation: x input of the layer, W weights, b bias, z = W x + b, R relevance of the layer's output; W+ and W- the
//! positive and negative parts; W^T s the transposed layer applied to s. One engine carries out every rule:
//!
//! ```text
//! for each pass:  d = sum over terms W_t x_t + b_p          the denominator
//!                 s = gate(R) / stabilised(d)
//!                 R_in += coefficient * sum over terms x_t * W_t^T s
//! ```

use crate::explain::Bias;

/// What a term takes of the layer's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InputPart {
    All,
    /// max(x, 0).
    Positive,
    /// min(x, 0).
    Negative,
    /// The same number everywhere, whatever the input is.
    Constant(f64),
}

/// What a term takes of the layer's weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightPart {
    All,
    /// max(W, 0).
    Positive,
    /// min(W, 0).
    Negative,
    /// W^2.
    Square,
    /// 1 for every weight.
    One,
    /// W + g max(W, 0).
    FavourPositive(f64),
    /// W + g min(W, 0).
    FavourNegative(f64),
}

/// What the denominator takes of the layer's bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BiasPart {
    None,
    All,
    /// max(b, 0).
    Positive,
    /// min(b, 0).
    Negative,
    /// b + g max(b, 0).
    FavourPositive(f64),
    /// b + g min(b, 0).
    FavourNegative(f64),
}

/// What relevance is divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Denominator {
    /// d, and 1e-7 where d = 0 (iNNvestigate's `safe_divide`).
    Safe,
    /// d + eps sgn(d) with sgn(0) = +1.
    Epsilon(f64),
    /// 1: nothing is divided.
    One,
}

/// Which outputs of the layer take part in a pass, by the sign of their own z = W x + b.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Always,
    Positive,
    Negative,
}

/// One product of a part of the input and a part of the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    pub input: InputPart,
    pub weight: WeightPart,
}

/// A share of the relevance, distributed in proportion to the terms' contributions.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    pub coefficient: f64,
    pub terms: Vec<Term>,
    pub bias: BiasPart,
    pub denominator: Denominator,
    pub gate: Gate,
}

/// A rule: the sum of its passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub passes: Vec<Pass>,
}

fn pass<const N: usize>(terms: [(InputPart, WeightPart); N], bias: BiasPart, denominator: Denominator) -> Pass {
    let terms = terms.into_iter().map(|(input, weight)| Term { input, weight }).collect();
    Pass { coefficient: 1.0, terms, bias, denominator, gate: Gate::Always }
}

fn all_or_none(bias: Bias) -> BiasPart {
    match bias {
        Bias::Full | Bias::Signed => BiasPart::All,
        Bias::Ignore => BiasPart::None,
    }
}

impl Rule {
    /// R_in = x * W^T[R / z]: LRP-0 (Bach et al. 2015, doi 10.1371/journal.pone.0130140, eq. 56; iNNvestigate's `Z`).
    pub fn z(bias: Bias) -> Self {
        let terms = [(InputPart::All, WeightPart::All)];
        Self { passes: vec![pass(terms, all_or_none(bias), Denominator::Safe)] }
    }

    /// R_in = x * W^T[R / (z + eps sgn z)] (Bach et al. 2015, eq. 58). `epsilon` is in units of z: at the output
    /// layer in years.
    pub fn epsilon(epsilon: f64, bias: Bias) -> Self {
        let terms = [(InputPart::All, WeightPart::All)];
        Self { passes: vec![pass(terms, all_or_none(bias), Denominator::Epsilon(epsilon))] }
    }

    /// R_in = alpha (what excites) - beta (what inhibits), each shared in proportion (Bach et al. 2015, eq. 60).
    ///
    /// The excitation is P = x+ W+ + x- W-, the inhibition N = x+ W- + x- W+. With [`Bias::Full`] b is added to both
    /// (iNNvestigate), with [`Bias::Signed`] b+ to P and b- to N (Zennit), with [`Bias::Ignore`] to neither.
    pub fn alpha_beta(alpha: f64, beta: f64, bias: Bias, denominator: Denominator) -> Self {
        let (excites, inhibits) = match bias {
            Bias::Full => (BiasPart::All, BiasPart::All),
            Bias::Signed => (BiasPart::Positive, BiasPart::Negative),
            Bias::Ignore => (BiasPart::None, BiasPart::None),
        };
        let positive = [(InputPart::Positive, WeightPart::Positive), (InputPart::Negative, WeightPart::Negative)];
        let negative = [(InputPart::Positive, WeightPart::Negative), (InputPart::Negative, WeightPart::Positive)];
        let mut passes = vec![Pass { coefficient: alpha, ..pass(positive, excites, denominator) }];
        if beta != 0.0 {
            passes.push(Pass { coefficient: -beta, ..pass(negative, inhibits, denominator) });
        }
        Self { passes }
    }

    /// alpha 1, beta 0 without bias (Montavon et al. 2017, doi 10.1016/j.patcog.2016.11.008, eq. 13).
    pub fn z_plus() -> Self {
        Self::alpha_beta(1.0, 0.0, Bias::Ignore, Denominator::Safe)
    }

    /// z+ for inputs known to be positive: x * W+^T[R / (W+ x)] (iNNvestigate's `ZPlusFast`).
    pub fn z_plus_fast() -> Self {
        let terms = [(InputPart::All, WeightPart::Positive)];
        Self { passes: vec![pass(terms, BiasPart::None, Denominator::Safe)] }
    }

    /// (W^2)^T[R / (W^2 1)]: shares by squared weights, whatever the input is (Montavon et al. 2017, eq. 11).
    pub fn w_square(denominator: Denominator) -> Self {
        let terms = [(InputPart::Constant(1.0), WeightPart::Square)];
        Self { passes: vec![pass(terms, BiasPart::None, denominator)] }
    }

    /// Equal shares for all inputs of an output (Lapuschkin et al. 2019, doi 10.1038/s41467-019-08987-4).
    pub fn flat(denominator: Denominator) -> Self {
        let terms = [(InputPart::Constant(1.0), WeightPart::One)];
        Self { passes: vec![pass(terms, BiasPart::None, denominator)] }
    }

    /// z^B for inputs between `low` and `high`: Z = W x - W+ low - W- high, shared by these three contributions
    /// (Montavon et al. 2017, eq. 15). For the layer at the input.
    pub fn z_bounded(low: f64, high: f64, denominator: Denominator) -> Self {
        let terms = [
            (InputPart::All, WeightPart::All),
            (InputPart::Constant(-low), WeightPart::Positive),
            (InputPart::Constant(-high), WeightPart::Negative),
        ];
        Self { passes: vec![pass(terms, BiasPart::None, denominator)] }
    }

    /// Favours what agrees with the sign of z by a factor 1 + gamma (Montavon et al. 2019,
    /// doi 10.1007/978-3-030-28954-6_10; for inputs of both signs as in Zennit's `Gamma`).
    pub fn gamma(gamma: f64, bias: Bias, denominator: Denominator) -> Self {
        let (favour_positive, favour_negative) = match bias {
            Bias::Full | Bias::Signed => (BiasPart::FavourPositive(gamma), BiasPart::FavourNegative(gamma)),
            Bias::Ignore => (BiasPart::None, BiasPart::None),
        };
        let (up, down) = (WeightPart::FavourPositive(gamma), WeightPart::FavourNegative(gamma));
        let positive = [(InputPart::Positive, up), (InputPart::Negative, down)];
        let negative = [(InputPart::Positive, down), (InputPart::Negative, up)];
        Self {
            passes: vec![
                Pass { gate: Gate::Positive, ..pass(positive, favour_positive, denominator) },
                Pass { gate: Gate::Negative, ..pass(negative, favour_negative, denominator) },
            ],
        }
    }

    /// The bounds of the layer's input that the rule is meant for, where it has such: those of z^B.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        let [Pass { terms, .. }] = &self.passes[..] else { return None };
        match terms[..] {
            [
                Term { input: InputPart::All, weight: WeightPart::All },
                Term { input: InputPart::Constant(low), weight: WeightPart::Positive },
                Term { input: InputPart::Constant(high), weight: WeightPart::Negative },
            ] => Some([-low, -high]),
            _ => None,
        }
    }

    /// R_in = W^T R: the chain rule, with which relevance is a gradient.
    pub fn gradient() -> Self {
        let terms = [(InputPart::Constant(1.0), WeightPart::All)];
        Self { passes: vec![pass(terms, BiasPart::None, Denominator::One)] }
    }

    /// R_in = R, for a layer that scales every value by itself (Zennit's `Pass` on batch norm).
    pub fn pass() -> Self {
        let terms = [(InputPart::Constant(1.0), WeightPart::One)];
        Self { passes: vec![pass(terms, BiasPart::None, Denominator::One)] }
    }
}
