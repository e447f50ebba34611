//! Relevance against references, and composites and smoothing as settings.

use xdlreg_core::explain::Smoothing;
use xdlreg_core::explain::{ExplainSettings, Options, Reference};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::sim;
use xdlreg_core::task::Task;

use super::network_tests::{ask, given, random_images, random_net, settings};
use super::parity_tests::{deviation, reference};
use super::reference::Root;
use super::{ExplainError, RelevanceMaps, Samples};
use crate::net::Network;
use crate::net::network::to_tensor;

pub(super) fn against(reference: Reference) -> ExplainSettings {
    given("lrp.flat", Options { reference: Some(reference), ..Options::default() })
}

fn maps(net: &Network, images: &RasterStack, settings: &ExplainSettings) -> RelevanceMaps {
    ask(net, images, settings, None).expect("maps")
}

fn output_bias(net: &Network) -> f64 {
    let weights = net.weights();
    f64::from(weights.get("output.bias").values[0])
}

/// The flat rule knows no biases and loses nothing, so its map adds up to the difference to the reference.
#[test]
fn relevance_adds_up_to_the_difference_to_the_reference() {
    let (net, images) = reference();
    let bias = output_bias(&net);
    let check = |settings: &ExplainSettings, years: f64, samples: Option<Samples>| {
        let explained = ask(&net, &images, settings, samples).expect("maps");
        assert!((explained.reference - years).abs() < 1e-3, "{} for {years}", explained.reference);
        for (map, &output) in explained.maps.iter().zip(&explained.outputs) {
            let difference = f64::from(output) - years;
            assert!(
                (map.sum() - difference).abs() < 2e-3 * difference.abs().max(1.0),
                "{} for {difference}",
                map.sum()
            );
        }
    };
    check(&against(Reference::OutputBias), bias, None);
    check(&against(Reference::Years(bias)), bias, None);
    // Above the output bias any number of years is met from above, and from below where raising units raises the output.
    check(&against(Reference::Flooding(bias + 0.25)), bias + 0.25, None);
    let others = random_images(3);
    let samples = Some(Samples { images: &others, targets: &[20.0, 25.0, 60.0] });
    let predictions = net.predict(&others);
    let mean = f64::from(predictions[0] + predictions[1]) / 2.0;
    check(&against(Reference::Ages([20.0, 30.0])), mean, samples);
}

/// On the ray of its activation an image's map is only scaled.
#[test]
fn a_number_of_years_scales_the_share_above_the_output_bias() {
    let (net, images) = reference();
    let bias = output_bias(&net);
    let free = maps(&net, &images, &against(Reference::OutputBias));
    for (index, &output) in free.outputs.iter().enumerate() {
        let years = (f64::from(output) + bias) / 2.0;
        let alone = images.slice(index..index + 1);
        let half = maps(&net, &alone, &against(Reference::Years(years)));
        let expected: Vec<f32> = free.maps.get(index).pixels.iter().map(|value| value / 2.0).collect();
        assert!(deviation(half.maps.pixels(), &expected) < 1e-3);
    }
}

/// The authors' way: small steps down (or up), all units alike, until the reference is met.
#[test]
fn flooding_is_lowering_all_units_step_by_step() {
    let (net, images) = reference();
    let weights = net.weights();
    let output: Vec<f64> = weights.get("output.weight").values.iter().copied().map(f64::from).collect();
    let bias = output_bias(&net);
    let units = |sample: usize| -> Vec<f64> {
        let (inputs, _) = tch::no_grad(|| net.forward_trace(&to_tensor(&images, sample..sample + 1)));
        Vec::try_from(inputs.last().expect("hidden units").to_kind(tch::Kind::Double).view(-1)).expect("numbers")
    };
    let says = |units: &[f64]| bias + output.iter().zip(units).map(|(w, a)| w * a).sum::<f64>();
    let rises = output.iter().sum::<f64>() > 0.0;
    for sample in 0..images.len() {
        let (units, alone) = (units(sample), images.slice(sample..sample + 1));
        let prediction = says(&units);
        let mut references = vec![bias + 0.75 * (prediction - bias).max(0.0)];
        references.extend(rises.then_some(prediction + 5.0));
        for years in references {
            let step = 1e-4 * (years - prediction).signum();
            let mut root = units.clone();
            while (says(&root) - years) * step < 0.0 {
                root.iter_mut().for_each(|unit| *unit = (*unit + step).max(0.0));
            }
            let expected: Vec<f64> =
                output.iter().zip(&units).zip(&root).map(|((w, a), root)| w * (a - root)).collect();
            // Every pixel under flat tells of all units alike, so their sum is held to the steps, and each to the root.
            let found = Root::find(Reference::Flooding(years), &net, &sim::age(), None).expect("a root").expect("one");
            let narrow: Vec<f32> = units.iter().map(|&unit| unit as f32).collect();
            let (relevance, lost) = found.relevance(&narrow, prediction as f32);
            let scale = expected.iter().fold(0.1_f64, |scale, r| scale.max(r.abs()));
            for (found, expected) in relevance.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-2 * scale, "{found} for {expected} against {years}");
            }
            assert!(lost.abs() < 1e-3);
            let map = maps(&net, &alone, &against(Reference::Flooding(years))).maps;
            assert!((map.get(0).sum() - (prediction - years)).abs() < 2e-3 * (1.0 + (prediction - years).abs()));
        }
    }
}

