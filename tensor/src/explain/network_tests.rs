//! What holds for relevance through whole networks.

use rand::RngExt;
use tch::{Device, Kind, no_grad};
use xdlreg_core::event::silent;
use xdlreg_core::explain::{Analyzer, Bias, Class, ExplainSettings, Options, Reference};
use xdlreg_core::explain::{BiasPart, Rule, SigmaUnit};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::{ImageShape, RasterStack};
use xdlreg_core::seed::stream;
use xdlreg_core::sim::{self, SHAPE};
use xdlreg_core::store::planes::ImageFile;
use xdlreg_core::task::Task;

use super::linear::Linear;
use super::parity_tests::{deviation, reference};
use super::relevance::Relevance;
use super::rule::LayerRule;
use super::{
    AboutMaps, ExplainError, ExplainedImages, Question, RelevanceMaps, Samples, Sink, Taken, explain, explain_each,
};
use crate::net::network::to_tensor;
use crate::net::{Network, Weights};

/// Explains what a network says of the age.
pub(super) fn ask(
    net: &Network,
    images: &RasterStack,
    settings: &ExplainSettings,
    samples: Option<Samples>,
) -> Result<RelevanceMaps, ExplainError> {
    explain(&Question { net, target: &sim::age(), settings, samples }, images, &silent)
}

/// A network of random weights for images of pumpkins; biases are zero unless `biased`.
pub(super) fn random_net(model: &ModelSettings, biased: bool) -> Network {
    random_net_for(SHAPE, model, biased)
}

pub(super) fn random_net_for(input: ImageShape, model: &ModelSettings, biased: bool) -> Network {
    let rng = &mut stream(7, "weights", 0);
    let network = model.network(input).expect("a network");
    // Only batch norm has weights of one axis.
    let weights = Weights::build(&network, |name, shape| {
        let fan_in = shape[1..].iter().product::<usize>() as f32;
        let mut value = |name: &str| match name.rsplit('.').next() {
            Some("running_var") => rng.random_range(0.5..2.0),
            Some("weight") if shape.len() == 1 => rng.random_range(0.5..1.5),
            Some("weight") => rng.random_range(-1.0..1.2) / fan_in.sqrt(),
            _ if biased => rng.random_range(-0.2..0.2),
            _ => 0.0,
        };
        (0..shape.iter().product()).map(|_| value(name)).collect()
    });
    Network::new(&weights, Device::Cpu)
}

pub(super) fn random_images(count: usize) -> RasterStack {
    let rng = &mut stream(8, "images", 0);
    RasterStack::new(98, 98, (0..count * 98 * 98).map(|_| rng.random_range(0.0..1.0)).collect())
}

pub(super) fn settings(analyzer: &str) -> ExplainSettings {
    given(analyzer, Options::default())
}

/// An analyzer with options, all of which it takes.
pub(super) fn given(analyzer: &str, mut options: Options) -> ExplainSettings {
    let settings = ExplainSettings::of(Analyzer::new(analyzer, &mut options).expect(analyzer));
    assert_eq!(options, Options::default(), "{analyzer} takes others");
    settings
}

#[test]
fn without_biases_relevance_adds_up_to_the_prediction() {
    let net = random_net(&ModelSettings::default(), false);
    let images = random_images(3);
    let predictions = net.predict(&images);
    for analyzer in ["lrp.z", "lrp.z_IB", "lrp.alpha_1_beta_0", "lrp.flat", "lrp.w_square"] {
        let explained = ask(&net, &images, &settings(analyzer), None).expect("maps");
        for (sample, (map, &prediction)) in explained.maps.iter().zip(&predictions).enumerate() {
            assert!((explained.outputs[sample] - prediction).abs() < 1e-4 * prediction.abs());
            let lost = (map.sum() / f64::from(prediction) - 1.0).abs();
            assert!(lost < 2e-3, "{analyzer}: {} for {prediction}", map.sum());
        }
    }
}

