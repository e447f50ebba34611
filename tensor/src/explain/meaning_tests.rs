//! What maps mean, held to the maps: what they add up to, and which of them are found to mean nothing.

use xdlreg_core::explain::{Class, ExplainSettings, Flaw, Reference, Review, Smoothing, Sum};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::sim::SIDE;
use xdlreg_core::sim::{GrowthMode, Pumpkin, Without};
use xdlreg_core::task::Task;

use super::network_tests::{ask, random_images, random_net};
use super::parity_tests::reference;
use super::reference_tests::against;
use super::{ExplainError, RelevanceMaps};
use crate::net::Network;

fn settings(toml: &str) -> ExplainSettings {
    toml::from_str(toml).expect("well-formed settings")
}

fn maps(net: &Network, images: &RasterStack, toml: &str) -> RelevanceMaps {
    ask(net, images, &settings(toml), None).expect("maps")
}

/// What is wrong with each map.
fn flaws(explained: &RelevanceMaps, with_reference: bool) -> Vec<Option<Flaw>> {
    let mut review = Review::new(explained.meaning.clone(), with_reference, 60.0, (0..explained.maps.len()).collect());
    explained.maps.iter().zip(&explained.facts).map(|(map, facts)| review.look(map.pixels, facts)).collect()
}

fn pumpkins(ages: &[u32]) -> RasterStack {
    let draw = |&age| Pumpkin::draw(age, GrowthMode::Human, 3).redraw(Without::Nothing);
    RasterStack::new(SIDE, SIDE, ages.iter().flat_map(draw).collect())
}

#[test]
fn integrated_gradients_add_up_to_the_difference_to_their_baseline() {
    let (net, images) = reference();
    for baseline in [0.0, 0.8] {
        let start = RasterStack::new(SIDE, SIDE, vec![baseline; SIDE * SIDE]);
        let reference = f64::from(net.predict(&start)[0]);
        let explained =
            maps(&net, &images, &format!("analyzer = 'integrated_gradients'\nsteps = 200\nbaseline = {baseline}"));
        assert!(matches!(explained.meaning.sum, Some(Sum::FromBaseline(_))));
        for ((map, facts), output) in explained.maps.iter().zip(&explained.facts).zip(&explained.outputs) {
            let total = facts.total.expect("a total");
            assert!((total - (f64::from(*output) - reference)).abs() < 1e-3, "{total}");
            assert!((map.sum() / total - 1.0).abs() < 0.1, "{} of {total} from {baseline}", map.sum());
        }
    }
    // Of classes, the baseline's logit of the class that is explained.
    let net = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, true);
    let images = random_images(2);
    let of = |class: &str| maps(&net, &images, &format!("analyzer = 'integrated_gradients'\nsteps = 300\n{class}"));
    for explained in [of("class = 'young'"), of("class = 'old'"), of("")] {
        for (map, facts) in explained.maps.iter().zip(&explained.facts) {
            let total = facts.total.expect("a total");
            assert!((map.sum() - total).abs() < 0.1 * total.abs().max(0.1), "{} for {total}", map.sum());
        }
    }
}

/// Without noise there is no smoothing: the same bits, the same meaning.
#[test]
fn no_noise_is_no_smoothing() {
    let (net, images) = reference();
    for analyzer in ["lrp.epsilon", "input_t_gradient", "lrp.sequential_preset_b_flat", "integrated_gradients"] {
        let plain = format!("analyzer = '{analyzer}'");
        let (plain, none) = (maps(&net, &images, &plain), format!("{plain}\nsmooth = {{ samples = 3, sigma = 0.0 }}"));
        assert_eq!(maps(&net, &images, &none), plain, "{analyzer}");
    }
}

