use xdlreg_core::explain::{Analyzer, Bias, Denominator, Method, Options, Rule, Selector};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::sim::SHAPE;
use xdlreg_core::task::Task;

use super::super::network_tests::{random_images, random_net};
use super::super::parity_tests::{deviation, reference};
use super::*;
use crate::net::Weights;

/// Kernels and libtorch carry out the same rules, with every instruction set, for inputs of both signs as well.
#[test]
#[cfg(target_arch = "x86_64")]
fn kernels_propagate_as_libtorch_does() {
    assert!(!crate::net::kernel::isa::Isa::available().is_empty(), "there are no kernels for this processor to test");
    let odd = ModelSettings { conv_filters: [3, 20, 16, 40, 7], dense_units: 21, ..ModelSettings::default() };
    let classes = ModelSettings { task: Task::Classification, ..ModelSettings::default() };
    let mut images = random_images(2);
    images.pixels_mut()[SHAPE.values()..].iter_mut().for_each(|pixel| *pixel -= 0.5);
    let (trained, trained_images) = reference();
    for (net, images) in
        [(trained, trained_images), (random_net(&odd, true), images.clone()), (random_net(&classes, true), images)]
    {
        let non_negative = images.pixels().iter().all(|&pixel| pixel >= 0.0);
        let options = Options { low: Some(-0.5), until: Some(2), epsilon: Some(0.25), ..Options::default() };
        for name in Analyzer::NAMES {
            let analyzer = Analyzer::new(name, &mut options.clone()).expect(name);
            let Method::Propagation(composite) = analyzer.method() else { continue };
            // Its rules are those of a specification.
            if *name == "lrp" {
                continue;
            }
            let mut libtorch = Engine::by_libtorch(&net, &composite, non_negative).expect("an engine");
            // Of classes the first image's old and the second one's young, whichever is predicted.
            let chosen = (net.task() == Task::Classification).then_some(&[1, 0][..]);
            let (theirs, taken) = explained(&mut libtorch, images.pixels(), chosen);
            let mut first: Option<Vec<f32>> = None;
            for isa in crate::net::kernel::isa::Isa::available() {
                let mut engine = Engine::new(&net, &composite, non_negative).expect("an engine");
                engine.kernels.as_mut().expect("kernels").isa = isa;
                let (ours, kept) = explained(&mut engine, images.pixels(), chosen);
                // Where sums cross zero float32 is worth no more.
                let crosses = ["_2_beta_1", "preset_b", "lrp.z"].iter().any(|part| name.contains(part));
                let tolerance = if crosses { 1e-2 } else { 1e-3 };
                let off = deviation(&ours, &theirs);
                assert!(off < tolerance, "{name} by {isa:?} is off by {off}");
                let scale =
                    taken.iter().fold(1.0f64, |scale, taken| scale.max(taken.bias.abs()).max(taken.stabiliser.abs()));
                for (kept, taken) in kept.iter().zip(&taken) {
                    let off = (kept.bias - taken.bias).abs().max((kept.stabiliser - taken.stabiliser).abs());
                    assert!(off < f64::from(tolerance) * scale, "{name}: {kept:?} for {taken:?}");
                }
                assert!(first.get_or_insert_with(|| ours.clone()) == &ours, "{isa:?} differs");
            }
        }
    }
}

/// That no pixel is below zero saves work, and must not be believed of what comes after batch norm.
#[test]
fn to_know_that_no_pixel_is_below_zero_changes_no_map() {
    let images = random_images(2);
    for batch_norm in [false, true] {
        let model =
            ModelSettings { batch_norm, conv_filters: [4, 4, 6, 8, 5], dense_units: 8, ..ModelSettings::default() };
        let weights = random_net(&model, true).weights();
        // The first batch norm moves dark pixels below zero.
        let own = |name: &str| if name == "bn1.bias" { vec![-0.5] } else { weights.get(name).values.clone() };
        let net = Network::new(&Weights::build(weights.network(), |name, _| own(name)), Device::Cpu);
        for name in Analyzer::NAMES {
            let analyzer = Analyzer::new(name, &mut Options::default()).expect(name);
            let Method::Propagation(composite) = analyzer.method() else { continue };
            // Its rules are those of a specification.
            if *name == "lrp" {
                continue;
            }
            let [known, unknown] = [true, false].map(|non_negative| {
                let mut engine = Engine::by_libtorch(&net, &composite, non_negative).expect("an engine");
                explained(&mut engine, images.pixels(), None).0
            });
            // Maps may be empty, such as those of a prediction below zero under deep Taylor decomposition.
            let off = if known == unknown { 0.0 } else { deviation(&known, &unknown) };
            assert!(off < 1e-3, "{name} is off by {off}, batch norm: {batch_norm}");
        }
    }
}

