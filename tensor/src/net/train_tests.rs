use xdlreg_core::event::silent;
use xdlreg_core::net::{Optimizer, Schedule};
use xdlreg_core::raster::ImageShape;
use xdlreg_core::sim::SIDE;
use xdlreg_core::task::Task;

use super::*;

/// Noise on a plane whose brightness tells the age.
fn samples(count: usize) -> (RasterStack, Vec<f32>) {
    let mut noise = seed::stream(3, "test images", 0);
    let ages: Vec<f32> = (0..count).map(|i| 20.0 + ((i * 37) % 61) as f32).collect();
    let mut images = RasterStack::zeros(count, SIDE, SIDE);
    for (pixels, age) in images.pixels_mut().chunks_exact_mut(SIDE * SIDE).zip(&ages) {
        for pixel in pixels {
            *pixel = age / 80.0 * (0.5 + noise.next_u32() as f32 / u32::MAX as f32);
        }
    }
    (images, ages)
}

fn settings(epochs: usize) -> TrainSettings {
    TrainSettings { epochs, ..TrainSettings::default() }
}

/// Small enough for many trainings.
fn small() -> ModelSettings {
    ModelSettings { conv_filters: [4, 4, 6, 8, 5], dense_units: 8, seed: 5, ..ModelSettings::default() }
}

fn go_on(_: &TrainState) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn train(model: &ModelSettings, settings: &TrainSettings, count: usize) -> Result<Trained, TrainError> {
    let (images, ages) = samples(count);
    training((&images, &ages, &Partition::in_order(count)), model, settings).run(None, &silent, &mut go_on)
}

fn training<'a>(
    (images, targets, partition): (&'a RasterStack, &'a [f32], &'a Partition),
    model: &'a ModelSettings,
    settings: &'a TrainSettings,
) -> Training<'a> {
    Training {
        images,
        targets,
        partition,
        model,
        settings,
        start: None,
        device: Device::Cpu,
        engine: EngineChoice::Auto,
    }
}

/// A history without its times.
fn losses(history: &[Epoch]) -> Vec<Epoch> {
    history.iter().map(|epoch| Epoch { epoch_seconds: 0.0, ..epoch.clone() }).collect()
}

#[test]
fn the_loss_falls_and_reported_losses_are_those_of_the_weights() {
    let (images, ages) = samples(60);
    let (model, settings) = (ModelSettings::default(), TrainSettings { learning_rate: 2e-3, ..settings(6) });
    let trained = train(&model, &settings, 60).expect("a training");
    let first = &trained.history[0];
    let last = &trained.history[5];
    assert!(last.train_loss < 0.7 * first.train_loss, "{first:?} {last:?}");
    let net = crate::net::Network::new(&trained.weights, Device::Cpu);
    let predictions = net.predict(&images.slice(48..54));
    let mae = predictions.iter().zip(&ages[48..54]).map(|(p, a)| f64::from((p - a).abs())).sum::<f64>() / 6.0;
    assert!((mae - last.val_mae).abs() < 1e-3, "{mae} against {last:?}");
}

#[test]
fn a_batch_beyond_the_training_set_is_all_of_it() {
    let history = |batch_size: usize| {
        let trained = train(&small(), &TrainSettings { batch_size, ..settings(2) }, 60).expect("a training");
        (losses(&trained.history), trained.weights)
    };
    let whole = history(48);
    assert!(history(49) == whole && history(usize::MAX) == whole);
    assert!(history(47) != whole);
}

