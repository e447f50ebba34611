//! What biases and stabilisers take, against sums over connections in f64.

use rand::RngExt;
use tch::Tensor;
use xdlreg_core::explain::{Analyzer, Bias, CompositeEntry, Denominator, Options, Reference, Rule};
use xdlreg_core::seed::stream;

use super::ledger::Taken;
use super::linear::Linear;
use super::network_tests::{ask, given};
use super::parity_tests::reference;
use super::relevance::Relevance;
use super::rule::LayerRule;
use crate::net::Layer;

const INPUTS: usize = 6;
const OUTPUTS: usize = 5;

/// One pass of a rule on one output: coefficient, the sum of its contributions, its bias, and how d is stabilised.
type Pass = (f64, f64, f64, fn(f64) -> f64);

fn safe(d: f64) -> f64 {
    if d == 0.0 { 1e-7 } else { d }
}

fn shifted(d: f64) -> f64 {
    if d < 0.0 { d - 0.25 } else { d + 0.25 }
}

#[test]
fn biases_and_stabilisers_take_what_is_missing() {
    let rng = &mut stream(3, "ledger", 0);
    let mut grid =
        |count: usize| -> Vec<f64> { (0..count).map(|_| f64::from(rng.random_range(-4..5)) * 0.25).collect() };
    let (x, w, b, relevance) = (grid(INPUTS), grid(INPUTS * OUTPUTS), grid(OUTPUTS), grid(OUTPUTS));
    let tensor = |values: &[f64], size: &[i64]| Tensor::from_slice(values).to_kind(tch::Kind::Float).reshape(size);
    let (inputs, outputs) = (INPUTS as i64, OUTPUTS as i64);
    let layer = Layer::Dense { weight: tensor(&w, &[outputs, inputs]), bias: Some(tensor(&b, &[outputs])) };
    let input = tensor(&x, &[1, inputs]);
    let linear = Linear::of(&layer, &input).expect("a linear layer");
    for bias in [Bias::Full, Bias::Signed, Bias::Ignore] {
        let all = |bias_of: f64| if bias == Bias::Ignore { 0.0 } else { bias_of };
        let parts = |bias_of: f64| match bias {
            Bias::Full => (bias_of, bias_of),
            Bias::Signed => (bias_of.max(0.0), bias_of.min(0.0)),
            Bias::Ignore => (0.0, 0.0),
        };
        type Passes<'a> = Box<dyn Fn(f64, f64, f64) -> Vec<Pass> + 'a>;
        let rules: Vec<(Rule, Passes)> = vec![
            (Rule::z(bias), Box::new(|up, down, b| vec![(1.0, up + down, all(b), safe)])),
            (Rule::epsilon(0.25, bias), Box::new(|up, down, b| vec![(1.0, up + down, all(b), shifted)])),
            (
                Rule::alpha_beta(2.0, 1.0, bias, Denominator::Epsilon(0.25)),
                Box::new(|up, down, b| vec![(2.0, up, parts(b).0, shifted), (-1.0, down, parts(b).1, shifted)]),
            ),
        ];
        for (rule, passes) in rules {
            let (mut by_bias, mut by_stabiliser, mut left) = (0.0, 0.0, 0.0);
            for output in 0..OUTPUTS {
                let messages = x.iter().zip(&w[output * INPUTS..]).map(|(x, w)| x * w);
                let up: f64 = messages.clone().map(|m| m.max(0.0)).sum();
                let down: f64 = messages.map(|m| m.min(0.0)).sum();
                for (coefficient, sum, bias, stabilise) in passes(up, down, b[output]) {
                    let d = stabilise(sum + bias);
                    by_bias += coefficient * relevance[output] * bias / d;
                    by_stabiliser += coefficient * relevance[output] * (d - sum - bias) / d;
                    left += coefficient * relevance[output] * sum / d;
                }
            }
            let rule = LayerRule::new(&rule, &linear, &input, false);
            let z = layer.forward(&input);
            let (map, taken) = rule.propagate(&input, Some(&z), &Relevance::Dense(tensor(&relevance, &[1, outputs])));
            let Taken { bias, stabiliser, rest } = taken[0];
            let scale = 1.0 + by_bias.abs() + by_stabiliser.abs();
            assert!((bias - by_bias).abs() < 1e-5 * scale, "{bias} for {by_bias}");
            assert!((stabiliser - by_stabiliser).abs() < 1e-5 * scale, "{stabiliser} for {by_stabiliser}");
            assert!((map.sum(tch::Kind::Double).double_value(&[]) - left).abs() < 1e-5 * scale);
            assert!(rest.abs() < 1e-5 * scale, "{rest} is no rounding");
        }
    }
}

#[test]
fn the_mean_of_ledgers_is_that_of_every_part() {
    let mut sum = Taken { bias: 1.0, stabiliser: 2.0, rest: -3.0 };
    sum.add(&Taken { bias: 7.0, stabiliser: -4.0, rest: 9.0 });
    assert_eq!(sum.over(2.0), Taken { bias: 4.0, stabiliser: -1.0, rest: 3.0 });
    assert_eq!(sum.sum(), 12.0);
}

/// Map and ledger together are prediction - reference, and beside biases and stabilisers only rounding is lost.
#[test]
fn the_ledger_accounts_for_all_relevance() {
    let (net, images) = reference();
    for name in Analyzer::NAMES.iter().filter(|name| name.starts_with("lrp") || name.starts_with("zennit")) {
        for reference in [Reference::None, Reference::OutputBias] {
            let composite = (*name == "lrp").then(composite);
            let settings = given(name, Options { composite, reference: Some(reference), ..Options::default() });
            let explained = ask(&net, &images, &settings, None).expect("maps");
            let ledger = explained.ledger.expect("a ledger");
            assert_eq!(ledger.layers, ["conv1", "conv2", "conv3", "conv4", "conv5", "dense", "output"]);
            for (index, map) in explained.maps.iter().enumerate() {
                let goal = f64::from(explained.outputs[index]) - explained.reference;
                let taken = ledger.of(index);
                let size = taken.iter().fold(goal.abs() + 1.0, |size, t| size + t.bias.abs() + t.stabiliser.abs());
                let sum = map.sum() + taken.iter().map(Taken::sum).sum::<f64>();
                assert!((sum - goal).abs() < 1e-5 * size, "{name}: {sum} for {goal}");
                for (layer, taken) in ledger.layers.iter().zip(taken) {
                    // Gamma lets go of outputs that are exactly zero.
                    assert!(taken.rest.abs() < 1e-4 * size, "{name}, {layer}: {taken:?}");
                }
            }
        }
    }
}

fn composite() -> Vec<CompositeEntry> {
    serde_json::from_value(serde_json::json!([
        { "layer": "conv", "rule": "gamma" },
        { "layer": "any", "rule": "epsilon", "epsilon": 1.0 },
    ]))
    .expect("entries")
}
