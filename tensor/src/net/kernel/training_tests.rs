//! Whole trainings and their gradients against automatic differentiation.

use rand::RngExt;
use tch::Device;
use xdlreg_core::net::{ModelSettings, Optimizer};
use xdlreg_core::seed;
use xdlreg_core::sim::{GrowthMode, Pumpkin, Without};
use xdlreg_core::sim::{SHAPE, SIDE};
use xdlreg_core::task::Task;

use super::tests::{NO_KERNELS, close, random};
use super::*;
use crate::net::autograd::Autograd;
use crate::net::init::initial_weights;

/// A few random images and ages.
fn samples(count: usize) -> (RasterStack, Vec<f32>) {
    let pixels = random(count * SIDE * SIDE, "pixels").iter().map(|value| value.abs()).collect();
    (RasterStack::new(SIDE, SIDE, pixels), (0..count).map(|i| 20.0 + ((i * 37) % 61) as f32).collect())
}

/// Raw outputs and final weights of training steps with dropout.
fn steps(engine: &mut dyn Engine, count: usize, features: usize) -> (Vec<f32>, Vec<f32>, Weights) {
    let mut stream = seed::stream(1, "steps", 0);
    for step in 0..count {
        let batch: Vec<usize> = (0..5 - step % 2).map(|index| (step * 7 + index * 3) % 12).collect();
        let mask: Vec<f32> = (0..batch.len() * features).map(|_| 2.0 * f32::from(stream.random::<bool>())).collect();
        engine.step(&batch, &mask, 1e-3);
    }
    (engine.take_outputs(), engine.evaluate(&(0..12).collect::<Vec<_>>()), engine.weights())
}

#[test]
fn a_training_equals_that_by_automatic_differentiation() {
    let odd = ModelSettings { conv_filters: [3, 20, 16, 40, 7], dense_units: 21, ..ModelSettings::default() };
    let classes = ModelSettings { task: Task::Classification, ..ModelSettings::default() };
    let trainings =
        [(ModelSettings::default(), Optimizer::Adam, 100), (odd, Optimizer::Adamw, 20), (classes, Optimizer::Sgd, 20)];
    for (model, optimizer, count) in trainings {
        let settings = TrainSettings { optimizer, weight_decay: 0.01, momentum: 0.5, ..TrainSettings::default() };
        let (images, ages) = samples(12);
        let objective = Objective::new(model.task, &ages);
        let network = model.network(SHAPE).expect("a network");
        let (weights, features) = (initial_weights(&network, 50.0, 3), network.dropouts()[0].1);
        let moments = Moments::zeros(trainable_values(&weights).len());
        let isa = *Isa::available().first().expect(NO_KERNELS);
        let run = |isa, threads| {
            let mut kernels =
                Kernels::with_isa(isa, &images, &objective, &settings, (&weights, &moments), threads).expect("kernels");
            steps(&mut kernels, count, features)
        };
        let ours = run(isa, 1);
        for &other in &Isa::available()[1..] {
            assert!(run(other, 1) == ours, "{other:?} against {isa:?}");
        }
        let shared = run(isa, 2);
        assert!(run(isa, 2) == shared, "two threads repeat themselves");
        let mut autograd = Autograd::new(&images, &objective, &settings, &weights, &moments, Device::Cpu);
        let theirs = steps(&mut autograd, count, features);
        let scale = theirs.0.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
        for ours in [&ours, &shared] {
            for (index, (x, y)) in ours.0.iter().zip(&theirs.0).enumerate() {
                // Training amplifies differences in rounding, from some twenty steps on visibly.
                let tolerance = if index < 60 { 1e-4 } else { 2e-2 };
                assert!((x - y).abs() < tolerance * scale, "{optimizer:?}: output {index} is {x} against {y}");
            }
            for (x, y) in ours.1.iter().zip(&theirs.1) {
                assert!((x - y).abs() < 2e-2 * scale, "{optimizer:?}: evaluation {x} against {y}");
            }
        }
    }
}

#[test]
fn a_gradient_equals_that_by_automatic_differentiation() {
    let odd = ModelSettings { conv_filters: [3, 20, 16, 40, 7], dense_units: 21, ..ModelSettings::default() };
    let pumpkins =
        [20, 45, 60, 80].map(|age| Pumpkin::draw(age, GrowthMode::Human, age.into()).redraw(Without::Nothing));
    let pumpkins = RasterStack::new(SIDE, SIDE, pumpkins.concat());
    let (random, ages) = samples(4);
    let cases = [(ModelSettings::default(), &random), (odd, &random), (ModelSettings::default(), &pumpkins)];
    for (model, images) in cases {
        // One step of plain gradient descent at rate 1 takes the gradient from the weights.
        let settings = TrainSettings { optimizer: Optimizer::Sgd, momentum: 0.0, ..TrainSettings::default() };
        let objective = Objective::new(model.task, &ages);
        let mut weights = initial_weights(&model.network(SHAPE).expect("a network"), 50.0, 3);
        if std::ptr::eq(images, &raw const pumpkins) {
            // As after some training: biases make the empty background of some filters win its windows, of others not.
            let nudged = |name: &str, values: &[f32]| match name.starts_with("conv") && name.ends_with("bias") {
                true => (0..values.len()).map(|filter| 0.05 * (filter % 3) as f32 - 0.05).collect(),
                false => values.to_vec(),
            };
            weights = Weights::build(&model.network(SHAPE).expect("a network"), |name, _| {
                nudged(name, &weights.get(name).values)
            });
        }
        let moments = Moments::zeros(trainable_values(&weights).len());
        let mask = vec![1.0; 4 * weights.network().dropouts()[0].1];
        let kernels = Kernels::new(images, &objective, &settings, (&weights, &moments), 1);
        let mut kernels = kernels.expect(NO_KERNELS);
        let mut autograd = Autograd::new(images, &objective, &settings, &weights, &moments, Device::Cpu);
        kernels.step(&[0, 1, 2, 3], &mask, 1.0);
        autograd.step(&[0, 1, 2, 3], &mask, 1.0);
        // The velocity of SGD is the negative gradient.
        let (ours, theirs) = (kernels.moments().first, autograd.moments().first);
        // Four images in two parts, in three, and in one each: all parts count.
        for threads in [2, 3, 4] {
            let mut shared =
                Kernels::new(images, &objective, &settings, (&weights, &moments), threads).expect(NO_KERNELS);
            shared.step(&[0, 1, 2, 3], &mask, 1.0);
            let alone: Vec<f64> = ours.iter().map(|&value| f64::from(value)).collect();
            close(&shared.moments().first, &alone, &format!("the gradient of {threads} threads"));
        }
        let mut start = 0;
        for parameter in weights.parameters() {
            let end = start + parameter.values.len();
            let theirs: Vec<f64> = theirs[start..end].iter().map(|&value| f64::from(value)).collect();
            assert!(theirs.iter().any(|&value| value != 0.0), "{} gets a gradient", parameter.name);
            close(&ours[start..end], &theirs, &parameter.name);
            start = end;
        }
    }
}