#[test]
fn a_resumed_training_equals_an_uninterrupted_one_bit_for_bit() {
    let variants = [
        (ModelSettings::default(), settings(4)),
        (ModelSettings { batch_norm: true, ..small() }, TrainSettings { optimizer: Optimizer::Adamw, ..settings(4) }),
        (
            ModelSettings { task: Task::Classification, ..small() },
            TrainSettings {
                optimizer: Optimizer::Sgd,
                momentum: 0.9,
                schedule: Schedule::Cosine,
                checkpoint_every: 1,
                ..settings(4)
            },
        ),
    ];
    let ((images, ages), partition) = (samples(30), Partition::in_order(30));
    for (model, settings) in &variants {
        let training = training((&images, &ages, &partition), model, settings);
        let whole = training.run(None, &silent, &mut go_on).expect("a training");
        let mut file = Vec::new();
        let mut interrupt = |state: &TrainState| {
            file = state.to_bytes();
            if state.epoch() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = training.run(None, &silent, &mut interrupt).expect_err("an interrupted training");
        assert_eq!(error, TrainError::Interrupted { epoch: 2 });
        let state = TrainState::from_bytes(&file).expect("our own state");
        assert_eq!(state.to_bytes(), file);
        let resumed = training.run(Some(state), &silent, &mut go_on).expect("a resumed training");
        assert_eq!(resumed.weights.to_bytes(), whole.weights.to_bytes());
        assert_eq!(resumed.best.weights.to_bytes(), whole.best.weights.to_bytes());
        assert_eq!(losses(&resumed.history), losses(&whole.history));
        assert_eq!(resumed.checkpoint, whole.checkpoint);
    }
}

#[test]
fn seeds_decide_the_weights() {
    let run = |seed| train(&ModelSettings { seed, ..small() }, &settings(1), 20).expect("a training").weights;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn divergence_is_an_error_with_its_epoch() {
    let wild = TrainSettings { learning_rate: 1e4, optimizer: Optimizer::Sgd, ..settings(3) };
    let error = train(&small(), &wild, 30).expect_err("a training that diverges");
    assert!(matches!(error, TrainError::Diverged { epoch: 1..=3, .. }), "{error}");
}

#[test]
fn patience_ends_a_training_that_no_longer_improves() {
    let still = TrainSettings { learning_rate: 1e-30, patience: 2, keep: Keep::Best, ..settings(9) };
    let trained = train(&ModelSettings { dropout: 0.0, ..small() }, &still, 20).expect("a training");
    assert_eq!((trained.history.len(), trained.best.epoch, trained.epoch), (3, 1, 1));
}

#[test]
fn checkpoints_are_the_best_of_the_epochs_that_are_due() {
    let every = TrainSettings { checkpoint_every: 2, ..settings(5) };
    let trained = train(&small(), &every, 30).expect("a training");
    let due = [2, 4].map(|epoch| (trained.history[epoch - 1].val_loss, epoch));
    let expected = if due[1].0 < due[0].0 { due[1].1 } else { due[0].1 };
    assert_eq!(trained.checkpoint.expect("a checkpoint").epoch, expected);
    assert_eq!(trained.epoch, 5);
}

#[test]
fn unfit_data_is_refused() {
    let (images, ages) = samples(20);
    let (model, settings) = (small(), settings(1));
    let run = |images: &RasterStack, ages: &[f32]| {
        let partition = Partition::in_order(images.len());
        training((images, ages, &partition), &model, &settings).run(None, &silent, &mut go_on).expect_err("unfit data")
    };
    assert_eq!(run(&images, &ages[1..]), TrainError::Counts { images: 20, targets: 19, parts: 20 });
    assert_eq!(run(&images.slice(0..1), &ages[..1]), TrainError::TooFew { count: 1 });
}

#[test]
fn dropout_keeps_the_asked_share_and_the_mean() {
    let mut mask = vec![0.0; 100_000];
    draw_mask(&mut seed::stream(1, "dropout", 1), 0.2, &mut mask);
    assert!(mask.iter().all(|&factor| factor == 0.0 || factor == 1.25));
    let mean = mask.iter().sum::<f32>() / mask.len() as f32;
    assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    draw_mask(&mut seed::stream(1, "dropout", 1), 0.0, &mut mask);
    assert!(mask.iter().all(|&factor| factor == 1.0));
}

/// A network of layers, of three channels and more columns than rows, with batch norm behind its features and two dropouts.
pub fn layers() -> ModelSettings {
    toml::from_str(
        "architecture = 'layers'\nseed = 3\nlayers = [\
         { type = 'conv', filters = 4, kernel = [3, 5], stride = 2 }, { type = 'relu' }, { type = 'max_pool', kernel = 2 }, \
         { type = 'dropout', rate = 0.25 }, { type = 'flatten' }, { type = 'dense', units = 6 }, { type = 'batch_norm' }, \
         { type = 'relu' }, { type = 'dropout', rate = 0.5 }, { type = 'dense', units = 1 }]",
    )
    .expect("settings")
}

#[test]
fn any_layers_learn_from_images_of_any_shape() {
    let shape = ImageShape::new(3, 16, 20);
    let (grey, targets) = samples(60);
    let pixels = grey.iter().flat_map(|image| image.pixels[..shape.values()].to_vec()).collect();
    let images = RasterStack::of(shape, pixels);
    let (model, settings) = (layers(), TrainSettings { learning_rate: 0.02, keep: Keep::Best, ..settings(15) });
    let partition = Partition::in_order(60);
    let run = |model: &ModelSettings| {
        training((&images, &targets, &partition), model, &settings).run(None, &silent, &mut go_on)
    };
    let trained = run(&model).expect("a training");
    assert_eq!(trained.engine, EngineKind::Libtorch);
    let (first, best) = (&trained.history[0], &trained.history[trained.epoch - 1]);
    assert!(best.val_loss < 0.5 * first.val_loss, "{first:?} {best:?}");
    let read = Weights::from_bytes(&trained.weights.to_bytes()).expect("our own weights");
    assert_eq!(read, trained.weights, "the file carries the layers");
    let predictions = crate::net::Network::new(&read, Device::Cpu).predict(&images);
    let mae = (48..54).map(|sample| f64::from((predictions[sample] - targets[sample]).abs())).sum::<f64>() / 6.0;
    assert!((mae - best.val_mae).abs() < 1e-3, "{mae} against {best:?}");
    assert_eq!(run(&model).expect("a training").weights, trained.weights, "the same once more");
}

#[test]
fn images_that_are_too_small_for_the_layers_are_refused() {
    let images = RasterStack::zeros(20, 1, 1);
    let (targets, partition) = (vec![1.0; 20], Partition::in_order(20));
    let (model, settings) = (layers(), settings(1));
    let error =
        training((&images, &targets, &partition), &model, &settings).run(None, &silent, &mut go_on).unwrap_err();
    assert!(error.to_string().contains("max_pool"), "{error}");
}

#[test]
fn each_dropout_has_its_own_rate_and_part_of_the_mask() {
    let mut masks = vec![f32::NAN; 1000 * 7];
    draw_masks(&mut seed::stream(1, "dropout", 1), &[(0.0, 2), (0.5, 1), (0.75, 4)], &mut masks);
    for image in masks.chunks_exact(7) {
        assert_eq!(image[..2], [1.0; 2]);
        assert!([0.0, 2.0].contains(&image[2]) && image[3..].iter().all(|factor| [0.0, 4.0].contains(factor)));
    }
    let mut one = vec![f32::NAN; 50];
    draw_mask(&mut seed::stream(1, "dropout", 1), 0.3, &mut one);
    let mut same = vec![f32::NAN; 50];
    draw_masks(&mut seed::stream(1, "dropout", 1), &[(0.3, 10)], &mut same);
    assert_eq!(one, same, "a network with one dropout has the masks of earlier versions");
}

/// The own kernels and libtorch train the same network, up to rounding.
#[test]
fn libtorch_is_used_where_it_is_asked_for() {
    let ((images, ages), partition) = (samples(20), Partition::in_order(20));
    let (model, settings) = (small(), settings(1));
    let run = |engine| {
        let training = Training { engine, ..training((&images, &ages, &partition), &model, &settings) };
        training.run(None, &silent, &mut go_on).expect("a training")
    };
    let (auto, libtorch) = (run(EngineChoice::Auto), run(EngineChoice::Libtorch));
    assert_eq!(libtorch.engine, EngineKind::Libtorch);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(auto.engine, EngineKind::Kernels, "this processor has no kernels");
    }
    assert!((auto.history[0].val_loss / libtorch.history[0].val_loss - 1.0).abs() < 1e-3);
}
