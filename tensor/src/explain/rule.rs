//! The engine: carries out any [`Rule`] on one linear layer.

use tch::{Kind, Tensor};
use xdlreg_core::explain::{BiasPart, Denominator, Gate, InputPart, Pass, Rule, WeightPart};

use super::ledger::Taken;
use super::linear::{Linear, Part};
use super::relevance::Relevance;
use super::stabilise::stabilised;

/// A rule with the parts of one layer's weights that it needs, computed once.
#[derive(Debug)]
pub(super) struct LayerRule {
    pub passes: Vec<LayerPass>,
}

#[derive(Debug)]
pub(super) struct LayerPass {
    pub coefficient: f64,
    pub terms: Vec<(InputPart, Part)>,
    /// `[filters]` or `[outputs]`.
    pub bias: Option<Tensor>,
    pub divisor: Divisor,
    pub denominator: Denominator,
    pub gate: Gate,
}

/// Where the denominator comes from.
#[derive(Debug)]
pub(super) enum Divisor {
    /// It is the layer's own output, known from the forward pass.
    Output,
    /// It is the sum of the terms and the bias. `offset` is what of it does not depend on the input:
    /// `[1, filters, rows, columns]` or `[1, outputs]`.
    Terms { offset: Option<Tensor> },
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

    /// Relevance of the layer's input, given its input x, its output z (if needed) and the relevance of its output; and
    /// what the layer kept of each image's.
    pub fn propagate(&self, x: &Tensor, z: Option<&Tensor>, relevance: &Relevance) -> (Tensor, Vec<Taken>) {
        let mut total: Option<Tensor> = None;
        let mut ledger = vec![Taken::default(); x.size()[0] as usize];
        for pass in &self.passes {
            let share = pass.quotient(x, z, relevance, &mut ledger);
            for (input, part) in &pass.terms {
                let mut contribution = part.transpose(&share, x);
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
        let total = total.unwrap_or_else(|| x.zeros_like());
        let (before, after) = (sums(&relevance.dense()), sums(&total));
        for ((taken, before), after) in ledger.iter_mut().zip(before).zip(after) {
            taken.rest = before - after - taken.bias - taken.stabiliser;
        }
        (total, ledger)
    }
}

/// The sum of every image's values.
fn sums(values: &Tensor) -> Vec<f64> {
    let sums = values.flatten(1, -1).sum_dim_intlist(1, false, Kind::Double);
    Vec::try_from(sums).expect("a sum an image")
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
            _ => Divisor::Terms { offset: offset(&terms, input) },
        };
        let (coefficient, denominator, gate) = (pass.coefficient, pass.denominator, pass.gate);
        Some(Self { coefficient, terms, bias: linear.bias(pass.bias), divisor, denominator, gate })
    }

    /// coefficient * gate(R) / stabilised(d); what bias and stabiliser take is added to the `ledger`.
    fn quotient(&self, x: &Tensor, z: Option<&Tensor>, relevance: &Relevance, ledger: &mut [Taken]) -> Tensor {
        let output = || z.expect("the output of a layer whose rule needs it");
        let divisor = match (self.denominator, &self.divisor) {
            (Denominator::One, _) => None,
            (_, Divisor::Output) => Some(output().shallow_clone()),
            (_, Divisor::Terms { offset }) => Some(self.apply_terms(x, offset.as_ref())),
        };
        let mut quotient = match &divisor {
            None => relevance.dense(),
            Some(divisor) => relevance.divide(divisor, self.denominator),
        };
        match self.gate {
            Gate::Always => {}
            Gate::Positive => quotient = quotient.where_self(&output().gt(0.0), &quotient.zeros_like()),
            Gate::Negative => quotient = quotient.where_self(&output().lt(0.0), &quotient.zeros_like()),
        }
        if self.coefficient != 1.0 {
            quotient *= self.coefficient;
        }
        if let Some(divisor) = &divisor {
            let added = stabilised(divisor, self.denominator) - divisor;
            let bias = self.bias.as_ref().map(|bias| sums(&(&quotient * along_channels(bias, quotient.dim()))));
            let stabilisers = sums(&(&quotient * added));
            for (image, taken) in ledger.iter_mut().enumerate() {
                taken.bias += bias.as_ref().map_or(0.0, |bias| bias[image]);
                taken.stabiliser += stabilisers[image];
            }
        }
        quotient
    }

    fn apply_terms(&self, x: &Tensor, offset: Option<&Tensor>) -> Tensor {
        let mut sum: Option<Tensor> = offset.map(Tensor::shallow_clone);
        let mut bias = self.bias.as_ref();
        for (input, part) in &self.terms {
            let applied = match input {
                InputPart::Constant(_) => continue,
                InputPart::All => part.apply(x, bias.take()),
                InputPart::Positive => part.apply(&x.clamp_min(0.0), bias.take()),
                InputPart::Negative => part.apply(&x.clamp_max(0.0), bias.take()),
            };
            sum = Some(match sum {
                Some(sum) => sum + applied,
                None => applied,
            });
        }
        let sum = sum.expect("a pass has terms");
        match bias {
            Some(bias) => &sum + along_channels(bias, sum.dim()),
            None => sum,
        }
    }
}

/// A value a channel, as a tensor of `[1, channels]` or `[1, channels, 1, 1]`.
fn along_channels(values: &Tensor, dimensions: usize) -> Tensor {
    if dimensions == 4 { values.view([1, -1, 1, 1]) } else { values.view([1, -1]) }
}

/// The sum of the terms that do not depend on the layer's input, for an input of this shape.
fn offset(terms: &[(InputPart, Part)], input: &Tensor) -> Option<Tensor> {
    let constant = |(input_part, part): &(InputPart, Part)| match input_part {
        InputPart::Constant(value) => Some(part.apply(&input.full_like(*value), None)),
        InputPart::All | InputPart::Positive | InputPart::Negative => None,
    };
    terms.iter().filter_map(constant).reduce(|sum, applied| sum + applied)
}