fn explained(engine: &mut Engine, images: &[f32], chosen: Option<&[usize]>) -> (Vec<f32>, Vec<Taken>) {
    let mut maps = vec![0.0; images.len()];
    let mut ledger = vec![Taken::default(); images.len() / SHAPE.values() * engine.layers];
    engine.propagate(images, chosen, &mut maps, &mut ledger);
    (maps, ledger)
}

/// A network of random weights and biases whose predictions are about `bias`.
fn predicting(bias: f32) -> Network {
    let weights = random_net(&ModelSettings::default(), true).weights();
    let own = |name: &str| if name == "output.bias" { vec![bias] } else { weights.get(name).values.clone() };
    Network::new(&Weights::build(weights.network(), |name, _| own(name)), Device::Cpu)
}

/// Kernels where there are some, and libtorch.
fn engines(net: &Network, composite: &Composite) -> [Engine; 2] {
    [Engine::new(net, composite, true), Engine::by_libtorch(net, composite, true)]
        .map(|engine| engine.expect("an engine"))
}

/// Deep Taylor decomposition explains what speaks for an output: of one below zero nothing is left.
#[test]
fn a_prediction_below_zero_starts_no_positive_relevance() {
    let images = random_images(2);
    let Method::Propagation(composite) = Analyzer::DeepTaylor {}.method() else { unreachable!("it propagates") };
    for (bias, sign) in [(-50.0, -1.0), (50.0, 1.0)] {
        for mut engine in engines(&predicting(bias), &composite) {
            let outputs = engine.output(images.pixels());
            assert!(outputs.iter().all(|output| sign * output > 0.0), "{outputs:?}");
            let (maps, _) = explained(&mut engine, images.pixels(), None);
            assert_eq!(maps.iter().any(|&relevance| relevance != 0.0), sign > 0.0, "at {bias}");
            assert!(maps.iter().all(|&relevance| relevance >= 0.0));
        }
    }
}

/// Where relevance comes from above whatever the sign of an output is, as below the flat rule, both gates of a rule see
/// some of it.
#[test]
fn outputs_of_either_sign_pass_a_gated_rule_in_every_layer() {
    let layers = ["conv1", "conv2", "conv3", "conv4", "conv5", "dense", "output"];
    let images = random_images(2);
    let mut both_open = 0;
    for (bias, layer) in [-50.0, 50.0].into_iter().flat_map(|bias| layers.map(|layer| (bias, layer))) {
        let net = predicting(bias);
        let rules = |gated: Rule| {
            let flat = Rule::flat(Denominator::Safe);
            Composite::lrp([(Selector::Name(layer.into()), gated), (Selector::Any, flat)])
        };
        let gamma = Rule::gamma(0.5, Bias::Full, Denominator::Epsilon(0.25));
        let maps =
            |rule: Rule| engines(&net, &rules(rule)).map(|mut engine| explained(&mut engine, images.pixels(), None));
        let [(ours, kept), (theirs, taken)] = maps(gamma.clone());
        let off = deviation(&ours, &theirs);
        assert!(off < 1e-3, "{layer} at {bias}: {off}");
        let scale = taken.iter().fold(1.0, |scale: f64, taken| scale.max(taken.bias.abs()).max(taken.stabiliser.abs()));
        assert!(kept.iter().zip(&taken).all(|(kept, taken)| (kept.bias - taken.bias).abs() < 1e-3 * scale));
        // Each gate alone lets another part through, but for the single output of the last layer.
        let alone = |gate: usize| maps(Rule { passes: vec![gamma.passes[gate].clone()] })[0].0.clone();
        let (positive, negative) = (alone(0), alone(1));
        let sum: Vec<f32> = positive.iter().zip(&negative).map(|(one, other)| one + other).collect();
        assert!(deviation(&sum, &ours) < 1e-4, "{layer} at {bias}");
        let open = [positive, negative].map(|map| map.iter().any(|&relevance| relevance != 0.0));
        if layer == "output" {
            assert_eq!(open, [bias > 0.0, bias < 0.0], "at {bias}");
        }
        both_open += usize::from(open == [true, true]);
    }
    assert!(both_open >= 4, "in {both_open} of 14 cases outputs of both signs have relevance");
}