/// With eps at the top, sum R = (f - b_out) f / (f + eps) below the output layer.
#[test]
fn the_output_bias_and_epsilon_take_their_share() {
    let (net, images) = reference();
    let (_, layer) = net.layers.last().expect("an output layer");
    let (inputs, output) = no_grad(|| net.forward_trace(&to_tensor(&images, 0..images.len())));
    let x = inputs.last().expect("the input of the output layer");
    let linear = Linear::of(layer, x).expect("a dense layer");
    let f = output.view([-1, 1]);
    let rule = LayerRule::new(&Rule::epsilon(0.1, Bias::Full), &linear, &x.narrow(0, 0, 1), true);
    let below =
        rule.propagate(x, Some(&f), &Relevance::Dense(f.shallow_clone())).0.sum_dim_intlist(1, false, Kind::Double);
    let bias = linear.bias(BiasPart::All).expect("a bias").double_value(&[0]);
    for sample in 0..images.len() as i64 {
        let f = f.double_value(&[sample, 0]);
        let expected = (f - bias) * f / (f + 0.1);
        let sum = below.double_value(&[sample]);
        assert!((sum - expected).abs() < 1e-4 * f, "{sum} for {expected}");
    }
}

#[test]
fn maps_do_not_depend_on_threads_or_company() {
    let (net, images) = reference();
    let mut many = Vec::new();
    for _ in 0..5 {
        many.extend_from_slice(images.pixels());
    }
    let many = RasterStack::new(98, 98, many);
    let threads = tch::get_num_threads();
    let alone = ask(&net, &images, &settings("lrp.sequential_preset_a"), None).expect("maps");
    let results = [1, 3].map(|threads| {
        tch::set_num_threads(threads);
        ask(&net, &many, &settings("lrp.sequential_preset_a"), None).expect("maps")
    });
    tch::set_num_threads(threads);
    assert_eq!(results[0], results[1]);
    let area = images.pixels().len();
    assert!(deviation(&results[0].maps.pixels()[4 * area..], alone.maps.pixels()) < 1e-5);
}

#[test]
fn batch_norm_and_classification_are_explained() {
    let images = random_images(5);
    for (task, batch_norm) in [(Task::Classification, false), (Task::Classification, true), (Task::Regression, true)] {
        let net = random_net(&ModelSettings { task, batch_norm, ..ModelSettings::default() }, true);
        let explained = ask(&net, &images, &settings("lrp.sequential_preset_a"), None).expect("maps");
        let output = tch::no_grad(|| net.forward(&to_tensor(&images, 0..5)));
        let started = if task == Task::Classification { output.amax([1], false) } else { output };
        let started = Vec::<f32>::try_from(&started).expect("one output an image");
        for (found, expected) in explained.outputs.iter().zip(started) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} for {expected}");
        }
        assert!(explained.maps.iter().all(|map| map.pixels.iter().any(|&pixel| pixel != 0.0)));
    }
}

/// Without biases flat loses nothing, so a map of a classification adds up to the larger logit.
#[test]
fn a_classification_is_explained_by_its_larger_logit() {
    let net = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, false);
    let images = random_images(4);
    let logits = no_grad(|| net.forward(&to_tensor(&images, 0..4)));
    let explained = ask(&net, &images, &settings("lrp.flat"), None).expect("maps");
    for (sample, map) in explained.maps.iter().enumerate() {
        let larger = logits.get(sample as i64).max().double_value(&[]);
        assert!((map.sum() - larger).abs() < 1e-3 * larger.abs(), "{} for {larger}", map.sum());
    }
}

#[test]
fn smoothgrad_is_the_mean_gradient_under_noise() {
    let net = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, true);
    let images = random_images(6);
    let maps = |settings: &ExplainSettings, images: &RasterStack| ask(&net, images, settings, None).expect("maps").maps;
    let gradient = maps(&settings("gradient"), &images);
    let noise = |sigma, seed, samples| Options {
        sigma: Some(sigma),
        seed: Some(seed),
        samples: Some(samples),
        ..Options::default()
    };
    let smooth = |sigma, seed, samples| given("smoothgrad", noise(sigma, seed, samples));
    assert!(deviation(maps(&smooth(0.0, 0, 2), &images).pixels(), gradient.pixels()) < 1e-5);
    // The first sample's noise does not depend on the others; another seed draws another.
    let first = maps(&smooth(0.1, 0, 2), &images.slice(0..1));
    assert!(deviation(maps(&smooth(0.1, 0, 2), &images).slice(0..1).pixels(), first.pixels()) < 1e-5);
    assert!(deviation(maps(&smooth(0.1, 1, 2), &images.slice(0..1)).pixels(), first.pixels()) > 1e-3);
    // Noise relative to a range of 2 is twice the noise relative to a range of 1.
    let mut wide = images.slice(0..1);
    let (least, most) = wide.pixels().iter().fold((1.0f32, 0.0f32), |(a, b), &v| (a.min(v), b.max(v)));
    wide.pixels_mut().iter_mut().for_each(|pixel| *pixel = (*pixel - least) / (most - least) * 2.0);
    let absolute = given("smoothgrad", Options { sigma_unit: Some(SigmaUnit::Absolute), ..noise(0.2, 0, 2) });
    assert!(deviation(maps(&absolute, &wide).pixels(), maps(&smooth(0.1, 0, 2), &wide).pixels()) < 1e-5);
}

