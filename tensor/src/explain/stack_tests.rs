//! Stacks of images that are longer than what is looked at, averaged or explained at a time.

use xdlreg_core::explain::{ExplainSettings, Options, Reference};
use xdlreg_core::net::ModelSettings;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::sim;

use super::network_tests::{ask, given, random_images, random_net, settings};
use super::parity_tests::{deviation, reference};
use super::reference::Root;
use super::{ExplainError, LOOK, Samples};

const AREA: usize = 98 * 98;

/// So many copies of an image, the last of which are changed.
fn copies(image: &RasterStack, count: usize, change: impl Fn(usize, &mut [f32])) -> RasterStack {
    let mut pixels = image.pixels()[..AREA].repeat(count);
    pixels.chunks_exact_mut(AREA).enumerate().for_each(|(index, image)| change(index, image));
    RasterStack::new(98, 98, pixels)
}

/// As many explainers as one thread has, so that a stack has several chunks.
fn on_one_thread<T>(work: impl FnOnce() -> T) -> T {
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let done = work();
    tch::set_num_threads(threads);
    done
}

#[test]
fn a_random_map_belongs_to_its_sample_in_every_chunk() {
    let net = random_net(&ModelSettings::default(), true);
    let many = copies(&random_images(1), 140, |_, _| {});
    let explained = on_one_thread(|| ask(&net, &many, &settings("random"), None)).expect("maps");
    for index in 1..140 {
        assert!(explained.maps.get(index) != explained.maps.get(0), "samples 0 and {index} have the same noise");
    }
}

#[test]
fn a_sample_without_numbers_is_named_by_its_place_among_all() {
    let net = random_net(&ModelSettings::default(), true);
    let broken = copies(&random_images(1), 140, |index, image| {
        if index == 137 {
            image[50] = f32::NAN;
        }
    });
    let error = on_one_thread(|| ask(&net, &broken, &settings("input_t_gradient"), None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        ExplainError::NotFinite { sample: 137, analyzer: "input_t_gradient".into() }.to_string()
    );
}

/// A single pixel below zero among the first images forbids rules that promise positive inputs, for all of them.
#[test]
fn one_pixel_below_zero_anywhere_counts() {
    let net = random_net(&ModelSettings::default(), true);
    let image = random_images(1);
    let lowered = |image: &mut [f32]| image.iter_mut().for_each(|pixel| *pixel -= 0.5);
    for below in [0, LOOK] {
        let many = copies(&image, LOOK + 1, |index, image| {
            if index == below {
                lowered(image);
            }
        });
        let alone = copies(&image, 1, |_, image| lowered(image));
        for analyzer in ["lrp.sequential_preset_a", "zennit.epsilon_plus"] {
            let maps = |images| ask(&net, images, &settings(analyzer), None).expect("maps").maps;
            assert!(deviation(maps(&many).get(below).pixels, maps(&alone).pixels()) < 1e-4, "{analyzer} at {below}");
        }
    }
}

/// The reference of an age group is the prediction at the mean activation of exactly its samples, both ends included.
#[test]
fn a_group_holds_its_ages_from_the_first_to_the_last_and_no_other() {
    let (net, _) = reference();
    let plain = random_images(1);
    // Brighter images are predicted otherwise, so that each one counts.
    let shades =
        copies(&plain, 5, |index, image| image.iter_mut().for_each(|pixel| *pixel *= 0.2 * (index + 1) as f32));
    let ages = [19.0, 20.0, 25.0, 30.0, 31.0];
    let predictions: Vec<f64> = net.predict(&shades).into_iter().map(f64::from).collect();
    assert!(predictions.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 0.1), "{predictions:?}");
    let found = |from, to| {
        let samples = Samples { images: &shades, targets: &ages };
        Root::find(Reference::Ages([from, to]), &net, &sim::age(), Some(samples))
            .map(|root| root.expect("a root").reference)
    };
    for (from, to, group) in
        [(20.0, 30.0, 1..4), (19.0, 25.0, 0..3), (30.0, 31.0, 3..5), (25.0, 25.0, 2..3), (0.0, 99.0, 0..5)]
    {
        // The output layer is linear: predictions of a mean activation are means of predictions.
        let expected = predictions[group.clone()].iter().sum::<f64>() / group.len() as f64;
        let found = found(from, to).expect("a group");
        assert!((found - expected).abs() < 1e-3, "{from} to {to}: {found} for {expected}");
    }
    let nobody = ExplainError::NobodyWithin { target: "age".into(), from: 32.0, to: "40 years".into() };
    assert_eq!(found(32.0, 40.0).unwrap_err().to_string(), nobody.to_string());
}

#[test]
fn a_group_may_be_larger_than_what_is_averaged_at_a_time() {
    let (net, _) = reference();
    let plain = random_images(1);
    let many =
        copies(&plain, 150, |index, image| image.iter_mut().for_each(|pixel| *pixel *= 0.2 + index as f32 / 150.0));
    let ages = vec![25.0; 150];
    let samples = Samples { images: &many, targets: &ages };
    let root =
        Root::find(Reference::Ages([20.0, 30.0]), &net, &sim::age(), Some(samples)).expect("a group").expect("a root");
    let predictions = net.predict(&many);
    let expected = predictions.iter().copied().map(f64::from).sum::<f64>() / 150.0;
    assert!((root.reference - expected).abs() < 1e-3, "{} for {expected}", root.reference);
}

/// The mean of the gradients at equally spaced points from the baseline on, the image itself not among them.
#[test]
fn integrated_gradients_take_the_left_ends_of_their_steps() {
    let net = random_net(&ModelSettings::default(), true);
    let (image, baseline) = (random_images(1), 0.25_f32);
    let own = given(
        "integrated_gradients",
        Options { steps: Some(2), baseline: Some(baseline.into()), ..Options::default() },
    );
    let maps = |images: &RasterStack, settings: &ExplainSettings| {
        ask(&net, images, settings, None).expect("maps").maps.pixels().to_vec()
    };
    let at = |share: f32| {
        let pixels = image.pixels().iter().map(|pixel| baseline + share * (pixel - baseline)).collect();
        maps(&RasterStack::new(98, 98, pixels), &settings("gradient"))
    };
    let gradients = at(0.0).into_iter().zip(at(0.5)).zip(image.pixels());
    let expected: Vec<f32> = gradients.map(|((one, other), pixel)| (one + other) / 2.0 * (pixel - baseline)).collect();
    assert!(deviation(&maps(&image, &own), &expected) < 1e-4);
}