#[test]
fn references_that_cannot_be_are_named() {
    let (net, images) = reference();
    let refused = |settings: &ExplainSettings, samples| ask(&net, &images, settings, samples).expect_err("no maps");
    let predictions = net.predict(&images);
    let bias = output_bias(&net);
    // On the other side of the output bias than the prediction.
    let years = 2.0 * bias - f64::from(predictions[0]);
    let message = refused(&against(Reference::Years(years)), None).to_string();
    assert!(message.contains("cannot be reached") && message.contains("sample 0"), "{message}");
    // Lowering all units to 0 leads to the output bias.
    let above = (0..predictions.len()).find(|&sample| f64::from(predictions[sample]) > bias + 1.0);
    let above = above.expect("a prediction above the output bias");
    let alone = images.slice(above..above + 1);
    let error = ask(&net, &alone, &against(Reference::Flooding(bias - 1e4)), None).expect_err("no maps");
    let message = error.to_string();
    assert!(message.contains("cannot be reached for 1 of 1 images by lowering"), "{message}");
    let samples = Samples { images: &images, targets: &vec![40.0; images.len()] };
    let nobody = ExplainError::NobodyWithin { target: "age".into(), from: 20.0, to: "30 years".into() };
    assert_eq!(refused(&against(Reference::Ages([20.0, 30.0])), Some(samples)).to_string(), nobody.to_string());
    let unknown = ExplainError::NoSamples { target: "age".into(), unit: "years".into() };
    assert_eq!(refused(&against(Reference::Mean), None).to_string(), unknown.to_string());
    let classes = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, true);
    let error = ask(&classes, &images, &against(Reference::Years(1.0)), None).expect_err("no maps");
    assert_eq!(error.to_string(), ExplainError::ReferenceOfClass { unit: "years".into() }.to_string());
}

#[test]
fn a_composite_is_carried_out_as_its_preset() {
    let (net, images) = reference();
    let composite = |entries: serde_json::Value| {
        let composite = Some(serde_json::from_value(entries).expect("entries"));
        given("lrp", Options { composite, ..Options::default() })
    };
    let flat = serde_json::json!({ "layer": "input", "rule": "flat" });
    let conv = serde_json::json!({ "layer": "conv", "rule": "alpha_beta", "alpha": 2.0 });
    let dense = serde_json::json!({ "layer": "any", "rule": "epsilon", "epsilon": 0.1 });
    let conv2 = serde_json::json!({ "layer": "conv2", "rule": "flat" });
    for (entries, analyzer) in [
        (serde_json::json!([flat, conv, dense]), settings("lrp.sequential_preset_b_flat")),
        (serde_json::json!([conv, dense]), settings("lrp.sequential_preset_b")),
        (
            serde_json::json!([flat, conv2, conv, dense]),
            given("lrp.sequential_preset_b_flat_until_idx", Options { until: Some(1), ..Options::default() }),
        ),
    ] {
        assert_eq!(maps(&net, &images, &composite(entries)), maps(&net, &images, &analyzer));
    }
}

#[test]
fn any_analyzer_is_smoothed() {
    let (net, images) = reference();
    let smooth = |analyzer: &str, smoothing| ExplainSettings { smooth: Some(smoothing), ..settings(analyzer) };
    let few = Smoothing { samples: 3, sigma: 0.2, seed: 4, ..Smoothing::default() };
    let own = given("smoothgrad", Options { samples: Some(3), sigma: Some(0.2), seed: Some(4), ..Options::default() });
    assert_eq!(maps(&net, &images, &smooth("gradient", few)).maps, maps(&net, &images, &own).maps);
    for analyzer in ["lrp.sequential_preset_a", "occlusion", "integrated_gradients", "input"] {
        let still = Smoothing { samples: 2, sigma: 0.0, ..few };
        let plain = maps(&net, &images, &settings(analyzer));
        let smoothed = maps(&net, &images, &smooth(analyzer, still));
        assert!(deviation(smoothed.maps.pixels(), plain.maps.pixels()) < 1e-5, "{analyzer}");
        let moved = maps(&net, &images, &smooth(analyzer, few));
        assert!(deviation(moved.maps.pixels(), plain.maps.pixels()) > 1e-4, "{analyzer}");
        assert_eq!(moved.outputs, plain.outputs);
    }
    // The mean of the ledgers accounts for the mean of the maps.
    let explained = maps(&net, &images, &smooth("lrp.sequential_preset_a", few));
    assert_eq!(explained.ledger.expect("a ledger").taken.len(), images.len() * 7);
}