#[test]
fn occlusion_is_what_windows_are_worth() {
    let (net, images) = reference();
    let (window, stride, fill) = (20, 30, 0.5);
    let windows =
        Options { window: Some(window), stride: Some(stride), fill: Some(f64::from(fill)), ..Options::default() };
    let settings = given("occlusion", windows);
    let explained = ask(&net, &images, &settings, None).expect("maps");
    let starts = [0, 30, 60, 78];
    for sample in 0..images.len() {
        let (mut sum, mut count) = (vec![0.0; 98 * 98], vec![0.0; 98 * 98]);
        for (top, left) in starts.iter().flat_map(|top| starts.iter().map(move |left| (top, left))) {
            let inside: Vec<usize> = (0..98 * 98)
                .filter(|at| (*top..top + window).contains(&(at / 98)) && (*left..left + window).contains(&(at % 98)))
                .collect();
            let mut occluded = images.slice(sample..sample + 1);
            inside.iter().for_each(|&at| occluded.pixels_mut()[at] = fill);
            let worth = explained.outputs[sample] - net.predict(&occluded)[0];
            inside.iter().for_each(|&at| (sum[at], count[at]) = (sum[at] + worth, count[at] + 1.0));
        }
        let expected: Vec<f32> =
            sum.iter().zip(&count).map(|(sum, count): (&f32, &f32)| sum / count.max(1.0)).collect();
        assert!(deviation(explained.maps.get(sample).pixels, &expected) < 1e-4);
    }
}

/// Completeness: for many steps the map adds up to f(x) - f(x0).
#[test]
fn integrated_gradients_add_up_to_the_difference_to_the_reference() {
    let (net, images) = reference();
    let settings =
        given("integrated_gradients", Options { steps: Some(400), baseline: Some(0.25), ..Options::default() });
    let explained = ask(&net, &images, &settings, None).expect("maps");
    let grey = RasterStack::new(98, 98, vec![0.25; 98 * 98]);
    let start = net.predict(&grey)[0];
    for (map, output) in explained.maps.iter().zip(&explained.outputs) {
        let difference = f64::from(output - start);
        assert!((map.sum() - difference).abs() < 0.02 * difference.abs(), "{} for {difference}", map.sum());
    }
}

#[test]
fn what_cannot_be_explained_is_named() {
    let (net, images) = reference();
    let small = RasterStack::zeros(1, 97, 98);
    let error = ask(&net, &small, &settings("lrp.z"), None).expect_err("a wrong size");
    assert_eq!(
        error.to_string(),
        ExplainError::ImageShape { found: ImageShape::plane(97, 98), expected: SHAPE }.to_string()
    );
    let mut broken = images.clone();
    broken.pixels_mut()[98 * 98 + 5000] = f32::NAN;
    let error = ask(&net, &broken, &settings("lrp.z"), None).expect_err("no number");
    assert_eq!(error.to_string(), ExplainError::NotFinite { sample: 1, analyzer: "lrp.z".into() }.to_string());
    let empty = ask(&net, &images.slice(0..0), &settings("lrp.z"), None).expect("no maps");
    assert_eq!((empty.maps.len(), empty.outputs.len()), (0, 0));
}

/// Without biases flat loses nothing, so the map of a class adds up to its logit, whichever is larger.
#[test]
fn each_class_is_explained_by_its_own_logit() {
    let net = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, false);
    let images = random_images(6);
    let logits = no_grad(|| net.forward(&to_tensor(&images, 0..6)));
    let of = |class, analyzer: &str| {
        let settings = ExplainSettings { class, ..settings(analyzer) };
        ask(&net, &images, &settings, None).expect("maps")
    };
    for (column, class) in [(0, Class::Young), (1, Class::Old)] {
        let explained = of(Some(class), "lrp.flat");
        for (sample, (map, &output)) in explained.maps.iter().zip(&explained.outputs).enumerate() {
            let logit = logits.double_value(&[sample as i64, column]);
            assert!((map.sum() - logit).abs() < 1e-3 * logit.abs(), "{} for {logit}", map.sum());
            assert!((f64::from(output) - logit).abs() < 1e-4 * logit.abs());
        }
    }
    // Every kind of method takes the class; the one that is predicted is the larger.
    for analyzer in ["lrp.sequential_preset_a", "gradient", "input_t_gradient", "integrated_gradients", "occlusion"] {
        let maps = |class| of(class, analyzer);
        let [predicted, young, old] = [Class::Predicted, Class::Young, Class::Old].map(|class| maps(Some(class)));
        assert_eq!(predicted, maps(None), "{analyzer}");
        assert_ne!(young.maps, old.maps, "{analyzer}");
        for sample in 0..6 {
            let larger = if young.outputs[sample] >= old.outputs[sample] { &young } else { &old };
            let chosen = (predicted.maps.get(sample), predicted.outputs[sample]);
            assert_eq!(chosen, (larger.maps.get(sample), larger.outputs[sample]), "{analyzer}");
        }
    }
}

