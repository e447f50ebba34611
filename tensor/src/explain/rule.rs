//! The engine: carries out any [`Rule`] on one linear layer.

use tch::Tensor;
use xdlreg::explain::{BiasPart, Denominator, Gate, InputPart, Pass, Rule, WeightPart};

use super::linear::{Linear, Part};
use super::relevance::Relevance;

/// A rule with the parts of one layer's weights that it needs, computed once.
#[derive(Debug)]
pub(super) struct LayerRule {
    passes: Vec<LayerPass>,
}

#[derive(Debug)]
struct LayerPass {
    coefficient: f64,
    terms: Vec<(InputPart, Part)>,
    divisor: Divisor,
    denominator: Denominator,
    gate: Gate,
}

/// Where the denominator comes from.
#[derive(Debug)]
enum Divisor {
    /// It is the layer's own output, known from the forward pass.
    Output,
    /// It depends on the weights alone: `[1, filters, rows, columns]` or `[1, outputs]`.
    Fixed(Tensor),
    /// The terms are applied to the input; what does not depend on it is an offset of the same shapes.
    Terms { bias: Option<Tensor>, offset: Option<Tensor> },
}

impl LayerRule {
    /// Prepares `rule` for `linear`.
    ///
    /// `input` has the shape of the layer's input with a batch of 1. Parts of the input that are known to be zero are
    /// left out where `non_negative` says that no input is below zero.
    pub fn new(rule: &Rule, linear: &Linear, input: &Tensor, non_negative: bool) -> Self {
        let passes = rule.passes.iter().filter_map(|pass| LayerPass::new(pass, linear, input, non_negative)).collect();
        Self { passes }
    }

    /// Whether the rule looks at the layer's output.
    pub fn needs_output(&self) -> bool {
        self.passes.iter().any(|pass| {
            pass.gate != Gate::Always
                || (pass.denominator != Denominator::One && matches!(pass.divisor, Divisor::Output))
        })
    }

    /// Relevance of the layer's input, given its input x, its output z (if needed) and the relevance of its output.
    pub fn propagate(&self, x: &Tensor, z: Option<&Tensor>, relevance: &Relevance) -> Tensor {
        let mut total: Option<Tensor> = None;
        for pass in &self.passes {
            let share = pass.quotient(x, z, relevance);
            for (input, part) in &pass.terms {
                let mut contribution = part.transpose(&share);
                match input {
                    InputPart::Constant(1.0) => {}
                    InputPart::Constant(value) => contribution *= *value,
                    InputPart::All => contribution *= x,
                    InputPart::Positive => contribution *= x.clamp_min(0.0),
                    InputPart::Negative => contribution *= x.clamp_max(0.0),
                }
                match &mut total {
                    Some(total) => *total += contribution,
                    None => total = Some(contribution),
                }
            }
        }
        total.unwrap_or_else(|| x.zeros_like())
    }
}

impl LayerPass {
    /// The pass without terms that are zero; `None` if nothing is left of it.
    fn new(pass: &Pass, linear: &Linear, input: &Tensor, non_negative: bool) -> Option<Self> {
        let terms: Vec<(InputPart, WeightPart)> = pass
            .terms
            .iter()
            .filter_map(|term| match term.input {
                InputPart::Constant(0.0) => None,
                InputPart::Negative if non_negative => None,
                InputPart::Positive if non_negative => Some((InputPart::All, term.weight)),
                part => Some((part, term.weight)),
            })
            .collect();
        if terms.is_empty() {
            return None;
        }
        let own_output = terms == [(InputPart::All, WeightPart::All)] && pass.bias == BiasPart::All;
        let terms: Vec<(InputPart, Part)> = terms.into_iter().map(|(input, w)| (input, linear.part(w))).collect();
        let divisor = match pass.denominator {
            Denominator::One => Divisor::Output,
            _ if own_output => Divisor::Output,
            _ => Divisor::new(&terms, linear.bias(pass.bias), input),
        };
        let (coefficient, denominator, gate) = (pass.coefficient, pass.denominator, pass.gate);
        Some(Self { coefficient, terms, divisor, denominator, gate })
    }

    /// coefficient * gate(R) / stabilised(d).
    fn quotient(&self, x: &Tensor, z: Option<&Tensor>, relevance: &Relevance) -> Tensor {
        let output = || z.expect("the output of a layer whose rule needs it");
        let divide = |divisor: &Tensor| relevance.divide(divisor, self.denominator);
        let mut quotient = match (self.denominator, &self.divisor) {
            (Denominator::One, _) => relevance.dense(),
            (_, Divisor::Output) => divide(output()),
            (_, Divisor::Fixed(divisor)) => divide(divisor),
            (_, Divisor::Terms { bias, offset }) => divide(&self.apply_terms(x, bias.as_ref(), offset.as_ref())),
        };
        match self.gate {
            Gate::Always => {}
            Gate::Positive => quotient = quotient.where_self(&output().gt(0.0), &quotient.zeros_like()),
            Gate::Negative => quotient = quotient.where_self(&output().lt(0.0), &quotient.zeros_like()),
        }
        if self.coefficient == 1.0 { quotient } else { quotient * self.coefficient }
    }

    fn apply_terms(&self, x: &Tensor, mut bias: Option<&Tensor>, offset: Option<&Tensor>) -> Tensor {
        let mut sum: Option<Tensor> = None;
        for (input, part) in &self.terms {
            let applied = match input {
                InputPart::Constant(_) => continue,
                InputPart::All => part.apply(x, bias.take()),
                InputPart::Positive => part.apply(&x.clamp_min(0.0), bias.take()),
                InputPart::Negative => part.apply(&x.clamp_max(0.0), bias.take()),
            };
            match &mut sum {
                Some(sum) => *sum += applied,
                None => sum = Some(applied),
            }
        }
        let sum = sum.expect("a term that depends on the input");
        match offset {
            Some(offset) => sum + offset,
            None => sum,
        }
    }
}

impl Divisor {
    fn new(terms: &[(InputPart, Part)], mut bias: Option<Tensor>, input: &Tensor) -> Self {
        let depends = terms.iter().any(|(part, _)| !matches!(part, InputPart::Constant(_)));
        let mut offset: Option<Tensor> = None;
        for (part, weight) in terms {
            if let InputPart::Constant(value) = part {
                let applied = weight.apply(&input.full_like(*value), bias.take().as_ref());
                offset = Some(match offset {
                    Some(offset) => offset + applied,
                    None => applied,
                });
            }
        }
        match offset {
            Some(fixed) if !depends => Self::Fixed(fixed),
            offset => Self::Terms { bias, offset },
        }
    }
}