/// The flat rule loses nothing, so a smoothed map adds up to what its facts say, the mean over the noisy images.
#[test]
fn smoothed_maps_add_up_to_the_mean_over_noisy_images() {
    let (net, images) = reference();
    let smooth = "smooth = { samples = 5, sigma = 0.01 }";
    for against in ["", "reference = 'output-bias'"] {
        let explained = maps(&net, &images, &format!("analyzer = 'lrp.flat'\n{against}\n{smooth}"));
        for (index, (map, facts)) in explained.maps.iter().zip(&explained.facts).enumerate() {
            let (total, output) = (facts.total.expect("a total"), f64::from(explained.outputs[index]));
            let plain = output - explained.reference;
            assert!((facts.shift - (total - plain)).abs() < 1e-3, "{facts:?}");
            if against.is_empty() {
                assert_eq!(facts.plain_total, None);
            } else {
                assert!((map.sum() / total - 1.0).abs() < 1e-3, "{} for {total}", map.sum());
                assert!((facts.plain_total.expect("no noise") - plain).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn a_reference_that_noise_makes_unreachable_is_refused_with_sigma_and_image() {
    let (net, _) = reference();
    // The young are predicted below the output bias, and noise takes them beyond it.
    let images = pumpkins(&[25, 22]);
    let predictions = net.predict(&images);
    let bias = net.weights().get("output.bias").values[0];
    let between = f64::from(bias + predictions.iter().copied().fold(f32::NEG_INFINITY, f32::max)) / 2.0;
    assert!(predictions.iter().all(|&prediction| prediction < bias - 2.0), "{predictions:?} of {bias}");
    for reference in [Reference::Years(between), Reference::Flooding(between)] {
        let of = |sigma: f64| {
            let smooth = Some(Smoothing { samples: 8, sigma, ..Smoothing::default() });
            let settings = ExplainSettings { smooth, ..against(reference) };
            ask(&net, &images, &settings, None)
        };
        assert!(of(1e-4).is_ok(), "{reference:?}");
        if let Reference::Years(_) = reference {
            let error = of(0.1).expect_err("noise turns relevance around");
            assert!(matches!(error, ExplainError::UnreachedUnderNoise { sample: 0, copies: 8, .. }), "{error}");
            assert!(error.to_string().contains("sigma 0.1") && error.to_string().contains("sample 0"), "{error}");
        } else if let Ok(explained) = of(0.1) {
            // Flooding always leads upwards; what it then explains is another difference.
            assert!(flaws(&explained, true).iter().all(|flaw| *flaw == Some(Flaw::Noise)));
        }
    }
    // The output bias is always reached, but from the other side.
    let turned = maps(&net, &images, "analyzer = 'lrp.flat'\nreference = 'output-bias'\nsmooth = { samples = 8 }");
    assert_eq!(flaws(&turned, true), [Some(Flaw::Noise); 2]);
    let kept = "analyzer = 'lrp.flat'\nreference = 'output-bias'\nsmooth = { samples = 8, sigma = 0.0005 }";
    assert_eq!(flaws(&maps(&net, &images, kept), true), [None; 2]);
}

#[test]
fn bounds_are_those_of_what_a_layer_gets() {
    let (net, images) = reference();
    let outside = |net: &Network, images: &RasterStack, toml: &str| {
        flaws(&maps(net, images, toml), false).iter().map(|flaw| *flaw == Some(Flaw::Outside)).collect::<Vec<_>>()
    };
    let bright = RasterStack::new(SIDE, SIDE, images.pixels().iter().map(|pixel| 255.0 * pixel).collect());
    for analyzer in ["deep_taylor.bounded", "zennit.epsilon_gamma_box"] {
        let plain = format!("analyzer = '{analyzer}'");
        assert_eq!(outside(&net, &images, &plain), [false; 2], "{analyzer}");
        assert_eq!(outside(&net, &bright, &plain), [true; 2], "{analyzer}");
        assert_eq!(outside(&net, &bright, &format!("{plain}\nhigh = 255")), [false; 2], "{analyzer}");
        let noisy = format!("{plain}\nsmooth = {{ samples = 2 }}");
        assert_eq!(outside(&net, &images, &noisy), [true; 2], "{analyzer} under noise");
    }
    // Behind batch norm the first convolution does not get pixels, which alone are within these bounds.
    let grey = RasterStack::new(SIDE, SIDE, vec![0.5; 2 * SIDE * SIDE]);
    let narrow = "analyzer = 'deep_taylor.bounded'\nlow = 0.49\nhigh = 0.51";
    for (batch_norm, expected) in [(false, [false; 2]), (true, [true; 2])] {
        let net = random_net(&ModelSettings { batch_norm, ..ModelSettings::default() }, true);
        assert_eq!(outside(&net, &grey, narrow), expected, "with batch norm {batch_norm}");
    }
    // A rule of one's own may bound a layer further on.
    let (net, images) = reference();
    let own = |high: f64| {
        format!(
            "analyzer = 'lrp'\ncomposite = [{{ layer = 'conv2', rule = 'z_b', low = 0, high = {high} }}, \
             {{ layer = 'any', rule = 'z_plus' }}]"
        )
    };
    assert_eq!(outside(&net, &images, &own(1e4)), [false; 2]);
    assert_eq!(outside(&net, &images, &own(1e-3)), [true; 2]);
}

#[test]
fn stabilisers_and_negative_outputs_leave_nothing() {
    let (net, images) = reference();
    let of =
        |epsilon: &str| flaws(&maps(&net, &images, &format!("analyzer = 'lrp.epsilon'\nepsilon = {epsilon}")), false);
    assert_eq!([of("0"), of("1e-7"), of("0.1")], [[None; 2]; 3]);
    assert_eq!([of("1e2"), of("1e4"), of("1e30")], [[Some(Flaw::Absorbed); 2]; 3]);
    let net = random_net(&ModelSettings { task: Task::Classification, ..ModelSettings::default() }, true);
    let images = random_images(4);
    for class in [Class::Young, Class::Old] {
        let settings = ExplainSettings { class: Some(class), ..settings("analyzer = 'deep_taylor'") };
        let explained = ask(&net, &images, &settings, None).expect("maps");
        let dead: Vec<bool> = explained.outputs.iter().map(|output| *output <= 0.0).collect();
        let found: Vec<bool> = flaws(&explained, false).iter().map(|flaw| *flaw == Some(Flaw::Zero)).collect();
        assert_eq!(found, dead, "{class:?}");
    }
}

#[test]
fn windows_that_leave_most_pixels_out_are_found() {
    let (net, images) = reference();
    let of = |window: usize, stride: usize| {
        let toml = format!("analyzer = 'occlusion'\nwindow = {window}\nstride = {stride}");
        flaws(&maps(&net, &images, &toml), false)
    };
    assert_eq!(of(10, 49), [Some(Flaw::Uncovered); 2]);
    assert_eq!(of(49, 49), [None; 2]);
}