/// The gradient of a class is the slope of its logit.
#[test]
fn the_gradient_of_a_class_is_the_slope_of_its_logit() {
    let net = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, true);
    let images = random_images(1);
    for (column, class) in [(0, Class::Young), (1, Class::Old)] {
        let settings = ExplainSettings { class: Some(class), ..settings("gradient") };
        let explained = ask(&net, &images, &settings, None).expect("maps");
        let gradient = explained.maps.pixels();
        // Along its own direction the slope is the gradient's length.
        let length = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let moved = |by: f64| {
            let mut image = images.clone();
            let pixels = image.pixels_mut().iter_mut().zip(gradient);
            pixels.for_each(|(pixel, &g)| *pixel += (by * f64::from(g) / length) as f32);
            no_grad(|| net.forward(&to_tensor(&image, 0..1))).double_value(&[0, column])
        };
        let step = 0.005;
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((slope / length - 1.0).abs() < 0.03, "{slope} for {length}");
    }
}

#[test]
fn a_regression_has_no_class() {
    let (net, images) = reference();
    let settings = ExplainSettings { class: Some(Class::Old), ..settings("lrp.z") };
    let error = ask(&net, &images, &settings, None).expect_err("a class");
    assert_eq!(error.to_string(), ExplainError::ClassOfRegression.to_string());
}

/// Maps that are taken as they are made, images coming from a file, are those that are made at once.
#[test]
fn images_that_come_and_go_are_explained_as_those_in_memory() {
    struct Taking(Vec<f32>, Vec<f32>, Vec<Taken>, Option<(usize, AboutMaps)>, usize);
    impl Sink for Taking {
        fn begin(&mut self, count: usize, about: &AboutMaps) -> std::io::Result<()> {
            self.3 = Some((count, about.clone()));
            Ok(())
        }

        fn take(&mut self, explained: ExplainedImages) -> std::io::Result<()> {
            self.0.extend_from_slice(explained.maps);
            self.1.extend_from_slice(explained.outputs);
            self.2.extend_from_slice(explained.taken);
            self.4 = self.4.max(explained.outputs.len());
            Ok(())
        }
    }
    let (net, few) = reference();
    // More than a chunk, which is not a whole number of batches.
    let many: Vec<f32> = (0..151).flat_map(|copy| few.get(copy % 2).pixels.to_vec()).collect();
    let many = RasterStack::new(98, 98, many);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images.npy");
    xdlreg_core::store::arrays::write_stack(&many, &path).expect("a file");
    let file = ImageFile::open(&path).expect("images");
    let settings =
        given("lrp.epsilon", Options { reference: Some(Reference::Ages([20.0, 30.0])), ..Options::default() });
    let ages: Vec<f32> = (0..151).map(|image| 20.0 + (image % 40) as f32).collect();
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let samples = Samples { images: &many, targets: &ages };
    let whole = ask(&net, &many, &settings, Some(samples)).expect("maps");
    let mut taking = Taking(Vec::new(), Vec::new(), Vec::new(), None, 0);
    let samples = Samples { images: &file, targets: &ages };
    let question = Question { net: &net, target: &sim::age(), settings: &settings, samples: Some(samples) };
    explain_each(&question, &file, &mut taking, &silent).expect("maps");
    tch::set_num_threads(threads);
    assert!(taking.4 < 151, "they came at once");
    let ledger = whole.ledger.expect("a ledger");
    let (meaning, reference, layers) = (whole.meaning, whole.reference, Some(ledger.layers));
    let about = AboutMaps { shape: SHAPE, meaning, reference, layers };
    assert_eq!(taking.3, Some((151, about)));
    assert_eq!((&taking.0[..], taking.1, taking.2), (whole.maps.pixels(), whole.outputs, ledger.taken));
}
